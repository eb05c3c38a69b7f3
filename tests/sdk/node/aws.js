// @aws-sdk/client-pinpoint-sms-voice-v2, redirected by a variable of the environment alone.
const { answerAll } = require('./answer.js');

const {
  PinpointSMSVoiceV2Client,
  PutMessageFeedbackCommand,
  SendTextMessageCommand,
} = require('@aws-sdk/client-pinpoint-sms-voice-v2');

const rightTime = Date.now;

answerAll(async ({ accessKeyId, accessKeySecret, clockAheadMs, send, parameters }) => {
  // What a machine with a wrong clock has.
  Date.now = () => rightTime() + (clockAheadMs || 0);
  const client = new PinpointSMSVoiceV2Client({
    region: 'eu-central-1',
    credentials: { accessKeyId, secretAccessKey: accessKeySecret },
  });
  const { $metadata, ...body } = await client.send(
    send ? new SendTextMessageCommand(send) : new PutMessageFeedbackCommand(parameters),
  );
  return { attempts: $metadata.attempts, body };
});
