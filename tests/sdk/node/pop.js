// @alicloud/pop-core: the older SDK, signature V1, GET and POST.
const { answerAll } = require('./answer.js');

const { RPCClient } = require('@alicloud/pop-core');

answerAll(async ({ endpoint, accessKeyId, accessKeySecret, version, action, method, parameters }) => {
  const client = new RPCClient({
    accessKeyId,
    accessKeySecret,
    endpoint: `http://${endpoint}`,
    apiVersion: version,
  });
  return { body: await client.request(action, parameters, { method, formatAction: false }) };
});
