"""The second factor on otp-fallback's page, which sends the user back with a proof."""

from flask import redirect, request, session, url_for
from otp import Unavailable
from shop import let_in, say


def begin(otp, name, user):
    """The password was right: send the user to the page that asks for the second factor."""
    challenge = otp.start(
        user_id=name,
        phone=user["phone"],
        email=user["email"],
        action="login",
        client_ip=request.remote_addr,
        return_url=url_for("back", _external=True),  # below one of OTP_RETURN_URLS
    )
    session["pending"] = {"user": name, "challenge": challenge["id"]}
    return redirect(challenge["challenge_url"])


def register(app):
    """Where users come back to."""

    @app.get("/login/done")
    def back():
        pending = session.pop("pending", None)
        # Only in the browser session that began the login: whoever was sent a link to here is nobody.
        if pending is None or request.args.get("challenge_id") != pending["challenge"]:
            return say("Please sign in again.")
        if request.args.get("status") != "approved":
            return say("You are not signed in.")
        try:
            proven = app.otp.proves(
                request.args.get("proof", ""), user=pending["user"], challenge_id=pending["challenge"]
            )
        except Unavailable:
            return say("Signing in does not work at this moment. Please try again.")
        return let_in(pending["user"]) if proven else say("You are not signed in.")
