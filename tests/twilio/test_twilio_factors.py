"""Authenticator apps enrolled and asked for as Twilio's TOTP factors, by its SDK."""

import json
import re
import time

import pyotp
import pytest
import requests

from service.http.twilio.sids import challenge_id
from service.store import keys
from tests.support.stack import ACCOUNT, API_KEY, SERVICE
from tests.twilio.conftest import refusal

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238, appendix B


def created(verify, identity, **more):
    return verify.entities(identity).new_factors.create(friendly_name="phone", factor_type="totp", **more)


def verified(verify, identity, **more):
    """An app, and what it shows; the confirming code is of the step before."""
    new = created(verify, identity, **more)
    uri = pyotp.parse_uri(new.binding["uri"])
    factor = verify.entities(identity).factors(new.sid)
    assert factor.update(auth_payload=uri.at(time.time() - uri.interval)).status == "verified"
    return new, uri


def challenge(verify, identity, sid, code):
    return verify.entities(identity).challenges.create(factor_sid=sid, auth_payload=code)


def test_a_factor_from_its_creation_to_its_end(verify, api):
    new = created(verify, "fa-ann")
    assert re.fullmatch("YF[0-9a-f]{32}", new.sid)
    assert re.fullmatch("YE[0-9a-f]{32}", new.entity_sid)
    assert (new.status, new.factor_type, new.identity) == ("unverified", "totp", "fa-ann")
    assert new.config == {"alg": "sha1", "code_length": 6, "skew": 1, "time_step": 30}
    app = pyotp.parse_uri(new.binding["uri"])
    assert app.secret == new.binding["secret"]
    one = verify.entities("fa-ann").factors(new.sid)
    assert one.fetch().status == "unverified"
    assert one.update(auth_payload="000000").status == "unverified"
    assert one.update(auth_payload=app.at(time.time() - 30)).status == "verified"
    assert [factor.sid for factor in verify.entities("fa-ann").factors.list()] == [new.sid]
    answer = requests.get(
        f"{api.url}/v2/Services/{SERVICE}/Entities/fa-ann/Factors", auth=(ACCOUNT, API_KEY), timeout=5
    ).json()
    assert set(answer["meta"]) == {
        *("page", "page_size", "first_page_url", "previous_page_url", "next_page_url", "url", "key")
    }
    assert new.binding["secret"] not in str(answer)
    assert "binding" not in answer["factors"][0]
    # It is an app like any other here, and nobody has backup codes that were shown to no one.
    (factor,) = api("GET", "/v1/users/fa-ann/factors").json()["factors"]
    assert factor["label"] == "phone"
    assert api("GET", "/v1/users/fa-ann/factors").json()["backup_codes"]["remaining"] == 0
    assert api.verify(api.start("fa-ann")["id"], app.now()).json()["valid"]
    assert one.update(friendly_name="new phone").friendly_name == "new phone"
    assert one.delete()
    assert refusal(one.fetch).code == 20404


def test_an_app_asked_for(verify, api):
    new, app = verified(verify, "fa-bea")
    wrong = challenge(verify, "fa-bea", new.sid, "000000")
    assert re.fullmatch("YC[0-9a-f]{32}", wrong.sid)
    assert (wrong.status, wrong.factor_sid, wrong.factor_type) == ("pending", new.sid, "totp")
    again = verify.entities("fa-bea").challenges(wrong.sid)
    assert again.fetch().status == "pending"
    assert again.update(auth_payload=app.now()).status == "approved"
    assert again.fetch().date_responded is not None
    assert challenge(verify, "fa-bea", new.sid, app.now()).status == "pending"  # each step once


