"""Runs gunicorn with our own master, and with this `service` already imported.

Gunicorn puts the current folder first on the import path; a folder there that is also called `service`
would be taken for ours.
"""

from gunicorn.app.wsgiapp import WSGIApplication

import service as _ours  # noqa: F401 - imported, so that it is found
from service.runtime.arbiter import Arbiter


class Web(WSGIApplication):  # type: ignore[misc]
    """The web server."""

    def run(self) -> None:
        """Serve until told to end."""
        Arbiter(self).run()


if __name__ == "__main__":
    Web("%(prog)s [OPTIONS] [APP_MODULE]").run()
