"""Runs gunicorn, with this `service` already imported.

Gunicorn puts the current folder first on the import path; a folder there that is also called `service`
would be taken for ours.
"""

from gunicorn.app.wsgiapp import run

import service as _ours  # noqa: F401 - imported, so that it is found

if __name__ == "__main__":
    run()
