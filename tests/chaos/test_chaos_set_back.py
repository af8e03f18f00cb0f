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
        challenge, _ = services.start(StartRequest(application="default", user_id="ada"))
        return services.verify("default", challenge.id, code, Channel.TOTP).valid

    used = app.at(clock() // 1000)
    assert get_in(used) is True
    for seconds in (-30, 30, 60, -90, -3600):  # the present step, that before, and back again
        clock.pass_(seconds)
        assert get_in(used) is False
        assert get_in(app.at(clock() // 1000 - 30)) is False  # and none from before it, either
    clock.pass_(3600 + 120)
    assert get_in(app.at(clock() // 1000)) is True
