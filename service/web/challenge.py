"""`/c`: a user answers a challenge; the page follows it from channel to channel."""

from collections.abc import Callable, Sequence

from flask import Response, request

from service.domain.challenge import Challenge, Subject
from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Channel
from service.domain.codes import DIGITS
from service.domain.errors import (
    AttemptsInFlight,
    ChallengeEnded,
    CheckUnavailable,
    InvalidInput,
    NoOtherChannel,
    NothingToResend,
    RateLimited,
    ResendTooSoon,
    SendsExhausted,
    StateConflict,
    TooManyFailures,
    UserLocked,
)
from service.domain.failures import Reason
from service.domain.links import LinkKind
from service.domain.notices import N_, notice_for
from service.domain.return_urls import with_result
from service.flows.links import Opened
from service.flows.wait import mark
from service.i18n import join
from service.web import trouble
from service.web.pages import goto, locale_of, page, services
from service.web.visits import address, leave, pages_of, shown, visited

HOLD = 25.0  # seconds that a page's question for a change is held

api = pages_of(LinkKind.CHALLENGE, "challenge")
trouble.register(api)

_SENT = {
    Channel.SMS: N_("We sent a code by text message to %(to)s."),
    Channel.VOICE: N_("We are calling %(to)s to tell you a code."),
    Channel.WHATSAPP: N_("We sent a code by WhatsApp to %(to)s."),
    Channel.EMAIL: N_("We sent a code by e-mail to %(to)s."),
    Channel.TOTP: N_("Enter the code that your authenticator app shows."),
    Channel.BACKUP_CODE: N_("Enter one of the backup codes that you saved."),
}
_OTHERWISE = {
    Channel.SMS: N_("Text message to %(to)s"),
    Channel.VOICE: N_("Phone call to %(to)s"),
    Channel.WHATSAPP: N_("WhatsApp message to %(to)s"),
    Channel.EMAIL: N_("E-mail to %(to)s"),
    Channel.TOTP: N_("Authenticator app"),
    Channel.BACKUP_CODE: N_("Backup code"),
}
_ENDED = {
    "approved": (N_("Done"), N_("You are confirmed.")),
    "expired": (N_("This took too long"), N_("Go back and sign in again to get a new code.")),
    "locked": (N_("Too many wrong codes"), N_("Go back and sign in again to get a new code.")),
    "canceled": (N_("Canceled"), N_("Nobody was signed in.")),
    "failed": (
        N_("We can't reach you"),
        N_("We can't reach you in any way right now. Please try again later or contact support."),
    ),
}
# The word for an answer to a form, by the error's code; what is said of it.
SAID = {
    "sent": N_("Sent again. A code that arrives late still works."),
    "wrong": N_("That code is not right."),
    "over": N_("That code is no longer valid. Ask for a new one."),
    "resend_too_soon": N_("Please wait a little before asking for another message."),
    "sends_exhausted": N_("No more messages can be sent. Use a code that arrived, or another way."),
    "check_unavailable": N_("We can't check that code right now. Try again in a moment, or use another way."),
    "too_many_failures": N_("Too many wrong codes. Wait a little and try again, or use a backup code."),
    "user_locked": N_("Too many wrong codes. Use a backup code, or contact support."),
    "rate_limited": N_("Please wait a little before asking for another message."),
    "attempts_in_flight": N_("Your code is being checked. Try again in a moment."),
    "no_other_channel": N_("There is no other way right now."),
    "state_conflict": N_("Something changed meanwhile. Look, and try again."),
}
_SAYABLE = (
    ResendTooSoon,
    SendsExhausted,
    RateLimited,
    TooManyFailures,
    UserLocked,
    CheckUnavailable,
    AttemptsInFlight,
    NoOtherChannel,
    StateConflict,
)


@visited(api, LinkKind.CHALLENGE, "GET")
def challenge(opened: Opened) -> Response:
    """The prompt of the present channel; when it is over, back to the application."""
    found, subject = _challenge(opened)
    status = found.status_at(services().core.clock())
    if status == "approved" and opened.link.return_url is not None:
        return leave(opened, _back(opened, found, subject))
    return _page(opened, "challenge.html", found, subject)


@visited(api, LinkKind.CHALLENGE, "GET", "changes")
def challenge_changes(opened: Opened) -> Response:
    """What the page shows, once it is not any more what it shows; 204 while nothing changed."""
    known = request.args.get("mark", "")[:64]
    link = opened.link
    found, subject = services().wait(link.application, link.target, known or None, HOLD)
    now = services().core.clock()
    if mark(found, now) == known:
        return Response(status=204)
    return _page(opened, "prompt.html", found, subject)


@visited(api, LinkKind.CHALLENGE, "POST", "verify")
def verify(opened: Opened) -> Response:
    """Check a code."""
    code = request.form.get("code", "").strip()[:64]

    def check() -> str | None:
        if not code:
            return "wrong"
        verdict = services().verify(opened.link.application, opened.link.target, code, None)
        if verdict.valid:
            return None
        return "wrong" if verdict.notice is None else "over"

    return _act(opened, check)


