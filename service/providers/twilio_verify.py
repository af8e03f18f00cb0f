"""Twilio Verify v2 through the official SDK, each call bounded by a deadline.

https://www.twilio.com/docs/verify/api
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

from twilio.base import values
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as TimeoutFault

from service.deadline import DeadlineExceeded, within
from service.domain.channels import Channel
from service.domain.contacts import Phone
from service.domain.failures import CheckFailure, FailureClass, Reason, SendFailure
from service.providers.twilio_errors import check_failure, is_over, send_failure
from service.providers.twilio_http import TwilioHttp

CHANNELS = {Channel.SMS: "sms", Channel.VOICE: "call", Channel.WHATSAPP: "whatsapp"}
# https://www.twilio.com/docs/verify/supported-languages; others would be refused (60200)
LOCALES = frozenset(
    "af ar ca cs da de el en en-GB es et fi fr he hi hr hu id it ja kn ko lt mr ms nb nl pl pt pt-BR "
    "ro ru sk sv te th tl tr uk vi zh zh-CN zh-HK".split()
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Where and as whom to call."""

    account_sid: str
    auth_token: str
    service_sid: str
    base_url: str

    def __repr__(self) -> str:
        return f"TwilioAccount({self.account_sid}, {self.service_sid}, {self.base_url})"


@dataclass(frozen=True, slots=True)
class VerifyService:
    """How the Verify service is set up at Twilio."""

    name: str
    code_length: int
    custom_code: bool


class TwilioVerify:
    """One Verify service. One object serves a whole process: its connections are reused."""

    name = "twilio_verify"

    def __init__(self, account: TwilioAccount) -> None:
        self._http = TwilioHttp(account.base_url)
        client = Client(account.account_sid, account.auth_token, http_client=self._http)
        client.verify.base_url = account.base_url
        self._service = client.verify.v2.services(account.service_sid)

    def send(
        self,
        phone: Phone,
        channel: Channel,
        *,
        deadline: float,
        locale: str,
        custom_code: str | None = None,
        client_ip: str | None = None,
    ) -> str:
        """Send a code; returns the verification's sid.

        Args:
            phone: to whom.
            channel: `sms`, `voice` or `whatsapp`.
            deadline: seconds that the whole exchange may take.
            locale: the message's language, where Twilio has it.
            custom_code: our own code to send (accounts with `CustomCode`).
            client_ip: the user's address, for Fraud Guard.

        Raises:
            SendFailure: it was not accepted, or nobody knows.
        """
        try:
            verification = within(
                deadline,
                lambda: self._service.verifications.create(
                    to=phone.e164,
                    channel=CHANNELS[channel],
                    locale=_locale(locale),
                    custom_code=custom_code or values.unset,
                    device_ip=client_ip or values.unset,
                ),
            )
        except DeadlineExceeded:
            self._distrust_idle()
            raise SendFailure(
                FailureClass.PROVIDER_FAULT, Reason.DEADLINE, "timeout", maybe_sent=True
            ) from None
        except TwilioRestException as error:
            raise send_failure(error.status, _code(error)) from None
        except (HTTPError, TwilioException, ValueError, TypeError) as error:
            raise SendFailure(
                FailureClass.PROVIDER_FAULT,
                Reason.PROVIDER_ERROR,
                _transport_code(error),
                maybe_sent=_may_have_arrived(error),
            ) from None
        if not verification.sid:
            raise SendFailure(FailureClass.PROVIDER_FAULT, Reason.PROVIDER_ERROR, "unreadable")
        return str(verification.sid)

    def check(self, phone: Phone, code: str, *, deadline: float) -> Literal["approved", "wrong", "over"]:
        """Ask whether a code is right. `over`: there is no verification under way any more.

        Asked by number and not by sid: challenges that share a number share its verification.

        Raises:
            CheckFailure: Twilio could not be asked.
        """
        try:
            checked = within(
                deadline,
                lambda: self._service.verification_checks.create(to=phone.e164, code=code),
            )
        except DeadlineExceeded:
            self._distrust_idle()
            raise CheckFailure(FailureClass.PROVIDER_FAULT, "timeout") from None
        except TwilioRestException as error:
            if is_over(error.status, _code(error)):
                return "over"
            raise check_failure(error.status, _code(error)) from None
        except (HTTPError, TwilioException, ValueError, TypeError) as error:
            raise CheckFailure(FailureClass.PROVIDER_FAULT, _transport_code(error)) from None
        return "approved" if checked.status == "approved" and checked.valid is True else "wrong"

    def _distrust_idle(self) -> None:
        """One connection went silent: those that wait for work may be dead, and would cost a call each."""
        self._http.close_idle()

    def look_up(self, *, deadline: float) -> VerifyService:
        """Read how the service is set up. Nothing is sent to anybody.

        Raises:
            CheckFailure: Twilio could not be asked, or refuses.
        """
        try:
            found = within(deadline, self._service.fetch)
            return VerifyService(
                str(found.friendly_name), int(found.code_length), bool(found.custom_code_enabled)
            )
        except DeadlineExceeded:
            raise CheckFailure(FailureClass.PROVIDER_FAULT, "timeout") from None
        except TwilioRestException as error:
            raise check_failure(error.status, _code(error)) from None
        except (HTTPError, TwilioException, ValueError, TypeError) as error:
            raise CheckFailure(FailureClass.PROVIDER_FAULT, _transport_code(error)) from None

    def finish(self, sid: str, status: Literal["canceled", "approved"], *, deadline: float) -> bool:
        """Tell Twilio how a verification ended here. Returns whether it knows now, or knew before."""
        try:
            within(deadline, lambda: self._service.verifications(sid).update(status=status))
        except TwilioRestException as error:
            return is_over(error.status, _code(error))
        except (DeadlineExceeded, HTTPError, TwilioException, ValueError, TypeError):
            return False
        return True


def _code(error: TwilioRestException) -> int:
    """Twilio's code, which has five digits; what else stands there may quote the request: the status then."""
    try:
        code = int(error.code or 0)
    except (TypeError, ValueError):
        code = 0
    return code if 10_000 <= code <= 99_999 else int(error.status)


def _locale(wanted: str) -> object:
    tag = wanted.replace("_", "-")
    for candidate in (tag, tag.split("-")[0]):
        if candidate in LOCALES:
            return candidate
    unset: object = values.unset
    return unset


def _may_have_arrived(error: Exception) -> bool:
    """Whether a request may have been carried out: its connection ended before the answer, not before it."""
    return isinstance(error, ProtocolError)


def _transport_code(error: Exception) -> str:
    """A word for what is not an HTTP error; the exception's text may hold a URL, so it stays here."""
    if isinstance(error, SSLError):
        return "tls"
    if isinstance(error, TimeoutFault) and not isinstance(error, NewConnectionError):  # which is one
        return "timeout"
    if isinstance(error, ValueError | TypeError):
        return "unreadable"
    return "connection"
