"""A code that fails because of the phone's clock is recognised as that."""

import pyotp
import pytest

from service.domain.totp import clock_offset

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = 1_790_000_010


@pytest.mark.parametrize("seconds", [0, -90, 180, -600, 3600, -3570, 5 * 3600, -9 * 3600, 14 * 3600])
def test_the_offset_is_found(seconds):
    code = pyotp.TOTP(SECRET).at(NOW + seconds)
    assert clock_offset(SECRET, code, NOW * 1000) == seconds


@pytest.mark.parametrize("seconds", [40 * 86400, 2 * 3600 + 600])
def test_what_is_no_plausible_clock_is_not(seconds):
    assert clock_offset(SECRET, pyotp.TOTP(SECRET).at(NOW + seconds), NOW * 1000) is None


def test_nothing_before_the_epoch_is_asked_for():
    assert clock_offset(SECRET, "000000", 1000) is None
