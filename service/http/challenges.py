"""`/v1/challenges`."""

from flask import Blueprint, request

from service.domain.api_keys import Scope
from service.domain.challenge import Challenge, Subject
from service.domain.contacts import Email, Phone
from service.domain.links import LinkKind
from service.edge import public_url
from service.flows.start import StartRequest
from service.flows.wait import mark
from service.http import rate_limits
from service.http.codes import ENDED
from service.http.endpoint import Answer, Call, endpoint, whole_number
from service.http.schemas.challenges import (
    ChallengeView,
    StartChallengeRequest,
    StartedChallengeView,
    SwitchRequest,
    VerifyRequest,
    VerifyView,
)
from service.http.schemas.common import EmptyRequest
from service.http.views import challenge_view, verdict_view
from service.i18n import DEFAULT, negotiate

MAX_WAIT = 60  # seconds

api = Blueprint("challenges", __name__)


@endpoint(
    api,
    "POST",
    "/v1/challenges",
    scope=Scope.CHALLENGES,
    body=StartChallengeRequest,
    answers={201: StartedChallengeView},
    errors=("rate_limited", "state_conflict"),
)
def start_challenge(call: Call[StartChallengeRequest]) -> Answer:
    """Start a challenge: send a code, or fall back."""
    asked = call.body
    call.services.links.require_allowed(asked.return_url)
    challenge, subject, standings, _ = call.services.start(
        StartRequest(
            application=call.caller.application,
            user_id=asked.user_id,
            phone=Phone.parse(asked.phone) if asked.phone is not None else None,
            email=Email.parse(asked.email) if asked.email is not None else None,
            channels=asked.channels,
            locale=_locale(asked.locale),
            action=asked.action,
            client_ip=asked.client_ip,
            metadata=asked.metadata,
            min_assurance=asked.min_assurance or "aal1",
        )
    )
    answer = _answer(call, challenge, subject, status=201)
    if asked.return_url is not None:
        path, _ = call.services.links.issue(
            LinkKind.CHALLENGE,
            challenge.application,
            asked.user_id,
            target=challenge.id,
            ends_at=challenge.expires_at,
            return_url=asked.return_url,
            locale=challenge.locale,
        )
        answer.body["challenge_url"] = public_url(call.services.core.settings) + path
    told = {**rate_limits.fields(standings), "Location": f"/v1/challenges/{challenge.id}"}
    return Answer(answer.body, 201, {**answer.headers, **told})


@endpoint(
    api,
    "GET",
    "/v1/challenges/{id}",
    scope=Scope.CHALLENGES,
    answers={200: ChallengeView},
    errors=("challenge_not_found",),
    query={
        "wait": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_WAIT,
            "description": "Seconds to wait for a change: from what `If-None-Match` names, else from now",
        }
    },
)
def get_challenge(call: Call[EmptyRequest]) -> Answer:
    """Read a challenge; with `wait`, once it has changed."""
    known = request.headers.get("If-None-Match", "").strip('"') or None
    return _answer(
        call,
        *call.services.wait(
            call.caller.application, call.path["id"], known, whole_number("wait", 0, 0, MAX_WAIT)
        ),
    )


@endpoint(
    api,
    "POST",
    "/v1/challenges/{id}/verify",
    scope=Scope.CHALLENGES,
    body=VerifyRequest,
    answers={200: VerifyView},
    errors=(
        "challenge_not_found",
        *ENDED,
        "attempts_in_flight",
        "user_locked",
        "too_many_failures",
        "check_unavailable",
    ),
)
def verify_challenge(call: Call[VerifyRequest]) -> Answer:
    """Check a code. A wrong one is an answer, not an error."""
    verdict = call.services.verify(
        call.caller.application, call.path["id"], call.body.code, call.body.channel
    )
    left = verdict.challenge.attempts_standing(call.services.core.clock())
    return Answer(verdict_view(call.services, verdict), headers=rate_limits.fields([left]))


@endpoint(
    api,
    "POST",
    "/v1/challenges/{id}/resend",
    scope=Scope.CHALLENGES,
    body=EmptyRequest,
    answers={200: ChallengeView},
    errors=(
        "challenge_not_found",
        *ENDED,
        "nothing_to_resend",
        "state_conflict",
        "resend_too_soon",
        "sends_exhausted",
        "rate_limited",
    ),
)
def resend_challenge(call: Call[EmptyRequest]) -> Answer:
    """Send again by the present channel. Earlier codes stay valid."""
    challenge, subject = call.services.change.resend(call.caller.application, call.path["id"])
    answer = _answer(call, challenge, subject)
    core = call.services.core
    left = challenge.sends_standing(core.clock(), core.settings.limits.sends)
    return Answer(answer.body, answer.status, {**answer.headers, **rate_limits.fields([left])})


@endpoint(
    api,
    "POST",
    "/v1/challenges/{id}/switch",
    scope=Scope.CHALLENGES,
    body=SwitchRequest,
    answers={200: ChallengeView},
    errors=(
        "challenge_not_found",
        *ENDED,
        "no_other_channel",
        "state_conflict",
        "resend_too_soon",
        "sends_exhausted",
    ),
)
def switch_challenge(call: Call[SwitchRequest]) -> Answer:
    """Switch to the next channel, or to a named one."""
    changed = call.services.change.switch(call.caller.application, call.path["id"], call.body.channel)
    return _answer(call, *changed)


@endpoint(
    api,
    "POST",
    "/v1/challenges/{id}/cancel",
    scope=Scope.CHALLENGES,
    body=EmptyRequest,
    answers={200: ChallengeView},
    errors=("challenge_not_found", *ENDED, "state_conflict"),
)
def cancel_challenge(call: Call[EmptyRequest]) -> Answer:
    """End a challenge."""
    return _answer(call, *call.services.change.cancel(call.caller.application, call.path["id"]))


def _locale(asked: str | None) -> str:
    if asked is not None:
        return negotiate([asked])
    if "HTTP_ACCEPT_LANGUAGE" not in request.environ:
        return DEFAULT
    return negotiate(request.accept_languages.values())


def _answer(
    call: Call[EmptyRequest] | Call[StartChallengeRequest] | Call[SwitchRequest],
    challenge: Challenge,
    subject: Subject,
    status: int = 200,
) -> Answer:
    view = challenge_view(call.services, challenge, subject)
    return Answer(view, status, {"ETag": f'"{mark(challenge, call.services.core.clock())}"'})
