"""What SMS, voice and WhatsApp share: they are sent, and mostly checked, by Twilio Verify.

Before Twilio is called, the send is counted against the number's verification (Twilio allows 5) and the
limits, and a number that is known not to get a channel, or suspected of toll fraud, is left alone.
"""

from collections.abc import Callable
from typing import Literal

from service.channels.base import Receipt, SendJob
from service.domain.channels import PRIMARY_PROVIDER, Channel
from service.domain.codes import derive_code
from service.domain.contacts import Phone
from service.domain.failures import FailureClass, Reason, SendFailure
from service.domain.routes import route_name
from service.domain.toll_fraud import block_of
from service.providers.twilio_verify import TwilioVerify
from service.store.numbers import NumberStore, Reservation, Wanted
from service.store.users import UserStore

CODE_FAMILY = "phone"


class PhoneCodes:
    """Codes to phones, by whatever channel."""

    def __init__(
        self,
        twilio: TwilioVerify,
        numbers: NumberStore,
        users: UserStore,
        *,
        codes_key: bytes,
        custom_code: bool,
        clock: Callable[[], int],
    ) -> None:
        self._twilio = twilio
        self._numbers = numbers
        self._users = users
        self._codes_key = codes_key
        self._custom_code = custom_code
        self._clock = clock

    def send(self, channel: Channel, job: SendJob) -> Receipt:
        """Send the code to the challenge's number. Raises `SendFailure`."""
        phone = job.subject.phone
        if phone is None:
            raise SendFailure(FailureClass.RECIPIENT, Reason.UNDELIVERABLE, "no_number")
        wanted = self._wanted(channel, job, phone)
        reservation = self._numbers.reserve_send(wanted)
        if reservation.outcome != "ok":
            raise _refusal(reservation)
        if route_name(channel, phone.calling_code, reservation.carrier) in job.trouble:
            self._numbers.send_failed(wanted, reservation)
            raise SendFailure(
                FailureClass.PROVIDER_FAULT,
                Reason.CIRCUIT_OPEN,
                "carrier_circuit_open",
                remembered=True,
                carrier=reservation.carrier,
            )
        custom = derive_code(self._codes_key, job.challenge_id, CODE_FAMILY) if self._custom_code else None
        try:
            sid = self._twilio.send(
                phone,
                channel,
                deadline=job.deadline,
                locale=job.locale,
                custom_code=custom,
                client_ip=job.subject.client_ip,
            )
        except SendFailure as failure:
            if not failure.maybe_sent:
                self._numbers.send_failed(wanted, reservation)
            failure.carrier = reservation.carrier
            if failure.remember_for:
                self._numbers.remember_undeliverable(
                    wanted.number, channel, failure.code, failure.remember_for
                )
            raise
        self._numbers.send_accepted(wanted.number, sid, job.challenge_id)
        return Receipt(sid, own_code=custom is not None, carrier=reservation.carrier)

    def finish(
        self,
        phone: Phone,
        verification: str,
        status: Literal["canceled", "approved"],
        *,
        got_in: bool,
        deadline: float,
    ) -> bool:
        """Tell Twilio how a verification ended here. Returns whether it knows now.

        Args:
            phone: its number.
            verification: its id there.
            status: `approved` by our own code, or `canceled`.
            got_in: whether its user did, by whatever channel.
            deadline: seconds.
        """
        if got_in:
            self._answered(phone, by_phone=status == "approved")
        if not self._twilio.finish(verification, status, deadline=deadline):
            return False
        self._numbers.verification_over(self._users.number_key(phone.e164))
        return True

    def sharers(self, phone: Phone, verification: str) -> list[str]:
        """The challenges that wait for the same verification of a number."""
        return self._numbers.sharers(self._users.number_key(phone.e164), verification)

    def check(self, phone: Phone, code: str, *, deadline: float) -> Literal["approved", "wrong", "over"]:
        """Ask Twilio about a code. Raises `CheckFailure`."""
        verdict = self._twilio.check(phone, code, deadline=deadline)
        if verdict != "wrong":
            self._numbers.verification_over(self._users.number_key(phone.e164))
        if verdict == "approved":
            self._answered(phone, by_phone=True)
        return verdict

    def _answered(self, phone: Phone, *, by_phone: bool) -> None:
        number, block = self._users.number_key(phone.e164), self._users.block_key(block_of(phone))
        self._numbers.answered(number, block, self._clock(), by_phone=by_phone)

    def _wanted(self, channel: Channel, job: SendJob, phone: Phone) -> Wanted:
        block, country = block_of(phone), phone.calling_code
        return Wanted(
            number=self._users.number_key(phone.e164),
            block=job.block or self._users.block_key(block),
            origin=job.origin,
            channel=channel,
            at=job.now,
            route=route_name(channel, country),
            told={"provider": PRIMARY_PROVIDER, "channel": channel, "country": country, "block": block},
        )


def _refusal(reservation: Reservation) -> SendFailure:
    """Why nothing is sent."""
    refusal: Reason | None
    match reservation.outcome:
        case "suspected":
            code, refusal, fraud = "fraud_suspected", Reason.FRAUD_SUSPECTED, True
        case "limited":
            code, refusal, fraud = "rate_limited", Reason.RATE_LIMITED, False
        case _:
            code, refusal = reservation.why or "sends_exhausted", None
            fraud = code == "60410"
    return SendFailure(
        FailureClass.RECIPIENT,
        Reason.UNDELIVERABLE,
        code,
        fraud=fraud,
        remembered=True,
        refusal=refusal,
        standing=reservation.standing,
        wait=reservation.wait,
    )


class PhoneChannel:
    """One way to a phone."""

    channel: Channel

    def __init__(self, codes: PhoneCodes) -> None:
        self._codes = codes

    def send(self, job: SendJob) -> Receipt:
        """Send the challenge's code. Raises `SendFailure`."""
        return self._codes.send(self.channel, job)
