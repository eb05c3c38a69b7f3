// @alicloud/openapi-client: any operation, with its parameters in the query, in a form or in a JSON body.
const { answerAll } = require('./answer.js');

const { default: Client, Config, OpenApiRequest, Params } = require('@alicloud/openapi-client');
const { RuntimeOptions } = require('@alicloud/tea-util');

answerAll(async ({ endpoint, accessKeyId, accessKeySecret, algorithm, method, kind, parameters }) => {
  const client = new Client(
    new Config({ accessKeyId, accessKeySecret, endpoint, protocol: 'http', signatureAlgorithm: algorithm }),
  );
  const params = new Params({
    action: 'SmsConversion',
    version: '2018-05-01',
    protocol: 'HTTP',
    pathname: '/',
    method,
    authType: 'AK',
    style: 'RPC',
    reqBodyType: kind === 'json' ? 'json' : 'formData',
    bodyType: 'json',
  });
  const request = new OpenApiRequest(kind === 'query' ? { query: parameters } : { body: parameters });
  const { statusCode, body } = await client.callApi(params, request, new RuntimeOptions({}));
  return { statusCode, body };
});
