"""Verifying a code: local comparisons first, the provider last, and only if its message is out."""

from collections.abc import Callable
from dataclasses import dataclass

from service.channels import totp
from service.channels.backup_code import hash_backup_code
from service.channels.email.code import CODE_FAMILY as EMAIL_CODES
from service.channels.phone import CODE_FAMILY as PHONE_CODES
from service.channels.phone import PhoneCodes
from service.domain.challenge import Challenge
from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Channel
from service.domain.codes import derive_code, normalise_numeric, same_code
from service.domain.errors import (
    AttemptsInFlight,
    ChallengeEnded,
    CheckUnavailable,
    FieldFault,
    InvalidInput,
    NotFound,
    OtpError,
    TooManyFailures,
    UserLocked,
)
from service.domain.failures import COUNTED, CheckFailure
from service.domain.limits import FAILURES, Failures, Standing
from service.domain.notices import Notice, code_ended_notice
from service.flows.gates import CIRCUIT_OPEN, Gates
from service.store.challenges import ChallengeStore, Reply
from service.telemetry import logs, metrics

# How often a challenge gives an attempt back because the provider could not be asked. Where the code was
# compared with local factors on the way, a refund is a free guess at those, so there are few.
MAX_REFUNDS = 5
MAX_REFUNDS_PROVIDER_ONLY = 20

