"""What gunicorn loads: the application on the settings of this process's environment."""

from service.http.application import create_app
from service.process import begin
from service.telemetry import traces

app = create_app(begin())
traces.follow(app)
