"""What must not be told apart takes the same work: by what is asked of Redis and what is opened, not by the clock."""

import contextlib
from collections import Counter

import pytest

from service.domain.contacts import Email
from service.domain.errors import NotFound, OtpError
from service.flows.start import StartRequest
from service.store.sealing import Sealer

SHOP, OTHER = "shop", "other"
ABSENT = "A" * 22  # the end of an id that nobody was given


@pytest.fixture
def work(redis, counted, services, monkeypatch):
    """Do something; tell the round trips, the commands that Redis ran, and what was opened and sealed."""
    seen = Counter()
    for name in ("open", "seal"):
        real = getattr(Sealer, name)

        def counting(self, *args, real=real, name=name):
            seen[name] += 1
            return real(self, *args)

        monkeypatch.setattr(Sealer, name, counting)

    def measure(do):
        redis.config_resetstat()
        seen.clear()
        counted.count = 0
        try:
            outcome = type(do()).__name__
        except OtpError as error:
            outcome = error.code
        stats = redis.info("commandstats")
        commands = {
            name.removeprefix("cmdstat_"): fact["calls"]
            for name, fact in stats.items()
            if not name.startswith(("cmdstat_config", "cmdstat_info"))
        }
        return outcome, counted.count, commands, dict(seen)

    return measure


@pytest.fixture
def known(services):
    """Somebody who has nothing but an address, which came and went."""
    services.enroll.set_contacts(SHOP, "known", email=Email.parse("known@mail.example"))
    services.enroll.set_contacts(SHOP, "known", email=None)
    challenge, *_ = services.start(start("known", email=Email.parse("k@mail.example")))
    with contextlib.suppress(OtpError):
        services.verify(SHOP, challenge.id, "123456", None)  # the scripts are loaded from now on
    return "known"


def start(user_id, **more):
    return StartRequest(application=SHOP, user_id=user_id, **more)


def test_a_start_of_an_unknown_user_and_of_one_who_has_nothing(services, work, known):
    there, absent = (work(lambda u=u: services.start(start(u))) for u in (known, "nobody"))
    assert there == absent
    assert there[1] == 2


def test_a_start_with_an_address_that_the_caller_gives(services, work, known):
    email = Email.parse("somebody@mail.example")
    there, absent = (work(lambda u=u: services.start(start(u, email=email))) for u in (known, "nobody"))
    assert there == absent


def test_what_a_user_has_enrolled(services, work, known):
    there, absent = (work(lambda u=u: services.enroll.user(SHOP, u)) for u in (known, "nobody"))
    assert there == absent == ("User", 1, {"get": 1}, {"open": 1})


def test_an_enrolment(services, work, known):
    there, absent = (work(lambda u=u: services.enroll.begin(SHOP, u)) for u in (known, "nobody"))
    assert there == absent
    assert there[1] == 1


def test_a_link_to_the_account(services, work, known):
    from service.domain.links import LinkKind

    there, absent = (
        work(lambda u=u: services.links.issue(LinkKind.ACCOUNT, SHOP, u)) for u in (known, "nobody")
    )
    assert there == absent


@pytest.mark.parametrize("code", ["123456", "ABCDE-FGHJK-MNPQR-STVWX", "nonsense"])
def test_a_challenge_of_another_application_and_none(services, work, known, code):
    challenge, *_ = services.start(start(known, email=Email.parse("k@mail.example")))
    absent = challenge.id[:5] + ABSENT
    of_another, none = (
        work(lambda i=i: services.verify(OTHER, i, code, None)) for i in (challenge.id, absent)
    )
    assert of_another == none
    assert none[0] == "challenge_not_found"
    for act in (services.change.get, services.change.cancel, services.change.resend):
        of_another, none = (work(lambda i=i, act=act: act(OTHER, i)) for i in (challenge.id, absent))
        assert of_another == none
        assert none[0] == "challenge_not_found"
    assert services.change.get(SHOP, challenge.id)[0].attempts == 0


def test_an_enrolment_of_another_application_and_none(services, work):
    enrollment = services.enroll.begin(SHOP, "u")
    absent = enrollment.id[:5] + ABSENT
    of_another, none = (
        work(lambda i=i: services.enroll.confirm(OTHER, i, "123456")) for i in (enrollment.id, absent)
    )
    assert (
        of_another[:3] == none[:3]
    )  # opening the record tells whose it is; who has its id has 128 bits right
    with pytest.raises(NotFound):
        services.enroll.confirm(OTHER, enrollment.id, "123456")


def test_api_keys_that_are_none(services, work):
    """They are looked up by a keyed hash: a key that is nearly right is as far from it as any other."""
    _, secret = services.api_keys.create(
        name="k", application=SHOP, scopes=frozenset(), now=0, random_bytes=bytes
    )
    nearly, wrong = (work(lambda k=k: services.api_keys.find(k)) for k in (secret[:-1] + "B", "nonsense"))
    assert nearly == wrong == ("NoneType", 1, {"hget": 1}, {})
