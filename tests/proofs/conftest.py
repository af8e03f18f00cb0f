"""Fixtures: a running service; and its parts in this process, with an injected clock."""

import pytest

from service.domain.channels import Channel
from service.flows.start import StartRequest
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.process import *  # noqa: F403


@pytest.fixture
def login():
    """Somebody is let in by a backup code; the challenge."""

    def run(services, user_id="alice"):
        codes = services.enroll.new_backup_codes("default", user_id)
        asked = StartRequest(application="default", user_id=user_id, channels=[Channel.BACKUP_CODE])
        challenge, *_ = services.start(asked)
        verdict = services.verify("default", challenge.id, codes[0], None)
        assert verdict.valid
        return verdict.challenge

    return run
