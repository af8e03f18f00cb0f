"""Whatever is sent below `/v2`, the answer has Twilio's form, and nothing breaks."""

import os

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.twilio.conftest import AUTH, BASE

PATHS = ("/Verifications", "/VerificationCheck", "/Entities", "/nothing", "")
KEYED = ("/Verifications/{}", "/Entities/{}", "/Entities/{}/Factors", "/Entities/{}/Challenges")
KEYED_TWICE = ("/Entities/{}/Factors/{}", "/Entities/{}/Challenges/{}")
SIDS = st.sampled_from([p + "0" * 32 for p in ("VE", "YF", "YC", "YE")])
WORDS = st.one_of(
    SIDS,
    st.sampled_from(
        ["+14155550190", "a@x.example", "fuzz", "sms", "call", "email", "totp", "canceled", "..", "%00"]
    ),
    st.text(max_size=40).filter(lambda text: all(not 0xD800 <= ord(c) < 0xE000 for c in text)),
)
NAMES = st.sampled_from(
    [
        *(
            "To",
            "Channel",
            "Code",
            "VerificationSid",
            "Status",
            "Locale",
            "DeviceIp",
            "Identity",
            "FactorType",
        ),
        *(
            "FriendlyName",
            "AuthPayload",
            "FactorSid",
            "Binding.Secret",
            "Config.Alg",
            "Config.TimeStep",
            "Tags",
        ),
    ]
)
quoted = WORDS.map(lambda text: requests.utils.quote(text, safe="") or "-")
PLACES = st.one_of(
    st.sampled_from(PATHS),
    st.builds(str.format, st.sampled_from(KEYED), quoted),
    st.builds(str.format, st.sampled_from(KEYED_TWICE), quoted, quoted),
)


@pytest.fixture(scope="module")
def session():
    with requests.Session() as made:
        made.auth = AUTH
        yield made


@settings(
    max_examples=int(os.environ.get("FUZZ", "150")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PUT"]),
    PLACES,
    st.lists(st.tuples(NAMES, WORDS), max_size=5),
)
def test_every_answer_has_the_form_of_twilios(stack, session, method, place, form):
    answer = session.request(method, stack.url + BASE + place, data=form, timeout=20)
    if answer.status_code == 204:
        assert answer.content == b""
        return
    told = answer.json()
    if answer.ok:
        assert answer.status_code in (200, 201)
        assert {"url", "meta"} & told.keys()
    else:
        assert answer.status_code < 500, told
        assert told.keys() == {"code", "message", "more_info", "status"}, (method, place, form, told)
        assert told["status"] == answer.status_code
        assert told["more_info"].endswith(str(told["code"]))
        assert len(told["message"]) < 1000
