// Reads calls as a JSON list from standard input and prints, as another, what the SDK made of each.
const { readFileSync } = require('node:fs');

exports.answerAll = async (call) => {
  const answers = [];
  for (const asked of JSON.parse(readFileSync(0, 'utf8'))) {
    try {
      answers.push(await call(asked));
    } catch (error) {
      const { name, message, code, statusCode, requestId, data, accessDeniedDetail } = error;
      answers.push({ error: { name, message, code, statusCode, requestId, data, accessDeniedDetail } });
    }
  }
  console.log(JSON.stringify(answers));
};
