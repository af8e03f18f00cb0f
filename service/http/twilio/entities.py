"""`Entities` with their `Factors` of the type `totp`, and `Challenges` of those.

An entity is a user, its identity the user's id; a factor an authenticator app, before it is verified a
pending enrolment. The SIDs are theirs, so nothing is kept for Twilio's sake.
"""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, request

from service.domain.api_keys import Scope
from service.domain.challenge import Challenge
from service.domain.channels import Channel
from service.domain.errors import ChallengeEnded, EnrollmentEnded, FieldFault, InvalidInput, NotFound
from service.domain.importing import ALGORITHMS, ALL_DIGITS, PERIODS, secret_of
from service.domain.text import is_user_id
from service.domain.totp import provisioning_uri
from service.domain.user import TotpFactor, User
from service.flows.enroll import LIFE, TotpForm, was_believed
from service.flows.start import StartRequest
from service.http.twilio import problems, render, sids
from service.http.twilio.endpoint import Call, endpoint
from service.http.twilio.problems import Refusal
from service.store import keys
from service.store.enrollments import PendingEnrollment

SKEW = 1  # time steps either way
FACTOR = "/Entities/<identity>/Factors/<sid>"
CHALLENGE = "/Entities/<identity>/Challenges/<sid>"
_METADATA = "factor_sid"  # in a challenge's metadata: which factor the caller named

api = Blueprint("twilio_entities", __name__)
problems.register(api)


@endpoint(api, "POST", "/Entities", scope=Scope.ENROLLMENTS, status=201)
def create_entity(call: Call) -> dict[str, Any]:
    """Make a user known."""
    identity = call.required("Identity")
    if not is_user_id(identity) or "/" in identity:  # no path would lead to it
        raise InvalidInput(FieldFault("Identity", "expected printable characters without a slash"))
    user = call.services.enroll.set_contacts(call.application, identity)
    return _entity(call, user)


@endpoint(api, "GET", "/Entities/<identity>", scope=Scope.ENROLLMENTS)
def fetch_entity(call: Call) -> dict[str, Any]:
    """Read a user."""
    return _entity(call, _user(call))


@endpoint(api, "DELETE", "/Entities/<identity>", scope=Scope.ENROLLMENTS)
def delete_entity(call: Call) -> None:
    """Forget a user and everything enrolled."""
    call.services.enroll.forget(call.application, _user(call).user_id)


@endpoint(api, "POST", "/Entities/<identity>/Factors", scope=Scope.ENROLLMENTS, status=201)
def create_factor(call: Call) -> dict[str, Any]:
    """Begin to enrol an app; the only answer that has its secret."""
    if call.required("FactorType") != "totp":
        raise InvalidInput(FieldFault("FactorType", "expected totp"))
    enrollment = call.services.enroll.begin(
        call.application,
        call.path["identity"],
        label=call.required("FriendlyName", longest=64),
        form=_form(call),
    )
    uri = provisioning_uri(
        enrollment.secret,
        account=enrollment.label or enrollment.user_id,
        issuer=call.services.core.settings.issuer,
        algorithm=enrollment.algorithm,
        digits=enrollment.digits,
        period=enrollment.period,
    )
    view = _factor(call, enrollment)
    return {**view, "binding": {"secret": enrollment.secret, "uri": uri}}


@endpoint(api, "GET", "/Entities/<identity>/Factors", scope=Scope.ENROLLMENTS)
def list_factors(call: Call) -> dict[str, Any]:
    """List the apps that were verified."""
    user = call.services.enroll.user(call.application, call.path["identity"])
    factors = [_factor(call, factor) for factor in user.totp]
    return render.page("factors", f"{_url(call, user.user_id)}/Factors", factors)


@endpoint(api, "GET", FACTOR, scope=Scope.ENROLLMENTS)
def fetch_factor(call: Call) -> dict[str, Any]:
    """Read an app, verified or not."""
    return _factor(call, _found(call, call.path["sid"]))


