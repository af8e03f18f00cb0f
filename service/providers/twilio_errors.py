"""What Twilio's errors mean: the one place where they are classified."""

from dataclasses import dataclass
from types import MappingProxyType

from service.domain.failures import CheckFailure, FailureClass, Reason, SendFailure

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class _Meaning:
    failure_class: FailureClass
    remember_for: int = 0
    fraud: bool = False


_PROVIDER = _Meaning(FailureClass.PROVIDER_FAULT)
_THROTTLED = _Meaning(FailureClass.THROTTLED)
_ACCOUNT = _Meaning(FailureClass.ACCOUNT)
_THIS_NUMBER = _Meaning(FailureClass.RECIPIENT, remember_for=DAY)
_FOR_NOW = _Meaning(FailureClass.RECIPIENT)

# https://www.twilio.com/docs/api/errors
_BY_CODE = MappingProxyType(
    {
        20500: _PROVIDER,
        20503: _PROVIDER,
        20429: _THROTTLED,
        60207: _THROTTLED,  # rate limit of the service
        60212: _THROTTLED,  # too many concurrent requests for the number
        20001: _ACCOUNT,
        20003: _ACCOUNT,  # credentials
        20005: _ACCOUNT,  # account not active
        20006: _ACCOUNT,
        20007: _ACCOUNT,
        20008: _ACCOUNT,  # test credentials
        20404: _ACCOUNT,  # on a send, what is missing is the service
        60201: _ACCOUNT,
        60217: _ACCOUNT,  # service configuration
        60220: _ACCOUNT,
        60223: _ACCOUNT,  # channel switched off
        60205: _THIS_NUMBER,  # landline
        60238: _THIS_NUMBER,  # blocked by Twilio
        60605: _THIS_NUMBER,  # geo permissions
        60410: _Meaning(FailureClass.RECIPIENT, remember_for=DAY // 2, fraud=True),  # a block of 12 h
        60202: _FOR_NOW,  # 5 checks reached: until the verification expires
        60203: _FOR_NOW,  # 5 sends reached: likewise
        60200: _Meaning(FailureClass.REQUEST),  # invalid parameter
    }
)


# In delivery reports, what says that this number can't get messages: blocked, unknown, a landline.
UNREACHABLE = frozenset({"30004", "30005", "30006"})


def _meaning(http_status: int, code: int) -> _Meaning:
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    if http_status >= 500:
        return _PROVIDER
    if http_status == 429:
        return _THROTTLED
    if http_status in (401, 403, 404):
        return _ACCOUNT
    # A refusal nobody has told us about is the provider's until proven otherwise: the user is not to blame.
    return _PROVIDER


def send_failure(http_status: int, code: int) -> SendFailure:
    """The failure that an error answer to a send is."""
    meaning = _meaning(http_status, code)
    undeliverable = meaning.failure_class is FailureClass.RECIPIENT
    return SendFailure(
        meaning.failure_class,
        Reason.UNDELIVERABLE if undeliverable else Reason.PROVIDER_ERROR,
        str(code),
        fraud=meaning.fraud,
        remember_for=meaning.remember_for,
    )


def is_over(http_status: int, code: int) -> bool:
    """Whether an answer to a check says that the verification is over: approved, expired, used up."""
    return (http_status == 404 and code == 20404) or code == 60202


def check_failure(http_status: int, code: int) -> CheckFailure:
    """The failure that any other error answer to a check is."""
    return CheckFailure(_meaning(http_status, code).failure_class, str(code))
