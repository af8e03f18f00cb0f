"""A shop: a password first, then a second factor in one of two ways."""

import os
import secrets

from flask import Flask, redirect, render_template_string, request, session, url_for
from otp import Otp, Unavailable
from werkzeug.security import check_password_hash, generate_password_hash

USERS = {
    "alice": {
        "password": generate_password_hash("correct horse"),
        "phone": "+14155550123",
        "email": "alice@example.com",
    }
}
NOBODY = generate_password_hash(secrets.token_hex())  # an unknown name takes as long as a wrong password

FRAME = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Shop</title>
<main>{body}</main></html>"""
LOGIN = FRAME.format(
    body="""<h1>Sign in</h1>{% if said %}<p role="alert">{{ said }}</p>{% endif %}
<form method="post" action="{{ url_for('login') }}"><label>Name <input name="name" required></label>
<label>Password <input name="password" type="password" required></label><button>Sign in</button></form>"""
)
HOME = FRAME.format(
    body="""<h1>Welcome, {{ user }}</h1>
<form method="post" action="{{ url_for('logout') }}"><button>Sign out</button></form>"""
)


def create_app(second_factor, *, otp=None):
    """A shop whose second factor is one of the two modules beside this one."""
    app = Flask(__name__)
    app.secret_key = os.environ.get("SHOP_SECRET") or secrets.token_hex()
    app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_NAME="shop")
    app.otp = otp or Otp(os.environ.get("OTP_URL", "http://127.0.0.1:8080"), os.environ["OTP_API_KEY"])

    @app.get("/")
    def home():
        if "user" not in session:
            return render_template_string(LOGIN, said=session.pop("said", ""))
        return render_template_string(HOME, user=session["user"])

    @app.post("/login")
    def login():
        name, password = request.form.get("name", ""), request.form.get("password", "")
        user = USERS.get(name)
        right = check_password_hash(user["password"] if user else NOBODY, password)
        if user is None or not right:
            return say("Name or password is wrong.")
        session.clear()
        try:
            return second_factor.begin(app.otp, name, user)
        except Unavailable:
            return say("Signing in does not work at this moment. Please try again.")

    @app.post("/logout")
    def logout():
        session.clear()
        return redirect(url_for("home"))

    second_factor.register(app)
    return app


def let_in(name):
    """The user has shown both factors: a new session."""
    session.clear()
    session["user"] = name
    return redirect(url_for("home"))


def say(words):
    """Back to the beginning, with a reason."""
    session.clear()
    session["said"] = words
    return redirect(url_for("home"))
