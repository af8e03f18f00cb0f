// Each line below an "// error" must be refused by the compiler.
import createClient from "openapi-fetch";
import type { components, paths } from "./otp-fallback.d.ts";

type Request = components["schemas"]["StartChallengeRequest"];
const otp = createClient<paths>({ baseUrl: "http://127.0.0.1" });

// error: a field that there is not
const body: Request = { user_id: "alice", telephone: "+14155550123" };
// error: a field that must be there
await otp.POST("/v1/challenges", { body: { phone: "+14155550123" } });
// error: another type
await otp.POST("/v1/challenges", { body: { user_id: 7 } });
// error: no such call
await otp.POST("/v1/challenge", { body: { user_id: "alice" } });
// error: no such channel
await otp.POST("/v1/challenges", { body: { user_id: "alice", channels: ["pigeon"] } });

declare const challenge: components["schemas"]["ChallengeView"];
// error: it may be null
challenge.notice.message;
// error: no such state
if (challenge.status === "done") throw challenge;
