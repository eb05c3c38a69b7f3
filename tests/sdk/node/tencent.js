// tencentcloud-sdk-nodejs-sms, with each of its signatures, GET and POST.
const { answerAll } = require('./answer.js');

const { sms } = require('tencentcloud-sdk-nodejs-sms');

answerAll(async ({ endpoint, accessKeyId, accessKeySecret, signMethod, method, action, parameters }) => {
  const client = new sms.v20210111.Client({
    credential: { secretId: accessKeyId, secretKey: accessKeySecret },
    region: 'ap-guangzhou',
    profile: { signMethod, httpProfile: { endpoint, protocol: 'http://', reqMethod: method } },
  });
  return { body: await client[action || 'ReportConversion'](parameters) };
});