_PHONE_CHANNELS = tuple(c for c, traits in TRAITS.items() if traits.provider == PRIMARY_PROVIDER)
_log = logs.get("verify")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a code was right, and the challenge after it. `user_id`: whose it is, if looked up."""

    valid: bool
    challenge: Challenge
    notice: Notice | None = None
    user_id: str | None = None


class VerifyChallenge:
    """Checks codes."""

    def __init__(
        self,
        challenges: ChallengeStore,
        phone_codes: PhoneCodes | None,
        gates: Gates,
        *,
        codes_key: bytes,
        clock: Callable[[], int],
        check_deadline: float,
        failures: Failures,
    ) -> None:
        self._challenges = challenges
        self._phone_codes = phone_codes
        self._gates = gates
        self._codes_key = codes_key
        self._clock = clock
        self._check_deadline = check_deadline
        self._failures = failures

    def __call__(self, application: str, challenge_id: str, code: str, named: Channel | None) -> Verdict:
        """Check one code, against one channel or all that are accepted.

        Raises:
            NotFound: no such challenge in this application.
            ChallengeEnded: it is over; the code was not compared.
            InvalidInput: the named channel is not accepted.
            AttemptsInFlight: every attempt left is being checked right now.
            CheckUnavailable: the provider could not be asked; no attempt was counted.
            TooManyFailures: the user, or the network address, has to wait after wrong codes in a row.
            UserLocked: there were so many that only a backup code or an operator helps.
        """
        numeric = normalise_numeric(code)
        backup = hash_backup_code(self._codes_key, application, code)
        reply = self._challenges.verify(
            challenge_id,
            application,
            self._clock(),
            named=named,
            candidates={
                "email": numeric is not None and self._is_own(challenge_id, EMAIL_CODES, numeric),
                "phone": numeric is not None and self._is_own(challenge_id, PHONE_CODES, numeric),
                "backup": backup,
                "totp": numeric is not None and 6 <= len(numeric) <= 8,
                "provider": numeric is not None and self._phone_codes is not None,
            },
            durable=backup is not None,  # a used backup code must stay used
        )
        if reply.outcome == "reserved" and numeric is not None:
            return self._compare(self._expect(reply), reply, numeric, named)
        return self._verdict(reply, named)

    def _is_own(self, challenge_id: str, family: str, code: str) -> bool:
        return same_code(code, derive_code(self._codes_key, challenge_id, family))

    def _compare(self, challenge: Challenge, reply: Reply, code: str, named: Channel | None) -> Verdict:
        compared_locally = reply.user is not None or (named is None and len(challenge.entries) > 1)
        if reply.user is not None:
            matched = totp.match(reply.user, code, self._clock())
            if matched is not None:
                return self._settle(
                    challenge,
                    "approve",
                    user_id=reply.user.user_id,
                    channel=Channel.TOTP,
                    factor=matched.factor_id,
                    step=matched.step,
                )
        return self._ask_provider(challenge, code, named, local=compared_locally)

    def _ask_provider(
        self, challenge: Challenge, code: str, named: Channel | None, *, local: bool
    ) -> Verdict:
        asked = [
            entry
            for entry in challenge.entries
            if entry.channel in _PHONE_CHANNELS
            and entry.opened
            and not entry.own_code
            and named in (None, entry.channel)
        ]
        phone = self._challenges.open(challenge).phone if asked else None
        if phone is None or self._phone_codes is None:
            return self._settle(challenge, "wrong")
        try:
            self._gates.require_check()
            verdict = self._phone_codes.check(phone, code, deadline=self._check_deadline)
        except CheckFailure as failure:
            fault = _is_fault(failure)
            metrics.CHECKS.labels(PRIMARY_PROVIDER, failure.failure_class).inc()
            _log.warning(
                "check_failed",
                challenge=challenge.id,
                failure_class=failure.failure_class,
                code=failure.code,
            )
            if all(entry.uncertain for entry in asked):
                # Nothing was sent as far as anyone knows.
                return self._settle(challenge, "wrong", fault=fault)
            limit = MAX_REFUNDS if local else MAX_REFUNDS_PROVIDER_ONLY
            return self._refund(challenge, limit, fault=fault, compared=local)
        metrics.CHECKS.labels(PRIMARY_PROVIDER, verdict).inc()
        match verdict:
            case "approved":
                current = [e.channel for e in asked if e.channel == challenge.channel]
                by = (current or [asked[0].channel])[0]
                return self._settle(challenge, "approve", channel=by, fault=False)
            case "over" if not all(entry.uncertain for entry in asked):
                over = [entry.channel for entry in asked]
                return self._settle(challenge, "over", channels=over, fault=False)
            case _:
                return self._settle(challenge, "wrong", fault=False)

    def _refund(self, challenge: Challenge, limit: int, *, fault: bool | None, compared: bool) -> Verdict:
        """Give the attempt back. What was compared with local factors stays a failure of the user's."""
        reply = self._challenges.settle(
            *(challenge.id, challenge.application, self._clock(), "refund"),
            max_refunds=limit,
            compared=compared,
            fault=fault,
        )
        if reply.outcome != "refunded":
            return self._verdict(reply, None)
        accepts = [
            channel
            for channel in self._expect(reply).accepts(self._clock())
            if channel not in _PHONE_CHANNELS
        ]
        raise CheckUnavailable(
            "The provider of this code can't be asked right now. No attempt was counted.",
            retry_after=5,
            extra={"accepts": accepts},
        )

    def _settle(
        self, challenge: Challenge, outcome: str, user_id: str | None = None, **details: object
    ) -> Verdict:
        reply = self._challenges.settle(
            challenge.id, challenge.application, self._clock(), outcome, **details
        )
        return self._verdict(reply, None, user_id)

    def _verdict(self, reply: Reply, named: Channel | None, user_id: str | None = None) -> Verdict:
        match reply.outcome:
            case "approved":
                challenge = self._expect(reply)
                metrics.of(metrics.APPROVALS, challenge.approved_by).inc()
                return Verdict(True, challenge, user_id=user_id)
            case "wrong":
                metrics.WRONG_CODES.inc()
                return Verdict(False, self._expect(reply))
            case "over":
                return Verdict(False, self._expect(reply), code_ended_notice())
            case "ended":
                raise ChallengeEnded(self._expect(reply).status_at(self._clock()))
            case "not_accepted":
                accepts = ", ".join(self._expect(reply).accepts(self._clock()))
                raise InvalidInput(FieldFault("channel", f"{named} is not accepted; {accepts} are"))
            case "held":
                raise self._held(self._expect(reply), reply.wait)
            case "in_flight":
                raise AttemptsInFlight("All attempts left are being checked right now.", retry_after=1)
            case _:
                raise NotFound("challenge")

    def _held(self, challenge: Challenge, wait: int | None) -> OtpError:
        metrics.RATE_LIMITED.labels(FAILURES).inc()
        accepts = [c for c in challenge.accepts(self._clock()) if c is Channel.BACKUP_CODE]
        extra = {"accepts": accepts}
        if wait is None:
            return UserLocked(
                "Too many wrong codes in a row: only a backup code, or an operator, lets this user in.",
                extra=extra,
            )
        limits = self._failures
        standing = Standing(FAILURES, limits.user, limits.longest_wait, 0, wait)
        return TooManyFailures(
            f"Too many wrong codes in a row. Try again in {wait} s.",
            retry_after=wait,
            extra=extra,
            standings=[standing],
        )

    def _expect(self, reply: Reply) -> Challenge:
        if reply.challenge is None:
            raise NotFound("challenge")
        return reply.challenge


def _is_fault(failure: CheckFailure) -> bool | None:
    """Whether a failed check counts against the provider; `None`: it was not asked, or throttled us."""
    if failure.code == CIRCUIT_OPEN or failure.failure_class not in COUNTED:
        return None
    return True
