"""Logging: one line an event, JSON unless a person watches; never anything personal.

Whoever logs passes ids, hashes, routes, codes of errors. Third-party loggers that print requests or
messages are kept at warnings.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

_TALKATIVE = ("twilio.http_client", "urllib3", "requests", "mail.log", "asyncio")


def configure(stream: Any = None, *, level: int = logging.INFO) -> None:
    """Set logging up for this process: to stderr unless told otherwise."""
    stream = stream or sys.stderr
    terminal = bool(getattr(stream, "isatty", lambda: False)())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _trace_without_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _trace_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where an unexpected error arose and of what type; its text may quote what a user typed."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        event["trace"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def get(name: str) -> Any:
    """A logger."""
    return structlog.get_logger(part=name)
