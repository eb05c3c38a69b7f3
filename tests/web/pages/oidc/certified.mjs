// Serves `oidc-provider`, which the OpenID Foundation has certified, on a free port of this machine.
//
// Prints its issuer, reads its settings from standard input as a line of JSON, and serves until that ends.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(`${process.env.NODE_PATH}/oidc-provider/lib/index.js`));
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
console.log(issuer);

const keys = [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ec', { namedCurve: 'P-256' })];
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await lines.next()).value);
const provider = new Provider(issuer, {
  clients: [{ ...settings.client, response_types: ['code'], grant_types: ['authorization_code'] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  conformIdTokenClaims: settings.thin, // only `sub` in the ID token, the other claims at the UserInfo endpoint
  jwks: { keys: keys.map(({ privateKey }) => privateKey.export({ format: 'jwk' })) },
  cookies: { keys: ['of this test'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@shop.example`, email_verified: true, groups: ['staff', id] }),
  }),
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
});
server.on('request', provider.callback());
console.log('ready');
await lines.next();
process.exit();
