"""What operators did: noted with the change itself, chained, checked."""

import concurrent.futures
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.audit import AuditEntry, ChainedEntry, canonical, chained, verify

KEY = b"k" * 32


def trail(number: int) -> tuple[list[ChainedEntry], str]:
    entries, head = [], ""
    for at in range(number):
        text = canonical(AuditEntry(at=at, actor="key_x", action="mode.set", after={"mode": "fallback"}))
        head = chained(KEY, head, text)
        entries.append(ChainedEntry(f"{at}-0", text, head))
    return entries, head


@given(st.integers(0, 12))
def test_a_whole_trail(number):
    entries, head = trail(number)
    assert verify(KEY, entries, head) == (number, None, None)
    # Entries that were added since the head was read do not look like a fault.
    longer, _ = trail(number + 2)
    assert verify(KEY, longer, head) == (number + 2, None, None)


@given(st.integers(1, 12), st.data())
def test_whatever_is_done_to_it_is_found(number, data):
    entries, head = trail(number)
    at = data.draw(st.integers(0, number - 1))
    what = data.draw(st.sampled_from(["change", "remove", "copy", "swap", "forge", "cut"]))
    match what:
        case "change":
            entries[at] = entries[at]._replace(text=entries[at].text.replace(b"fallback", b"auto"))
        case "remove":
            del entries[at]
        case "copy":
            entries.insert(at, entries[at])
        case "swap" if number > 1:
            other = (at + 1) % number
            entries[at], entries[other] = entries[other], entries[at]
        case "forge":
            text = canonical(AuditEntry(at=1, actor="key_y", action="key.create"))
            entries.append(ChainedEntry("99-0", text, chained(b"another key", head, text)))
        case _:
            del entries[at:]
    assert verify(KEY, entries, head).fault is not None


@given(st.text(), st.text())
def test_one_text_for_one_entry(actor, reason):
    entry = AuditEntry(at=1, actor=actor, action="x", reason=reason, before={"b": 1, "a": None})
    assert json.loads(canonical(entry))["actor"] == actor
    assert canonical(entry) == canonical(
        AuditEntry(action="x", at=1, reason=reason, actor=actor, before={"a": None, "b": 1})
    )


def put(api, **body):
    return api("PUT", "/v1/ops/mode", {"mode": "fallback", "reason": "Twilio incident", **body})


def test_who_what_when_from_where_before_and_after(api):
    assert put(api, country="+91").status_code == 200
    assert put(api, country="+91", mode="auto", reason="it is over", expires_in=60).status_code == 200
    entries = api("GET", "/v1/ops/audit?limit=2").json()["entries"]
    newest, older = entries
    assert newest["actor"].startswith("key_")
    assert newest["origin"] == "127.0.0.1"
    assert newest["action"] == "mode.set"
    assert newest["target"] == "application *, country +91"
    assert newest["reason"] == "it is over"
    assert newest["before"] == older["after"]
    assert (older["before"], older["after"]["mode"]) == (None, "fallback")
    assert api("GET", f"/v1/ops/audit?limit=1&before={newest['id']}").json()["entries"] == [older]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "before=x", "before=1", "before=0-0"])
def test_a_bad_query(api, query):
    answer = api("GET", f"/v1/ops/audit?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_two_operators_at_once_notice_each_other(api):
    seen = put(api, country="+44").json()["version"]
    answer = put(api, country="+44", mode="auto", version=seen)
    assert answer.json()["version"] == seen + 1
    late = put(api, country="+44", mode="primary_only", version=seen)
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (409, "mode_changed", seen + 1)
    assert put(api, country="+49", version=1).status_code == 409
    assert put(api, country="+49", version=0).status_code == 200


def test_of_many_at_once_one_wins_and_none_is_lost(api, cli):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: put(api, country="+33", version=0).status_code, range(8)))
    assert sorted(statuses) == [200] + [409] * 7
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: put(api, country="+34", reason=f"r{n}"), range(8)))
    done = [answer for answer in answers if answer.status_code == 200]
    assert sorted(answer.json()["version"] for answer in done) == list(range(1, len(done) + 1))
    assert all(answer.headers["Retry-After"] for answer in answers if answer not in done)
    assert cli("audit", "verify", "--json")["valid"] is True


def test_commands_are_noted_too(cli):
    made = cli("keys", "create", "--name", "shop", "--scope", "challenges", "--json")
    cli("keys", "revoke", made["id"])
    cli("mode", "fallback", "--reason", "drill", "--country", "+39")
    newest = cli("audit", "list", "--limit", 3, "--json")
    assert [entry["action"] for entry in newest] == ["mode.set", "key.revoke", "key.create"]
    assert all(entry["actor"].startswith("cli:") for entry in newest)
    assert made["key"] not in json.dumps(newest)
    assert "key.revoke" in cli("audit", "list")


def test_export(cli):
    exported = [json.loads(line) for line in cli("audit", "export").splitlines()]
    assert exported[::-1] == cli("audit", "list", "--limit", 10_000, "--json")
    assert len(exported) > 3


def test_a_change_behind_its_back_is_found(stack, cli, api):
    put(api, country="+46")
    assert "none missing or changed" in cli("audit", "verify")
    client = stack.redis()
    ((entry_id, fields),) = client.xrevrange("otp:{00}:audit", count=1)
    client.xdel("otp:{00}:audit", entry_id)
    found = cli("audit", "verify", "--json", code=1)
    assert (found["valid"], found["fault"]) == (False, "the newest entries were removed")
    forged = fields[b"entry"].replace(b"+46", b"+47")
    client.xadd("otp:{00}:audit", {"entry": forged, "hash": fields[b"hash"]})
    assert cli("audit", "verify", "--json", code=1)["entry"] is not None
    # The service goes on: the trail is for people to judge.
    assert put(api, country="+46").status_code == 200


def test_no_mode_changes_without_its_note(stack, api):
    """Both are made by one script: of a crash between them there can be none."""
    before = len(api("GET", "/v1/ops/audit?limit=500").json()["entries"])
    for number in range(5):
        put(api, country="+81", reason=f"r{number}")
    assert len(api("GET", "/v1/ops/audit?limit=500").json()["entries"]) == before + 5
