"""The client as its users have it, for a type checker: `mypy --strict` accepts it, and finds what is marked."""

from typing import assert_type

from service.client import UNSET, AsyncChallenge, AsyncOtpFallback, Challenge, OtpFallback, models

otp = OtpFallback("https://otp.example", "otpk_x", timeout=10)
later = AsyncOtpFallback("https://otp.example", "otpk_x")


def a_login(code: str) -> str | None:
    challenge = otp.challenges.start("alice", phone="+14155550123", channels=["sms", "totp"])
    assert_type(challenge, Challenge)
    assert_type(challenge.prompt, models.ChannelState | None)
    assert_type(challenge.verify(code, channel="sms"), models.Verdict)
    assert_type(challenge.wait(timeout=5), bool)
    assert_type(otp.users.set_contacts("alice", phone=None, email=UNSET), models.Contacts)
    assert_type(otp.verify_proof("x", challenge_id=challenge.id), models.Proof)
    return challenge.proof


async def a_login_later(code: str) -> None:
    challenge = await later.challenges.start("alice")
    assert_type(challenge, AsyncChallenge)
    assert_type(await challenge.verify(code), models.Verdict)
    assert_type(await later.ops.mode(), models.Mode)


def mistakes() -> None:
    otp.challenges.start()  # wrong
    otp.challenges.start("alice", telephone="+14155550123")  # wrong
    otp.challenges.start("alice", phone=14155550123)  # wrong
    otp.challenges.start("alice").verify(123456)  # wrong
    print(otp.users.factors("alice").factors[0].lable)  # wrong
    print(otp.challenges.start("alice").prompt.to)  # wrong
    otp.ops.set_mode("auto")  # wrong
    with later:  # wrong
        pass


async def a_forgotten_await(challenge: AsyncChallenge) -> None:
    challenge.verify("123456")  # wrong