@endpoint(api, "POST", FACTOR, scope=Scope.ENROLLMENTS)
def update_factor(call: Call) -> dict[str, Any]:
    """Verify an app by a code (`AuthPayload`); a wrong one leaves it unverified. Or rename it.

    One that is verified says so only to who sends the same code again, whose answer was lost: else "verified"
    would be the answer to whatever a user types.
    """
    found, code = _found(call, call.path["sid"]), call.given("AuthPayload", longest=64)
    name = call.given("FriendlyName", longest=64)
    if any(field.startswith("Config.") for field in request.form):
        raise InvalidInput(FieldFault("Config", "can't be changed"))
    if code is not None and isinstance(found, TotpFactor) and not was_believed(found, code):
        raise Refusal(problems.VERIFICATION_FAILED)
    if name is not None and isinstance(found, TotpFactor):
        call.services.enroll.rename(call.application, call.path["identity"], found.id, name)
    if code is not None and isinstance(found, PendingEnrollment):
        try:
            # Twilio's answer has no place for backup codes, and codes that nobody saw help nobody.
            call.services.enroll.confirm(call.application, found.id, code, backup_codes=False)
        except InvalidInput as error:
            if any(fault.field != "code" for fault in error.faults):
                raise
        except EnrollmentEnded:
            pass
    return _factor(call, _found(call, call.path["sid"]))


@endpoint(api, "DELETE", FACTOR, scope=Scope.ENROLLMENTS)
def delete_factor(call: Call) -> None:
    """Forget an app."""
    found = _found(call, call.path["sid"])
    if isinstance(found, TotpFactor):
        call.services.enroll.remove(call.application, call.path["identity"], found.id)
    else:
        call.services.enroll.give_up(call.application, found.id)


@endpoint(api, "POST", "/Entities/<identity>/Challenges", scope=Scope.CHALLENGES, status=201)
def create_challenge(call: Call) -> dict[str, Any]:
    """Ask for a code of an app, and check the one that came with it."""
    sid = call.required("FactorSid")
    if not isinstance(_found(call, sid), TotpFactor):
        raise Refusal(problems.UNVERIFIED)
    started = call.services.start(
        StartRequest(
            application=call.application,
            user_id=call.path["identity"],
            channels=(Channel.TOTP,),
            metadata={_METADATA: sid},
        )
    )
    return _challenge(call, _answered(call, started.challenge))


@endpoint(api, "GET", CHALLENGE, scope=Scope.CHALLENGES)
def fetch_challenge(call: Call) -> dict[str, Any]:
    """Read a challenge."""
    return _challenge(call, _asked(call))


@endpoint(api, "POST", CHALLENGE, scope=Scope.CHALLENGES)
def update_challenge(call: Call) -> dict[str, Any]:
    """Check a code."""
    return _challenge(call, _answered(call, _asked(call)))


def _user(call: Call) -> User:
    user = call.services.enroll.user(call.application, call.path["identity"])
    if user.version == 0:
        raise NotFound("user")
    return user


def _found(call: Call, sid: str) -> TotpFactor | PendingEnrollment:
    """A user's app by its SID. Raises `NotFound`."""
    if not sids.is_sid(sid, "YF"):
        raise NotFound("factor")
    user = call.services.enroll.user(call.application, call.path["identity"])
    for factor in user.totp:
        if sids.of_id("YF", factor.id) == sid:
            return factor
    enrollment_id = keys.new_id("en", user.key, bytes.fromhex(sid[2:]))
    pending = call.services.enroll.pending(call.application, enrollment_id)
    if pending.user_id != user.user_id:
        raise NotFound("factor")
    return pending


def _form(call: Call) -> TotpForm:
    """What the app is to reckon with (`Config.*`, `Binding.Secret`)."""
    skew = call.given("Config.Skew")
    if skew is not None and skew not in ("0", "1", "2"):
        raise InvalidInput(FieldFault("Config.Skew", "expected 0, 1 or 2"))
    algorithm = (call.given("Config.Alg") or "sha1").upper()
    if algorithm not in ALGORITHMS:
        raise InvalidInput(FieldFault("Config.Alg", "expected sha1, sha256 or sha512"))
    return TotpForm(
        _secret(call),
        ALGORITHMS[algorithm],
        _one_of(call, "Config.CodeLength", ALL_DIGITS, 6),
        _one_of(call, "Config.TimeStep", PERIODS, 30),
    )


