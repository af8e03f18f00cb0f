"""How a process that serves begins: settings, logs, traces, the parts; and what it says when it can't."""

import sys

from service.app import Services, build
from service.core import build_core
from service.domain.errors import KeyUnusable, SchemaUnknown
from service.settings import Settings, SettingsError
from service.store.durability import doubt
from service.telemetry import logs, traces

REFUSED = 3  # the exit status by which gunicorn knows that its other workers would not start either

_log = logs.get("process")


def begin() -> Services:
    """Everything on the settings of this process's environment.

    Raises:
        SystemExit: the settings or what is stored do not allow it; why was logged.
        StoreUnavailable: Redis can't be reached.

    """
    logs.configure()
    try:
        settings = Settings.load()
        logs.configure(production=settings.env == "production")
        logs.guard_crashes()
        traces.configure(settings.otlp_endpoint)
        services = build(build_core(settings))
    except (SettingsError, KeyUnusable, SchemaUnknown) as error:
        _log.critical("start_refused", reason=str(error))
        sys.exit(REFUSED)
    if not settings.is_child:
        doubted = doubt(services.core.store, strict=settings.durability == "strict")
        if doubted is not None:
            _log.warning("durability_in_doubt", reason=doubted)
    return services
