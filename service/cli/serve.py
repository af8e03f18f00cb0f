"""`otp-fallback serve` and `otp-fallback web`: run everything, or all but the worker."""

import sys

import typer


def serve(json_output: bool = False, *, has_worker: bool = True) -> None:
    """Run the service and its parts until SIGTERM or Ctrl-C; SIGHUP replaces the web workers.

    Args:
        json_output: when ready, print one JSON line (url, api_key, sandbox_url, pid) for a script.
        has_worker: whether the worker is one of the parts. Without it `REDIS_URL` has to be set.

    Raises:
        typer.Exit: it can't run; why was printed to stderr, a line per fault.

    """
    from service.runtime.errors import StartError
    from service.runtime.server import run
    from service.settings import Settings, SettingsError
    from service.telemetry import logs

    try:
        settings = Settings.load()
        logs.configure(production=settings.env == "production")
        run(settings, json_output=json_output, has_worker=has_worker)
    except (StartError, SettingsError) as error:
        for line in str(error).splitlines():
            print(f"otp-fallback: {line}", file=sys.stderr)
        raise typer.Exit(error.exit_code if isinstance(error, StartError) else 2) from None
