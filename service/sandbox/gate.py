"""The way into the Verify API: count a request, check who asks, let a rule spoil it, word its refusal."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

import gevent
from flask import Response, request

from service.sandbox import misbehave
from service.sandbox.errors import ANSWERS, Refusal, not_found
from service.sandbox.failures import Failures, Rule, Subject
from service.sandbox.tally import Tally

_NOT_JSON = "<html><body><h1>Bad Gateway</h1></body>"

#: Does what was asked, ``deliver`` the message or lose it; answers status and body.
Work = Callable[[bool], tuple[int, dict[str, object]]]


@dataclass(frozen=True, slots=True)
class Account:
    """The one account and Verify service that the sandbox knows."""

    account_sid: str
    auth_token: str
    service_sid: str


class Gate:
    """Everything that may keep a request from being answered as asked."""

    def __init__(self, account: Account, failures: Failures, held: misbehave.Held, tally: Tally) -> None:
        self._service_sid = account.service_sid
        self._credentials = base64.b64encode(f"{account.account_sid}:{account.auth_token}".encode())
        self._failures = failures
        self._held = held
        self._tally = tally

    def serve(self, operation: str, service_sid: str, subject: Callable[[], Subject], work: Work) -> Response:
        """Answer one request; ``subject`` tells, when a rule asks, whom it is about."""
        self._tally.asked(operation)
        ok = False
        try:
            self._admit(service_sid)
            rule = self._failures.choose(operation, subject)
            if rule and (spoiled := self._spoil(rule, 201 if operation == "send" else 200)):
                return spoiled
            response = _json(*work(rule is None or rule.kind != "not_delivered"))
            ok = True
        except Refusal as refusal:
            response = _json(refusal.status, refusal.body())
            if refusal.status == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        finally:
            self._tally.done(operation, ok=ok)
        return response

    def _admit(self, service_sid: str) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._credentials)
        if scheme.lower() != "basic" or not known:
            raise Refusal("unauthorized")
        if service_sid != self._service_sid:
            raise not_found(request.path.removeprefix("/v2"))

    def _spoil(self, rule: Rule, status: int) -> Response | None:
        """What a rule makes of a request; None when it is to be answered after all."""
        connection = request.environ[misbehave.CONNECTION]
        match rule.kind:
            case "reset":
                return Response(misbehave.reset(connection))
            case "hang":
                return Response(misbehave.hang(self._held, connection, rule.id))
            case "trickle":
                body = b'{"status": "pending"'
                stream = misbehave.trickle(self._held, connection, rule.id, body, rule.delay)
                return Response(stream, status, content_type="application/json")
            case "malformed":
                return Response(_NOT_JSON, status, content_type="application/json")
            case "slow":
                gevent.sleep(rule.delay)
            case kind if kind in ANSWERS:
                raise Refusal(kind)
        return None


def _json(status: int, body: dict[str, object]) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
