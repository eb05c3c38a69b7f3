// twilio: calls of a client that the block of the how-to has made. Reads the calls as answer.js says.
const { answerAll } = require('./answer.js');

exports.answerWith = (client) =>
  answerAll(async ({ call, secret, given }) => {
    const calls = {
      feedback: ({ sid, ...parameters }) => client.messages(sid).feedback.create(parameters),
      update: ({ sid, status }) => client.verify.v2.services('VA1').verifications(sid).update({ status }),
      list: (parameters) => client.verify.v2.verificationAttempts.list(parameters),
      one: ({ sid }) => client.verify.v2.verificationAttempts(sid).fetch(),
      summary: (parameters) => client.verify.v2.verificationAttemptsSummary().fetch(parameters),
      send: () => client.messages.create({ to: '+4915112345678', from: '+15005550006', body: '123' }),
    };
    const kept = client.password;
    client.password = secret ?? kept;
    try {
      return JSON.parse(JSON.stringify(await calls[call](given ?? {})));
    } catch ({ constructor, code, status }) {
      return { error: [constructor.name, status, code] };
    } finally {
      client.password = kept;
    }
  });