@visited(api, LinkKind.CHALLENGE, "POST", "resend")
def resend(opened: Opened) -> Response:
    """Send again."""

    def again() -> str:
        services().change.resend(opened.link.application, opened.link.target)
        return "sent"

    return _act(opened, again)


@visited(api, LinkKind.CHALLENGE, "POST", "switch")
def switch(opened: Opened) -> Response:
    """Another way."""
    wanted = next((channel for channel in Channel if channel == request.form.get("channel")), None)

    def turn() -> None:
        if wanted is not None:
            services().change.switch(opened.link.application, opened.link.target, wanted)

    return _act(opened, turn)


@visited(api, LinkKind.CHALLENGE, "POST", "cancel")
def cancel(opened: Opened) -> Response:
    """Give up."""
    return _act(opened, lambda: services().change.cancel(opened.link.application, opened.link.target))


@visited(api, LinkKind.CHALLENGE, "POST", "leave")
def leave_challenge(opened: Opened) -> Response:
    """Back to the application from a challenge that is over."""
    if opened.link.return_url is None:
        return goto(address(opened))
    return leave(opened, _back(opened, *_challenge(opened)))


def _act(opened: Opened, action: Callable[[], object]) -> Response:
    """Do something to the challenge, and look at it again."""
    try:
        said = action()
    except (ChallengeEnded, InvalidInput, NothingToResend):
        said = None  # the page says how it stands
    except _SAYABLE as error:
        said = error.code
    return goto(address(opened, said if isinstance(said, str) else None))


def _challenge(opened: Opened) -> tuple[Challenge, Subject]:
    return services().change.get(opened.link.application, opened.link.target)


def _back(opened: Opened, found: Challenge, subject: Subject) -> str:
    """The application's address, with how it ended and, when it was approved, the proof."""
    now = services().core.clock()
    result = {"challenge_id": found.id, "status": found.status_at(now)}
    proof = services().proofs.sign(found, subject.user_id, now)
    if proof is not None:
        result["proof"] = proof
    return with_result(opened.link.return_url or "", result)


def _page(opened: Opened, template: str, found: Challenge, subject: Subject) -> Response:
    now = services().core.clock()
    locale = locale_of(opened.link.locale)
    status = found.status_at(now)
    notice = notice_for(found) if status == "pending" else None
    accepted = found.accepts(now)
    values = {
        **shown(opened),
        "mark": mark(found, now),
        "status": status,
        "ended": _ENDED.get(status),
        "channel": found.channel,
        "prompt": _SENT[found.channel] if found.channel else "",
        "to": _masked(found.channel, subject),
        "others": _others(found, subject),
        # The last sentence says what to do, as the prompt does.
        "notice": join(locale, notice.sentences[:-1]) if notice else None,
        "said": SAID.get(request.args.get("said", "")),
        "bad": request.args.get("said") in ("wrong", "over"),
        "good": request.args.get("said") == "sent",
        "attempts": found.attempts_remaining(),
        "delivered": found.channel is not None and TRAITS[found.channel].delivered,
        "wait": max(0, -(-(found.resend_at - now) // 1000)),
        "returns": opened.link.return_url is not None,
        "digits": _digits(opened, accepted),
        "letters": Channel.BACKUP_CODE in accepted,
    }
    return page(template, locale, values)


def _digits(opened: Opened, accepted: Sequence[Channel]) -> int | None:
    """The length that every numeric code accepted has, so that the field may send itself; `None`: no one."""
    settings = services().core.settings
    theirs = DIGITS if settings.twilio_custom_code else settings.twilio_code_length
    lengths = set()
    for channel in accepted:
        if channel is Channel.TOTP:
            user = services().enroll.user(opened.link.application, opened.link.user_id)
            lengths |= {factor.digits for factor in user.totp}
        elif TRAITS[channel].provider == PRIMARY_PROVIDER:
            lengths.add(theirs)
        elif channel is not Channel.BACKUP_CODE:
            lengths.add(DIGITS)
    return lengths.pop() if len(lengths) == 1 else None


def _others(found: Challenge, subject: Subject) -> list[dict[str, object]]:
    """The other ways that the user may turn to."""
    return [
        {"channel": entry.channel, "text": _OTHERWISE[entry.channel], "to": _masked(entry.channel, subject)}
        for entry in found.entries
        if entry.channel != found.channel
        and entry.state != "skipped"
        and entry.reason is not Reason.UNDELIVERABLE
    ]


def _masked(channel: Channel | None, subject: Subject) -> str:
    match TRAITS[channel].contact if channel else None:
        case "phone" if subject.phone is not None:
            return subject.phone.masked()
        case "email" if subject.email is not None:
            return subject.email.masked()
    return ""
