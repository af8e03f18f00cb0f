"""The service's clock is set back to where a used code is the present one: it stays used."""

import pyotp

from service.domain.channels import Channel
from service.flows.start import StartRequest


def test_a_used_step_stays_used_when_the_clock_goes_back(process, clock):
    services = process()
    begun = services.enroll.begin("default", "ada")
    app = pyotp.TOTP(begun.secret)
    services.enroll.confirm("default", begun.id, app.at(clock() // 1000 - 30))

    def get_in(code):
        challenge, *_ = services.start(StartRequest(application="default", user_id="ada"))
        return services.verify("default", challenge.id, code, Channel.TOTP).valid

    used_at = clock.now
    used = app.at(used_at // 1000)
    assert get_in(used) is True
    for seconds in (-30, 0, -60, -3600, 0):
        clock.now = used_at + seconds * 1000
        assert get_in(used) is False
        assert get_in(app.at(clock.now // 1000 - 30)) is False  # none from before it, either
    clock.now = used_at + 60_000
    assert get_in(app.at(clock.now // 1000)) is True