def _secret(call: Call) -> str | None:
    text = call.given("Binding.Secret")
    if text is None:
        return None
    try:
        return secret_of(text)
    except ValueError as error:
        raise InvalidInput(FieldFault("Binding.Secret", str(error))) from None


def _one_of(call: Call, name: str, allowed: tuple[int, ...], default: int) -> int:
    text = call.given(name)
    if text is None:
        return default
    if text not in map(str, allowed):
        raise InvalidInput(FieldFault(name, f"expected one of {', '.join(map(str, allowed))}"))
    return int(text)


def _asked(call: Call) -> Challenge:
    """A challenge of this user for an app's code. Raises `NotFound`."""
    if not sids.is_sid(call.path["sid"], "YC"):
        raise NotFound("challenge")
    found, subject = call.services.change.get(call.application, sids.challenge_id(call.path["sid"]))
    if subject.user_id != call.path["identity"] or _METADATA not in (subject.metadata or {}):
        raise NotFound("challenge")
    return found


def _answered(call: Call, challenge: Challenge) -> Challenge:
    code = call.given("AuthPayload", longest=64)
    if code is None:
        return challenge
    try:
        return call.services.verify(call.application, challenge.id, code, Channel.TOTP).challenge
    except ChallengeEnded as error:
        if error.status == "expired":
            raise Refusal(problems.EXPIRED) from None
        raise


def _url(call: Call, identity: str) -> str:
    return f"{call.url}/Entities/{quote(identity, safe='')}"


def _entity(call: Call, user: User) -> dict[str, Any]:
    url = _url(call, user.user_id)
    made = min((factor.created_at for factor in user.totp), default=call.services.core.clock())
    links = ("factors", "challenges", "new_factors")
    return {
        "sid": sids.of_id("YE", user.key),
        "identity": user.user_id,
        "account_sid": call.account_sid,
        "service_sid": call.service_sid,
        "date_created": render.iso(made),
        "date_updated": render.iso(made),
        "url": url,
        "links": {name: f"{url}/{name.removeprefix('new_').capitalize()}" for name in links},
    }


def _factor(call: Call, factor: TotpFactor | PendingEnrollment) -> dict[str, Any]:
    user = call.services.enroll.user(call.application, call.path["identity"])
    sid = sids.of_id("YF", factor.id)
    verified = isinstance(factor, TotpFactor)
    made = factor.created_at if isinstance(factor, TotpFactor) else factor.expires_at - LIFE
    return {
        "sid": sid,
        "account_sid": call.account_sid,
        "service_sid": call.service_sid,
        "entity_sid": sids.of_id("YE", user.key),
        "identity": user.user_id,
        "date_created": render.iso(made),
        "date_updated": render.iso(made),
        "friendly_name": factor.device_name or factor.label,
        "status": "verified" if verified else "unverified",
        "factor_type": "totp",
        "config": {
            "alg": factor.algorithm.lower(),
            "code_length": factor.digits,
            "skew": SKEW,
            "time_step": factor.period,
        },
        "options": None,
        "metadata": None,
        "url": f"{_url(call, user.user_id)}/Factors/{sid}",
    }


def _challenge(call: Call, challenge: Challenge) -> dict[str, Any]:
    subject = call.services.challenges.open(challenge)
    user_key, sid = challenge.user, sids.of_id("YC", challenge.id)
    status = render.status_of(challenge, call.services.core.clock())
    url = f"{_url(call, subject.user_id)}/Challenges/{sid}"
    responded = challenge.ended_at if status == "approved" else 0
    return {
        "sid": sid,
        "account_sid": call.account_sid,
        "service_sid": call.service_sid,
        "entity_sid": sids.of_id("YE", user_key),
        "identity": subject.user_id,
        "factor_sid": (subject.metadata or {}).get(_METADATA),
        "date_created": render.iso(challenge.created_at),
        "date_updated": render.iso(render.updated_at(challenge)),
        "date_responded": render.iso(responded) if responded else None,
        "expiration_date": render.iso(challenge.expires_at),
        "status": "denied" if status == "max_attempts_reached" else status,
        "responded_reason": None,
        "details": None,
        "hidden_details": None,
        "metadata": None,
        "factor_type": "totp",
        "url": url,
        "links": {"notifications": f"{url}/Notifications"},
    }