@pytest.mark.parametrize(("alg", "digits", "step"), [("sha256", 8, 60), ("sha512", 7, 30), ("sha1", 6, 60)])
def test_apps_that_were_enrolled_at_twilio_are_taken_over(verify, alg, digits, step):
    form = {"config_alg": alg, "config_code_length": digits, "config_time_step": step}
    identity = f"fa-{alg}-{digits}-{step}"
    new, app = verified(verify, identity, binding_secret=SECRET, **form)
    assert new.binding["secret"] == SECRET
    assert (app.digits, app.interval) == (digits, step)
    assert (new.config["alg"], new.config["code_length"], new.config["time_step"]) == (alg, digits, step)
    assert challenge(verify, identity, new.sid, app.now()).status == "approved"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"binding_secret": "not base 32!"}, "Binding.Secret"),
        ({"binding_secret": "GEZDG"}, "Binding.Secret"),
        ({"config_code_length": 5}, "Config.CodeLength"),
        ({"config_time_step": 45}, "Config.TimeStep"),
        ({"config_skew": 3}, "Config.Skew"),
        ({"config_alg": "md5"}, "Config.Alg"),
    ],
)
def test_what_is_wrong_is_named(verify, given, named):
    fault = refusal(created, verify, "fa-cay", **given)
    assert (fault.status, fault.code) == (400, 60200)
    assert f"`{named}`" in fault.msg
    assert SECRET[:5] not in fault.msg


def test_another_users_factor_is_not_there(verify):
    new, _ = verified(verify, "fa-dan")
    pending = created(verify, "fa-dan")
    for sid in (new.sid, pending.sid):
        assert refusal(verify.entities("fa-eva").factors(sid).fetch).code == 20404
        assert refusal(challenge, verify, "fa-eva", sid, "000000").code == 20404
    asked = challenge(verify, "fa-dan", new.sid, "000000")
    assert refusal(verify.entities("fa-eva").challenges(asked.sid).fetch).code == 20404
    unverified = refusal(challenge, verify, "fa-dan", pending.sid, "000000")
    assert (unverified.status, unverified.code) == (403, 60318)


def test_an_entity(verify, api):
    made = verify.entities.create(identity="fa-fred")
    assert (made.identity, made.sid) == ("fa-fred", verify.entities("fa-fred").fetch().sid)
    verified(verify, "fa-fred")
    assert verify.entities("fa-fred").delete()
    assert refusal(verify.entities("fa-fred").fetch).code == 20404
    assert api("GET", "/v1/users/fa-fred/factors").json()["factors"] == []


@pytest.mark.parametrize("identity", ["a\tb", "a/b", "x" * 257])
def test_an_identity_that_no_path_leads_to(verify, identity):
    fault = refusal(verify.entities.create, identity=identity)
    assert (fault.status, fault.code) == (400, 60200)
    assert "`Identity`" in fault.msg


def test_addresses_in_answers_lead_somewhere(verify, stack):
    made = verify.entities.create(identity="fa hal@example.com?#é")
    for url in (made.url, made.links["factors"]):
        assert requests.get(url, auth=(ACCOUNT, API_KEY), timeout=5).status_code == 200


def test_what_is_verified_says_so_of_its_own_code_only(verify, api):
    """Else whatever a user types would be answered by "verified"."""
    new = created(verify, "fa-ida")
    app, one = pyotp.parse_uri(new.binding["uri"]), verify.entities("fa-ida").factors(new.sid)
    code = app.at(time.time() - 30)
    for _ in range(2):  # the first answer may have been lost
        assert one.update(auth_payload=code).status == "verified"
    for wrong in ("000000", "nonsense", app.now()):
        fault = refusal(one.update, auth_payload=wrong, friendly_name="mine now")
        assert (fault.status, fault.code) == (403, 60311)
    assert one.fetch().friendly_name == "phone"
    assert challenge(verify, "fa-ida", new.sid, app.now()).status == "approved"  # it was not used up


def test_a_challenge_that_has_expired(verify, stack):
    new, app = verified(verify, "fa-jan")
    asked = challenge(verify, "fa-jan", new.sid, "000000")
    name = keys.challenge(challenge_id(asked.sid))
    record = json.loads(stack.redis().get(name))
    stack.redis().set(name, json.dumps({**record, "ex": record["at"]}), keepttl=True)
    one = verify.entities("fa-jan").challenges(asked.sid)
    fault = refusal(one.update, auth_payload=app.now())
    assert (fault.status, fault.code) == (403, 60323)
    assert one.fetch().status == "expired"


def test_guesses_are_limited(verify):
    new, app = verified(verify, "fa-gus")
    asked = challenge(verify, "fa-gus", new.sid, "000000")
    one = verify.entities("fa-gus").challenges(asked.sid)
    told = [one.update(auth_payload="000000").status for _ in range(4)]
    assert told == ["pending"] * 3 + ["denied"]
    assert refusal(one.update, auth_payload=app.now()).code == 60202
