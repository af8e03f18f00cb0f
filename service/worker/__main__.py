"""`python -m service.worker`: the process that looks after challenges nobody is asking about."""

from gevent import monkey

monkey.patch_all()  # before anything opens a socket: deadlines interrupt greenlets

from service.app import build, build_core  # noqa: E402
from service.settings import Settings  # noqa: E402
from service.telemetry import logs, traces  # noqa: E402
from service.worker.loop import run  # noqa: E402

if __name__ == "__main__":
    settings = Settings.load()
    logs.configure(production=settings.env == "production")
    logs.guard_crashes()
    traces.configure(settings.otlp_endpoint)
    run(build(build_core(settings)))
