"""Verifying a phone number or an e-mail address, for callers that name one in place of a user.

Each verification is a challenge. Its user is whoever has the number, so that all that this user enrolled
works; or, where nobody or more than one has it, somebody who has nothing else: what one user enrolled must
never answer for another. So whose number it is is asked again with every code.
"""

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.challenge import Challenge, Subject, why_not
from service.domain.channels import DEFAULT_ORDER, PRIMARY_PROVIDER, TRAITS, Channel
from service.domain.codes import RandomBytes
from service.domain.contacts import Email, Phone
from service.domain.errors import (
    CheckUnavailable,
    NoChannelLeft,
    NotFound,
    NothingToResend,
    ResendTooSoon,
    SendsExhausted,
    VerificationBegun,
)
from service.flows.change import ChangeChallenge
from service.flows.start import StartChallenge, StartRequest
from service.flows.verify import Verdict, VerifyChallenge
from service.store import keys
from service.store.users import UserStore
from service.store.verifications import Pointer, VerificationStore

BEGINNING = 15_000  # ms after which a verification that did not come to be was abandoned


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """What a caller asks for: to prove that somebody has `to`, by this channel first."""

    application: str
    to: Phone | Email
    channel: Channel
    locale: str = "en"
    client_ip: str | None = None


class Verifications:
    """The verifications of all applications."""

    def __init__(
        self,
        users: UserStore,
        pointers: VerificationStore,
        start: StartChallenge,
        verify: VerifyChallenge,
        change: ChangeChallenge,
        *,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
        ttl: int,
        sends: int,
    ) -> None:
        self._users = users
        self._pointers = pointers
        self._start = start
        self._verify = verify
        self._change = change
        self._clock = clock
        self._random_bytes = random_bytes
        self._ttl = ttl
        self._sends = sends

    def send(self, request: VerificationRequest) -> tuple[Challenge, Subject]:
        """Begin one; or, while one of this number is pending, send again, by another channel too.

        Where nothing has to be sent for the user to answer, a limit on messages is no error. Nor is it where
        the same is asked again too soon, as by somebody who begins the login anew: the code that is out is
        good. That counts as a message.

        Raises:
            InvalidInput: the provider refuses the number as such.
            NoChannelLeft: nothing could be sent, and the user has no other way.
            VerificationBegun: another request begins one at this moment.
            ResendTooSoon: the cool-down has not passed, and it is another channel, or was repeated often.
            SendsExhausted: it has sent as often as it may.
            RateLimited: there were too many of some kind.
        """
        hashed = self._users.contact_key(request.application, request.to)
        pointer = self._pointers.get(hashed)
        if pointer is not None:
            found = self._led_to(request.application, pointer)
            if found is not None and self._is_pending(*found, request.to):
                return self._again(request, hashed, pointer, *found)
            # One read decides both: a second might find what was not there for the first, and replace it.
            if found is None and self._clock() - pointer.since < BEGINNING:
                raise VerificationBegun("Another request begins a verification of it now.", retry_after=1)
        return self._begin(request, hashed, pointer)

    def find(self, application: str, key: str | Phone | Email) -> tuple[Challenge, Subject]:
        """One by the id of its challenge, or the one of a number or address that is pending.

        Raises:
            NotFound: there is none.
        """
        if not isinstance(key, str):
            pointer = self._pointers.get(self._users.contact_key(application, key))
            found = self._led_to(application, pointer) if pointer is not None else None
            if found is None or not self._is_pending(*found, key):
                raise NotFound("challenge")
            return found
        challenge, subject = self._change.get(application, key)
        if subject.to is None:
            raise NotFound("challenge")
        return challenge, subject

    def check(
        self, application: str, key: str | Phone | Email, code: str, *, to: Phone | Email | None = None
    ) -> tuple[Verdict, Subject]:
        """Check a code against all that the user may answer by.

        While the user is asked for something that needs no provider, one that can't be asked as well is no
        error: its caller would let nobody try again.

        Args:
            application: whose verification it is.
            key: the id of its challenge, or its number or address.
            code: what the user typed.
            to: the number or address that the caller believes it to be of.

        Raises:
            NotFound: there is none; or it is of another number, or of somebody who has this one no more.
            OtpError: as of `VerifyChallenge`.
        """
        challenge, subject = self.find(application, key)
        if to is not None and subject.to != text_of(to):
            raise NotFound("challenge")
        if isinstance(key, str) and not self._is_theirs(challenge, subject):
            raise NotFound("challenge")
        try:
            return self._verify(application, challenge.id, code, None), subject
        except CheckUnavailable:
            current, _ = self._change.get(application, challenge.id)
            if current.channel is None or TRAITS[current.channel].provider == PRIMARY_PROVIDER:
                raise
            return Verdict(False, current), subject

    def end(self, application: str, key: str | Phone | Email, *, vouched: bool) -> tuple[Challenge, Subject]:
        """End one without a code; `vouched`: the caller says that it was answered elsewhere.

        Raises:
            NotFound: there is none.
            ChallengeEnded: it is over already.
        """
        challenge, _ = self.find(application, key)
        return self._change.cancel(application, challenge.id, vouched=vouched)

    def _led_to(self, application: str, pointer: Pointer) -> tuple[Challenge, Subject] | None:
        try:
            return self._change.get(application, pointer.challenge_id)
        except NotFound:
            return None

    def _is_pending(self, challenge: Challenge, subject: Subject, to: Phone | Email) -> bool:
        if challenge.status_at(self._clock()) != "pending" or subject.to != text_of(to):
            return False
        return self._is_theirs(challenge, subject)

    def _is_theirs(self, challenge: Challenge, subject: Subject) -> bool:
        """Whether the number or address is still of whom it was when this was begun, and of nobody else."""
        named = (c for c in (subject.phone, subject.email) if c is not None and text_of(c) == subject.to)
        contact = next(named, None)
        if contact is None:
            return False
        hashed = self._users.contact_key(challenge.application, contact)
        if challenge.user == self._users.key(challenge.application, keys.nobody(hashed)):
            return True  # nothing enrolled answers for it, only what was sent there
        owner = self._users.owner(challenge.application, contact)
        return owner is not None and owner.key == challenge.user

    def _begin(
        self, request: VerificationRequest, hashed: str, former: Pointer | None
    ) -> tuple[Challenge, Subject]:
        now = self._clock()
        user_id = self._user_of(request, hashed)
        challenge_id = keys.new_challenge_id(
            self._users.key(request.application, user_id), self._random_bytes(16)
        )
        claimed = self._pointers.claim(hashed, former, challenge_id, now, self._ttl)
        if claimed is None:
            raise VerificationBegun("Another request begins a verification of it now.", retry_after=1)
        phone = request.to if isinstance(request.to, Phone) else None
        email = request.to if isinstance(request.to, Email) else None
        try:
            started = self._start(
                StartRequest(
                    application=request.application,
                    user_id=user_id,
                    phone=phone,
                    email=email,
                    channels=plan_for(request.channel),
                    locale=request.locale,
                    client_ip=request.client_ip,
                    to=text_of(request.to),
                    challenge_id=challenge_id,
                )
            )
        except Exception:
            self._pointers.release(hashed, claimed)
            raise
        if started.challenge.status == "failed":
            raise NoChannelLeft(why_not(started.challenge.entries), started.barred)
        return started.challenge, started.subject

    def _user_of(self, request: VerificationRequest, hashed: str) -> str:
        owner = self._users.owner(request.application, request.to)
        return owner.user_id if owner is not None else keys.nobody(hashed)

    def _again(
        self,
        request: VerificationRequest,
        hashed: str,
        pointer: Pointer,
        challenge: Challenge,
        subject: Subject,
    ) -> tuple[Challenge, Subject]:
        try:
            return self._change.ask(request.application, challenge.id, request.channel)
        except (ResendTooSoon, SendsExhausted, NothingToResend) as error:
            if challenge.channel is not None and not TRAITS[challenge.channel].delivered:
                return challenge, subject
            same = isinstance(error, ResendTooSoon) and challenge.channel == request.channel
            left = same and challenge.sends + pointer.repeats < self._sends
            if left and self._pointers.count_repeat(hashed, pointer, self._ttl):
                return challenge, subject
            raise


def text_of(contact: Phone | Email) -> str:
    """A number or address as its caller is told of it."""
    return contact.e164 if isinstance(contact, Phone) else contact.address


def plan_for(channel: Channel) -> tuple[Channel, ...]:
    """What a verification is answered by: the channel asked for, then what needs no phone."""
    others = [c for c in DEFAULT_ORDER if TRAITS[c].contact != "phone" and c != channel]
    return (channel, *others)
