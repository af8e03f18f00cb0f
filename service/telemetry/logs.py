"""Logging: one line an event, JSON unless a person watches; never anything personal.

Whoever logs passes ids, hashes, routes, codes of errors. Should something else slip in, it is left out here:
only keys that are known are told, of errors where they arose but not their text, and of what libraries say
only where they said it.
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import structlog
from gevent.hub import Hub

LEFT_OUT = "(left out)"
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# A line's own parts, and what it may tell. Another key may hold anything, so its value is left out.
_TOLD = frozenset(
    "event level timestamp part request_id error trace logger at said"  # every line
    " route method status seconds key code type"  # requests
    " challenge user channel provider country carrier source to reason why sent_at remembered failure_class"
    " kind incident impact routes listener indicator components"
    " mode application set_by expires_at cleared drill share stopped_by"  # operators
    " process ending restart_in pid".split()  # what `serve` runs
)
# Ids that a contact or a user's own id could be mistaken for.
_FORMS = {
    "user": re.compile(r"[0-3][0-9a-f][A-Za-z0-9_-]{22}"),
    "challenge": re.compile(r"ch_[0-3][0-9a-f][A-Za-z0-9_-]{22}"),
}


def configure(stream: Any = None, *, level: int = logging.INFO, production: bool = False) -> None:
    """Set logging up for this process.

    Args:
        stream: where to; stderr unless told otherwise.
        level: what to tell.
        production: write JSON, whoever watches.
    """
    stream = stream or sys.stderr
    terminal = not production and bool(getattr(stream, "isatty", lambda: False)())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            _of_which_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _trace_without_values,
            _only_what_may_be_told,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().handlers = [_Libraries()]


def guard_crashes() -> None:
    """Tell of what nobody caught as of every other error: by default, Python and gevent print its text."""

    def in_main(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        _log.critical("crashed", exc_info=error)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        _log.error("thread_crashed", exc_info=args.exc_value)

    def in_greenlet(_hub: object, _context: object, _kind: object, error: object, _trace: object) -> None:
        _log.error("greenlet_crashed", exc_info=error)

    sys.excepthook = in_main
    threading.excepthook = in_thread
    Hub.print_exception = in_greenlet  # type: ignore[method-assign,assignment]


def begin_request(request_id: str) -> None:
    """Have every line from now on say which request it belongs to."""
    _request_id.set(request_id)


def request_id() -> str | None:
    """The id of the present request."""
    return _request_id.get()


def _of_which_request(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if (present := request_id()) is not None:
        event["request_id"] = present
    return event


def places(trace: TracebackType | None) -> list[str]:
    """Where an error arose, outermost first; no line of it quotes a value."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _trace_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where an unexpected error arose and of what type; its text may quote what a user typed."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        event["trace"] = places(error.__traceback__)
    return event


def _only_what_may_be_told(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The last line of defence against a mistake made elsewhere."""
    for key, value in event.items():
        form = _FORMS.get(key)
        if key not in _TOLD or (form is not None and not form.fullmatch(str(value))):
            event[key] = LEFT_OUT
    return event


class _Libraries(logging.Handler):
    """Passes on what libraries log: where and how severe, and the text as far as it is the library's own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of theirs."""
        _log.log(
            max(record.levelno, logging.DEBUG),
            "library",
            logger=record.name,
            at=f"{record.filename}:{record.lineno}",
            said=str(record.msg) if record.args else None,
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


def get(name: str) -> Any:
    """A logger."""
    return structlog.get_logger(part=name)


_log = get("process")
