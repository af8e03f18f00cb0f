"""`otp-fallback worker`."""

import os
import sys

from service.cli.output import fail


def worker() -> None:
    """Become a worker process, on the same settings as `serve`."""
    from service.runtime.errors import StartError
    from service.runtime.resolve import environment, resolve
    from service.settings import Settings, SettingsError

    try:
        env = environment(resolve(Settings.load()))
    except (SettingsError, StartError) as error:
        fail(str(error))
    os.execve(sys.executable, [sys.executable, "-m", "service.worker"], env)  # noqa: S606 - ourselves
