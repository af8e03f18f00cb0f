"""What gunicorn loads: the application on the settings of this process's environment."""

from service import garbage

garbage.look_seldom()

from service.http.application import create_app  # noqa: E402
from service.process import begin  # noqa: E402
from service.telemetry import traces  # noqa: E402

app = create_app(begin())
traces.follow(app)
garbage.keep()
