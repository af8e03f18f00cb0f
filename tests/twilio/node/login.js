// What an application does that uses Twilio Verify by its Node SDK; one line is new: the base URL.
// Reads commands from standard input, one JSON array a line, and answers each with a line of JSON.
const readline = require("node:readline");
const twilio = require("twilio");

const { OTP_URL, TWILIO_ACCOUNT_SID, OTP_API_KEY, TWILIO_VERIFY_SERVICE_SID } = process.env;
const client = twilio(TWILIO_ACCOUNT_SID, OTP_API_KEY);
client.verify.baseUrl = OTP_URL;
const verify = client.verify.v2.services(TWILIO_VERIFY_SERVICE_SID);

const commands = {
  send: (form) => verify.verifications.create(form),
  fetch: (key) => verify.verifications(key).fetch(),
  end: (key, status) => verify.verifications(key).update({ status }),
  check: (form) => verify.verificationChecks.create(form),
  newFactor: (identity, form) => verify.entities(identity).newFactors.create(form),
  verifyFactor: (identity, sid, code) => verify.entities(identity).factors(sid).update({ authPayload: code }),
  factors: (identity) => verify.entities(identity).factors.list(),
  challenge: (identity, form) => verify.entities(identity).challenges.create(form),
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...given] = JSON.parse(line);
    try {
      console.log(JSON.stringify({ done: await commands[name](...given) }));
    } catch (error) {
      console.log(JSON.stringify({ failed: { status: error.status, code: error.code, message: error.message } }));
    }
  }
})();
