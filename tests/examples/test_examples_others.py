"""The logins of Django and Express, over HTTP, on an ordinary day and in an outage."""

import re
import shutil
import sys

import pytest
import requests

from tests.support.stack import ROOT
from tests.support.tools import npm_packages

EXAMPLES = ROOT / "deploy" / "examples"
PHONE_OF_ALICE, MAIL_OF_ALICE = "+14155550123", "alice@example.com"


@pytest.fixture(params=["django", "express"])
def shop(request, began, tmp_path):
    if request.param == "django":
        login = EXAMPLES / "django" / "login.py"
        return began(login.parent, [sys.executable, str(login), "{port}"])
    folder = tmp_path / "express"  # modules are looked for beside the program
    shutil.copytree(EXAMPLES / "express", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(npm_packages(folder))
    return began(folder, [str(shutil.which("node")), str(folder / "login.js"), "{port}"])


class Customer:
    """A browser as far as these pages need one."""

    def __init__(self, shop):
        self.shop, self.session = shop, requests.Session()

    def send(self, path, **fields):
        shown = self.session.get(self.shop + path, timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown.text)
        hidden = {"csrfmiddlewaretoken": token[1]} if token else {}
        return self.session.post(self.shop + path, data={**fields, **hidden}, timeout=20).text


@pytest.fixture
def customer(shop):
    return Customer(shop)


def test_an_ordinary_day(customer, sandbox):
    assert "Name or password is wrong." in customer.send("/login", name="alice", password="wrong")
    assert "Name or password is wrong." in customer.send("/login", name="nobody", password="correct horse")
    assert "Welcome" not in customer.session.get(customer.shop, timeout=10).text
    assert "Code by sms" in customer.send("/login", name="alice", password="correct horse")
    assert "That code is not right." in customer.send("/prompt", code="000001")
    assert "Welcome" not in customer.session.get(customer.shop, timeout=10).text
    assert customer.send("/prompt", code=sandbox.code(PHONE_OF_ALICE)) == "Welcome, alice"


def test_an_outage(customer, sandbox):
    sandbox.fail("http_500")
    told = customer.send("/login", name="alice", password="correct horse")
    assert "Code by email" in told
    assert "delayed" in told
    assert customer.send("/prompt", code=sandbox.code(MAIL_OF_ALICE, "email")) == "Welcome, alice"


def test_without_the_service_nobody_gets_in(customer, stack):
    stack.web.kill()
    try:
        told = customer.send("/login", name="alice", password="correct horse")
        assert "Please try again in a moment" in told
    finally:
        stack.start_web()
    assert "Welcome" not in customer.session.get(customer.shop, timeout=10).text


def test_a_challenge_that_is_over_begins_the_login_anew(customer, api, stack):
    customer.send("/login", name="alice", password="correct horse")
    created = [e for e in stack.events() if e["type"] == "challenge.created"]
    for event in created:
        api("POST", f"/v1/challenges/{event['id']}/cancel", {})
    assert "<h1>Sign in</h1>" in customer.send("/prompt", code="123456")
    assert "Welcome" not in customer.session.get(customer.shop, timeout=10).text
