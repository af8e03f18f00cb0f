"""`Idempotency-Key` on every POST (draft-ietf-httpapi-idempotency-key-header).

Same key, same request: the stored answer. Another request: 422. Still running: 409. Answers are kept for
an hour. What trying again may mend (5xx, 429, 401) is not kept.
"""

import json
import re
from collections.abc import Callable

from flask import Request, Response

from service.app import Services
from service.domain.api_keys import ApiKey
from service.domain.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    OtpError,
)
from service.http.problems import domain_problem

HEADER = "Idempotency-Key"
_IN_ENVIRON = "HTTP_IDEMPOTENCY_KEY"
_FORM = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')  # the draft's quoted string, or the bare word
_KEPT_HEADERS = ("Content-Type", "Location")  # limits are as they were then, so they are not kept


def once(
    services: Services, caller: ApiKey, asked: Request, raw: bytes, answer: Callable[[], Response]
) -> Response:
    """Run a request unless its key was seen."""
    header = asked.environ.get(_IN_ENVIRON)
    if header is None:
        return answer()
    given = _FORM.fullmatch(header)
    if given is None:
        raise IdempotencyKeyInvalid(f"{HEADER} must be 1 to 255 visible ASCII characters.")
    store = services.idempotency
    key_hash = store.hash("key", caller.application, given[1])
    fingerprint = store.hash("request", asked.method, asked.path, _canonical(raw))
    claim = store.claim(key_hash, fingerprint)
    if claim.outcome == "reused":
        raise IdempotencyKeyReused("This Idempotency-Key came with another request before.")
    if claim.outcome == "running":
        raise IdempotencyKeyInUse("The first request with this key is still running.", retry_after=1)
    if claim.answer is not None:
        return _replay(claim.answer)
    try:
        response = answer()
    except OtpError as error:
        response = domain_problem(error)
    except BaseException:
        store.release(key_hash)
        raise
    if response.status_code >= 500 or response.status_code in (401, 403, 409, 429):
        store.release(key_hash)
    else:
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        stored = {"status": response.status_code, "headers": kept, "body": response.get_data(as_text=True)}
        store.finish(key_hash, fingerprint, json.dumps(stored).encode())
    return response


def _replay(answer: bytes) -> Response:
    stored = json.loads(answer)
    response = Response(stored["body"], stored["status"], stored["headers"])
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _canonical(raw: bytes) -> str:
    """The same text for the same JSON, however it was written."""
    try:
        return json.dumps(json.loads(raw), sort_keys=True) if raw else ""
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
