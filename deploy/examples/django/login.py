"""A login with Django: `python login.py [port]`. The views are what matters; a project has its own settings."""

import os
import secrets
import sys

import django
import requests
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path
from django.views.decorators.http import require_http_methods

settings.configure(
    DEBUG=False,
    SECRET_KEY=os.environ.get("SHOP_SECRET") or secrets.token_hex(),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

URL = os.environ.get("OTP_URL", "http://127.0.0.1:8080")
OTP = requests.Session()
OTP.headers["Authorization"] = f"Bearer {os.environ['OTP_API_KEY']}"
USERS = {
    "alice": {
        "password": make_password("correct horse"),
        "phone": "+14155550123",
        "email": "alice@example.com",
    }
}
NOBODY = make_password(secrets.token_hex())

PAGE = """<!doctype html><html lang="en"><title>Shop</title><h1>{{ title }}</h1>
{% if said %}<p role="alert">{{ said }}</p>{% endif %}<form method="post">{% csrf_token %}
{% for field, kind in fields %}<label>{{ field }} <input name="{{ field }}" type="{{ kind }}"></label>
{% endfor %}<button>Sign in</button></form></html>"""


def login(request):
    """The password, and the start of the challenge."""
    if request.method == "GET":
        return page(request, "Sign in", fields=[("name", "text"), ("password", "password")])
    name = request.POST.get("name", "")
    user = USERS.get(name)
    right = check_password(request.POST.get("password", ""), user["password"] if user else NOBODY)
    if user is None or not right:
        return page(
            request, "Sign in", "Name or password is wrong.", [("name", "text"), ("password", "password")]
        )
    contacts = {"phone": user["phone"], "email": user["email"]}
    caller = request.META["REMOTE_ADDR"]  # behind a proxy: what the proxy says
    status, challenge = call("POST", "/v1/challenges", {"user_id": name, **contacts, "client_ip": caller})
    if status != 201:
        return page(request, "Please try again in a moment", status=503)
    request.session["pending"] = {"user": name, "challenge": challenge["id"]}
    return redirect("/prompt")


@require_http_methods(["GET", "POST"])
def prompt(request):
    """The second factor, by whatever channel the challenge is on."""
    pending = request.session.get("pending")
    if pending is None:
        return redirect("/login")
    address, said = f"/v1/challenges/{pending['challenge']}", ""
    if request.method == "POST":
        status, verdict = call("POST", f"{address}/verify", {"code": request.POST.get("code") or "-"})
        if status == 200 and verdict["valid"]:
            request.session.flush()
            request.session["user"] = pending["user"]
            return redirect("/")
        said = "That code is not right." if status == 200 else verdict["detail"]
    status, challenge = call("GET", address)
    if status == 503:
        return page(request, "Please try again in a moment", status=503)
    if status != 200 or challenge["status"] != "pending":
        request.session.flush()
        return redirect("/login")
    notice = (challenge["notice"] or {}).get("message", "")
    return page(request, f"Code by {challenge['channel']}", f"{notice} {said}".strip(), [("code", "text")])


def home(request):
    """Only for those who are signed in."""
    if "user" not in request.session:
        return redirect("/login")
    return HttpResponse(f"Welcome, {request.session['user']}", content_type="text/plain")


def call(method, address, body=None):
    """Ask otp-fallback: its status and answer. When it can't be reached that is a 503, and nobody is let in."""
    try:
        answer = OTP.request(method, URL + address, json=body, timeout=15)
        return answer.status_code, answer.json()
    except (requests.RequestException, ValueError):
        return 503, {"detail": "Please try again in a moment."}


def page(request, title, said="", fields=(), status=200):
    """A form."""
    html = (
        engines["django"].from_string(PAGE).render({"title": title, "said": said, "fields": fields}, request)
    )
    return HttpResponse(html, status=status)


urlpatterns = [path("", home), path("login", login), path("prompt", prompt)]
application = get_wsgi_application()

if __name__ == "__main__":
    port = sys.argv[1] if len(sys.argv) > 1 else "5001"
    execute_from_command_line(["login.py", "runserver", "--noreload", f"127.0.0.1:{port}"])
