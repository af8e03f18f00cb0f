"""``python -m service.sandbox``: the sandbox as a process of its own.

The account's token is read from the environment variable ``TWILIO_AUTH_TOKEN``, never from the command
line, where other users could see it. When both servers answer, one JSON line with their ports is printed.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from service.sandbox.server import run


def _announce(http_port: int, smtp_port: int) -> None:
    sys.stdout.write(json.dumps({"http": http_port, "smtp": smtp_port}) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Parse the arguments and serve; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="HTTP port (default: a free one)")
    parser.add_argument("--smtp-port", type=int, default=0, help="SMTP port (default: a free one)")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="SQLite file, made if absent"
    )
    parser.add_argument("--account-sid", required=True, metavar="AC...")
    parser.add_argument("--service-sid", required=True, metavar="VA...")
    arguments = parser.parse_args()
    token = os.environ.get("TWILIO_AUTH_TOKEN", "")
    if not token:
        parser.error("TWILIO_AUTH_TOKEN must be set")
    try:
        run(
            arguments.host,
            arguments.port,
            arguments.smtp_port,
            arguments.data,
            account_sid=arguments.account_sid,
            auth_token=token,
            service_sid=arguments.service_sid,
            ready=_announce,
        )
    except OSError as error:
        sys.stderr.write(f"the sandbox cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
