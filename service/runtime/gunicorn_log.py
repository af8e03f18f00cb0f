"""Gunicorn's own log lines, structured like all others, and without what a client sent."""

import json
import logging
import time
from typing import Any

from gunicorn.glogging import Logger

from service.telemetry.logs import places

# Gunicorn puts URIs and pieces of malformed requests into these.
_QUOTING = ("Error handling request", "Invalid request from")


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        for start in _QUOTING:
            if text.startswith(start):
                text = start.removesuffix(" from")
        line: dict[str, Any] = {
            "event": text,
            "logger": "gunicorn",
            "level": record.levelname.lower(),
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__qualname__
            line["trace"] = places(record.exc_info[2])
        return json.dumps(line)


class StructuredLogger(Logger):  # type: ignore[misc]
    """Gunicorn's logger, one JSON object a line."""

    def setup(self, cfg: Any) -> None:
        """Configure, as gunicorn asks for at its start and at every reload."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(_OneLine())
