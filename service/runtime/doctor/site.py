"""What the checks look at: the settings, what `serve` runs, and connections made when first needed."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from service.app import twilio_account
from service.core import clock as system_clock
from service.domain.master_keys import parse_master_keys
from service.master_keys import given_master_keys
from service.providers.twilio_verify import TwilioVerify, VerifyService
from service.runtime import run_file
from service.runtime.errors import StartError
from service.runtime.folder import DataFolder
from service.runtime.generated import read_master_keys, read_sandbox_account
from service.runtime.resolve import fill_in
from service.runtime.run_file import Running
from service.settings import Settings
from service.store.redis import Store, connect
from service.store.sealing import Sealer
from service.store.server import ServerFacts, server_facts

PATIENCE = 4.0  # seconds for one exchange; less than a check may take


class Site:
    """One installation. What one check asked for, the next ones need not ask for again.

    Args:
        given: the settings as they were given.
        clock: ms since the epoch.

    """

    def __init__(self, given: Settings, *, clock: Callable[[], int] = system_clock) -> None:
        self.given = given
        self.clock = clock
        self.folder = DataFolder(given.data_dir)

    @cached_property
    def running(self) -> Running | None:
        """What `serve` runs on the data folder."""
        with suppress(StartError):  # the check of files tells of it
            return run_file.read(self.folder)
        return None

    @cached_property
    def settings(self) -> Settings:
        """The settings with what `serve` fills in, as far as it can be known; the keys are `sealer`'s."""
        account = None
        with suppress(StartError):
            account = read_sandbox_account(self.folder)
        return fill_in(self.given, self.folder, keys=None, account=account, running=self.running)

    @cached_property
    def store(self) -> Store:
        """The connection to Redis."""
        assert self.settings.redis_url is not None  # noqa: S101 - `fill_in` made sure
        return connect(self.settings.redis_url.get_secret_value())

    @cached_property
    def server(self) -> ServerFacts:
        """What the Redis server is."""
        return server_facts(self.store)

    @cached_property
    def sealer(self) -> Sealer | None:
        """Opens records; `None` where no master key is known.

        Raises:
            SettingsError, StartError: it can't be had from where it should be.

        """
        keys = given_master_keys(self.given, within=PATIENCE) or read_master_keys(self.folder)
        return Sealer(parse_master_keys(keys)) if keys is not None else None

    @cached_property
    def verify_service(self) -> VerifyService | None:
        """The Verify service at Twilio; `None` where no account is known."""
        account = twilio_account(self.settings)
        return TwilioVerify(account).look_up(deadline=PATIENCE) if account is not None else None
