"""Codes from an authenticator app: compared with every app the user has enrolled."""

from typing import NamedTuple

from service.domain.user import User


class TotpMatch(NamedTuple):
    """The factor whose code it is, and the time step to use up."""

    factor_id: str
    step: int


def match(user: User, code: str, now: int) -> TotpMatch | None:
    """The enrolled app that shows this code now (ms), or `None`. Does not use the step up."""
    found = None
    for factor in user.totp:
        if len(code) != factor.digits:
            continue
        step = factor.step_of(code, now)
        if step is not None and step > factor.last_step:
            found = TotpMatch(factor.id, step)
    return found
