"""Gunicorn's configuration: many waiting requests on few processes, each of which ends with its master.

The supervisor gives the bind address (a descriptor) and the number of workers on the command line.
"""

import os
from pathlib import Path
from typing import Any

from service.runtime import metrics_folder
from service.runtime.gunicorn_log import StructuredLogger
from service.runtime.parent_death import die_with_parent

worker_class = "service.runtime.gunicorn_worker.Worker"
worker_connections = 1000
preload_app = False  # each worker makes its own connections, and a reload takes new code
timeout = 30  # seconds without a sign of life
graceful_timeout = 8  # seconds for requests under way; `docker stop` gives all of us 10
keepalive = 75  # seconds; longer than load balancers keep idle connections (60)
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - no wait for a disk

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# Nobody's word about scheme, path or address is taken here; FORWARDED_ALLOW_IPS in the environment, and
# gunicorn's own default, would take that of all on this machine. X-Forwarded-For is for `service/edge.py`.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
proxy_protocol = "off"
http_protocols = "h1"

accesslog = None
errorlog = "-"
loglevel = "warning"
logger_class = StructuredLogger
control_socket_disable = True


def post_fork(server: Any, _worker: Any) -> None:
    """In a new worker: end with the master, also when it is killed."""
    die_with_parent(server.pid)


def child_exit(_server: Any, _worker: Any) -> None:
    """In the master: what an ended worker counted stays, but not what it was doing."""
    folder = os.environ.get(metrics_folder.VARIABLE)
    if folder:
        metrics_folder.forget_dead(Path(folder))
