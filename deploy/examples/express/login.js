// A login with Express: `node login.js [port]`. Node 18 or newer, for fetch.
import { randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import cookieSession from "cookie-session";
import express from "express";

const URL_OF_OTP = process.env.OTP_URL ?? "http://127.0.0.1:8080";
const KEY = process.env.OTP_API_KEY;
if (!KEY) throw new Error("OTP_API_KEY is not set");

const hashed = (password, salt) => ({ salt, hash: scryptSync(password, salt, 32) });
const users = new Map([
  ["alice", { ...hashed("correct horse", randomBytes(16)), phone: "+14155550123", email: "alice@example.com" }],
]);
const nobody = hashed(randomBytes(16).toString("hex"), randomBytes(16));

const otp = async (method, path, body) => {
  const answer = await fetch(URL_OF_OTP + path, {
    method,
    headers: { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  return { ok: answer.ok, ...(await answer.json()) };
};

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, said, fields) => `<!doctype html><html lang="en"><title>Shop</title>
<h1>${escaped(title)}</h1>${said ? `<p role="alert">${escaped(said)}</p>` : ""}<form method="post">
${fields.map((f) => `<label>${f} <input name="${f}"${f === "password" ? ' type="password"' : ""}></label>`).join("\n")}
<button>Sign in</button></form></html>`;

const app = express();
app.use(express.urlencoded({ extended: false }));
// SameSite keeps other sites from sending these forms in a user's name.
app.use(cookieSession({ name: "shop", keys: [process.env.SHOP_SECRET ?? randomBytes(32).toString("hex")], sameSite: "lax" }));

app.get("/", (request, response) => {
  if (!request.session.user) return response.redirect("/login");
  response.type("text").send(`Welcome, ${request.session.user}`);
});

app.get("/login", (_request, response) => response.send(page("Sign in", "", ["name", "password"])));
app.post("/login", async (request, response) => {
  const { name = "", password = "" } = request.body ?? {};
  const user = users.get(String(name));
  const { salt, hash } = user ?? nobody;
  if (!timingSafeEqual(scryptSync(String(password), salt, 32), hash) || !user)
    return response.send(page("Sign in", "Name or password is wrong.", ["name", "password"]));
  const challenge = await otp("POST", "/v1/challenges", {
    user_id: String(name),
    phone: user.phone,
    email: user.email,
    client_ip: request.ip,
  });
  if (!challenge.ok) throw new Error(challenge.code);
  request.session = { pending: { user: String(name), challenge: challenge.id } };
  response.redirect("/prompt");
});

app.all("/prompt", async (request, response) => {
  const pending = request.session.pending;
  if (!pending) return response.redirect("/login");
  let said = "";
  if (request.method === "POST") {
    const verdict = await otp("POST", `/v1/challenges/${pending.challenge}/verify`, {
      code: String(request.body?.code || "-"),
    });
    if (verdict.ok && verdict.valid === true) {
      request.session = { user: pending.user };
      return response.redirect("/");
    }
    said = verdict.ok ? "That code is not right." : verdict.detail;
  }
  const challenge = await otp("GET", `/v1/challenges/${pending.challenge}`);
  if (!challenge.ok || challenge.status !== "pending") {
    request.session = null;
    return response.redirect("/login");
  }
  response.send(page(`Code by ${challenge.channel}`, `${challenge.notice?.message ?? ""} ${said}`.trim(), ["code"]));
});

// What can't be asked lets nobody in.
app.use((_error, _request, response, _next) =>
  response.status(503).send(page("Please try again in a moment", "", [])),
);

const port = Number(process.argv[2] ?? 5002);
app.listen(port, "127.0.0.1", () => console.log(`The shop is at http://127.0.0.1:${port}`));
