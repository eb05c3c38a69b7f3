// @alicloud/dysmsapi20180501 and @alicloud/dysmsapi20170525: typed calls, one after the other.
const { answerAll } = require('./answer.js');

const sdks = {
  2018: require('@alicloud/dysmsapi20180501'),
  2017: require('@alicloud/dysmsapi20170525'),
};
const { Config } = require('@alicloud/openapi-client');

answerAll(async ({ endpoint, accessKeyId, accessKeySecret, version, operation, parameters }) => {
  const sdk = sdks[version];
  const client = new sdk.default(new Config({ accessKeyId, accessKeySecret, endpoint, protocol: 'http' }));
  const model = `${operation[0].toUpperCase()}${operation.slice(1)}Request`;
  const { statusCode, body } = await client[operation](new sdk[model](parameters));
  return { statusCode, body };
});
