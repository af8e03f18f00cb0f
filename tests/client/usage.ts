// A login through the API, with the generated types. Compiled and run by test_client_typescript.py.
import createClient from "openapi-fetch";
import type { components, paths } from "./otp-fallback.d.ts";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

const otp = createClient<paths>({
  baseUrl: process.env.OTP_URL!,
  headers: { Authorization: `Bearer ${process.env.OTP_API_KEY}` },
});

type Challenge = components["schemas"]["ChallengeView"];

function prompt(challenge: Challenge): string {
  const shown = challenge.channels.find((one) => one.channel === challenge.channel);
  return `${shown?.channel} ${challenge.notice?.message ?? ""}`;
}

const started = await otp.POST("/v1/challenges", {
  body: { user_id: process.env.OTP_USER!, locale: "en" },
});
if (started.error !== undefined) throw new Error(started.error.code);
const told = prompt(started.data);

const answered = await otp.POST("/v1/challenges/{id}/verify", {
  params: { path: { id: started.data.id } },
  body: { code: process.env.OTP_CODE! },
});
const verdict = answered.data!;
const status: "pending" | "approved" | "expired" | "locked" | "canceled" | "failed" = verdict.status;

const introspected = await otp.POST("/v1/proofs/introspect", { body: { proof: verdict.proof! } });
const missing = await otp.GET("/v1/challenges/{id}", { params: { path: { id: "ch_none" } } });

process.stdout.write(
  JSON.stringify({ told, status, user: introspected.data!.user_id, missing: missing.error!.code }),
);
