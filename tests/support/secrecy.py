"""A user's day, all that must be found nowhere after it, and the search for it."""

import base64
import re

from tests.support.people import Person
from tests.support.stack import API_KEY, Stack, wait_until


def busy(stack: Stack, person: Person) -> set[str]:
    """A day in the life of one user; everything that must not be found afterwards."""
    api, sandbox = stack.api, stack.sandbox
    secrets = {person.id, person.phone, person.phone[2:], person.email, API_KEY}
    secrets |= {person.email.partition("@")[0], person.id.partition("@")[0]}
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    begun = api("POST", "/v1/enrollments", {"user_id": person.id, "label": "Label of hers"}).json()
    secrets |= {begun["secret"], base64.b32decode(begun["secret"]).hex(), "Label of hers"}
    app, codes = api.enroll(person.id)
    secrets |= {app.secret, *codes, *(code.replace("-", "") for code in codes)}

    def start(**fields):
        return api.start(
            person.id, action="an-action", metadata={"k": "meta-data"}, client_ip="203.0.113.77", **fields
        )

    secrets |= {"an-action", "meta-data", "203.0.113.77"}
    proofs = []
    sms = start()
    code = sandbox.code(person.phone)
    secrets.add(code)
    api.verify(sms["id"], "000000")
    proofs.append(api.verify(sms["id"], code).json()["proof"])
    mail = start(channels=["email"])
    code = sandbox.code(person.email, "email")
    secrets.add(code)
    proofs.append(api.verify(mail["id"], code).json()["proof"])
    code = app.now()
    secrets.add(code)
    totp = start(channels=["totp"])
    proofs.append(api.verify(totp["id"], code).json()["proof"])
    backup = start(channels=["backup_code"])
    proofs.append(api.verify(backup["id"], codes[0]).json()["proof"])
    headers = {"Idempotency-Key": "a-key-of-the-caller"}
    api("POST", f"/v1/users/{person.id}/backup-codes", {}, headers=headers)
    sandbox.fail("landline")
    start(channels=["sms", "voice", "email"])
    sandbox.heal()
    sandbox.fail("http_500")
    late = start(channels=["whatsapp", "email"])
    sandbox.heal()
    sandbox.fail("not_delivered", operation="send", channel="call")
    silent = start(channels=["voice", "email"])
    wait_until(lambda: api.get(silent["id"])["channel"] == "email")
    for answer in (
        api("GET", f"/v1/users/{person.id}/nothing-here"),
        api("POST", "/v1/challenges", {"user_id": person.id, "phone": "not-a-number-4711"}),
        api("POST", f"/v1/challenges/{late['id']}/verify", {"code": ["x"]}),
    ):
        assert answer.status_code in (404, 405, 422)
    secrets.add("not-a-number-4711")
    return secrets | set(proofs)


def leaks(text: str, secret: str) -> bool:
    """Whether a secret can be read in a text, as it is or in base64."""
    if secret.isdigit() and len(secret) < 8:  # a code: not within a longer number
        return re.search(rf"(?<![0-9A-Za-z]){secret}(?![0-9A-Za-z])", text) is not None
    return secret in text or base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] in text
