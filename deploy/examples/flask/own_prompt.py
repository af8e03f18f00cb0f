"""The second factor on a page of the shop's own."""

from flask import redirect, render_template_string, request, session, url_for
from otp import Ended, Refused, Unavailable
from shop import FRAME, let_in, say

PROMPTS = {
    "sms": "Type the code that we sent to your phone.",
    "voice": "Type the code that you are told by telephone.",
    "whatsapp": "Type the code that we sent you by WhatsApp.",
    "email": "Type the code that we sent you by e-mail.",
    "totp": "Type the code that your authenticator app shows.",
    "backup_code": "Type one of your backup codes.",
}
PROMPT = FRAME.format(
    body="""<h1>One more step</h1>
{% if challenge.notice %}<p role="status">{{ challenge.notice.message }}</p>{% endif %}
{% if said %}<p role="alert">{{ said }}</p>{% endif %}
<form method="post"><label>{{ prompts[challenge.channel] }}
<input name="code" autocomplete="one-time-code" required autofocus></label><button>Sign in</button></form>
{% for way in ways %}<form method="post"><button name="way" value="{{ way }}">{{ way }} instead</button></form>
{% endfor %}<form method="post"><button name="resend" value="1">Send it again</button></form>"""
)


def begin(otp, name, user):
    """The password was right: ask for the second factor."""
    challenge = otp.start(
        user_id=name,
        phone=user["phone"],
        email=user["email"],
        action="login",
        client_ip=request.remote_addr,  # behind a proxy: what the proxy says
    )
    session["pending"] = {"user": name, "challenge": challenge["id"]}
    return redirect(url_for("prompt"))


def register(app):
    """The page, and what its forms do."""

    @app.route("/prompt", methods=["GET", "POST"])
    def prompt():
        pending = session.get("pending")
        if pending is None:
            return redirect(url_for("home"))
        try:
            return answer(app.otp, pending)
        except Ended:
            return say("That took too long. Please sign in again.")
        except Unavailable:
            return say("Signing in does not work at this moment. Please try again.")

    def answer(otp, pending):
        said = ""
        try:
            if request.form.get("code"):
                verdict = otp.verify(pending["challenge"], request.form["code"])
                if verdict["valid"]:
                    return let_in(pending["user"])
                said = "That code is not right."
            elif request.form.get("way"):
                otp.switch(pending["challenge"], request.form["way"])
            elif request.form.get("resend"):
                otp.resend(pending["challenge"])
        except Refused as refusal:
            said = str(refusal)
        challenge = otp.get(pending["challenge"])
        if challenge["status"] != "pending":
            raise Ended
        open_ways = [
            c["channel"] for c in challenge["channels"] if c["state"] in ("waiting", "sent", "ready")
        ]
        ways = [way for way in open_ways if way != challenge["channel"]]
        return render_template_string(PROMPT, challenge=challenge, prompts=PROMPTS, ways=ways, said=said)
