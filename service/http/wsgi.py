"""What gunicorn loads: the application on the settings of this process's environment."""

from service.app import build, build_core
from service.http.application import create_app
from service.settings import Settings
from service.telemetry import logs, traces

settings = Settings.load()
logs.configure(production=settings.env == "production")
logs.guard_crashes()
traces.configure(settings.otlp_endpoint)
app = create_app(build(build_core(settings)))
traces.follow(app)
