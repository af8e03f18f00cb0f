"""What arrived: text messages, calls, WhatsApp messages and mails, and the wait for the next one."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gevent import get_hub
from gevent.event import Event

from service.sandbox.storage import PRUNE_EVERY, Database

KEEP_MESSAGES = 10_000  #: newest messages kept
COLUMNS = "id, channel, recipient, sender, subject, text, html, headers, code, created_at"
_CODE = re.compile(r"(?<![\w#+])\d{6,8}(?!\w)")
_TAGS = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One thing a person would have received; ``headers`` as JSON, ``created_at`` in Unix seconds."""

    id: int
    channel: str
    to: str
    sender: str
    subject: str | None
    text: str
    html: str | None
    headers: str | None
    code: str | None
    created_at: float

    @property
    def at(self) -> str:
        """When it arrived: RFC 3339, UTC, with milliseconds."""
        return datetime.fromtimestamp(self.created_at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"

    def json(self) -> dict[str, object]:
        """The message as the control API tells it."""
        return {
            "id": self.id,
            "channel": self.channel,
            "to": self.to,
            "from": self.sender,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "headers": self.headers and json.loads(self.headers),
            "code": self.code,
            "created_at": self.at,
        }


def find_code(*texts: str | None) -> str | None:
    """The first number of 6 to 8 digits that stands alone in any of the texts (tags left out)."""
    for text in texts:
        if text and (match := _CODE.search(_TAGS.sub(" ", text))):
            return match.group()
    return None


class Messages:
    """The inbox. Made in the HTTP thread; `add` may be called from any thread."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._owner = threading.get_ident()
        self._loop = get_hub().loop
        self._arrived = Event()

    def add(
        self,
        *,
        channel: str,
        to: str,
        sender: str,
        text: str,
        subject: str | None = None,
        html: str | None = None,
        headers: dict[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        """Keep a message and wake whoever waits for it."""
        row = self._database.write(
            "INSERT INTO messages"
            " (channel, recipient, sender, subject, text, html, headers, code, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (channel, to, sender, subject, text, html, headers and json.dumps(headers), code, self._clock()),
        )
        if row % PRUNE_EVERY == 0:
            self._database.write("DELETE FROM messages WHERE id <= ?", (row - KEEP_MESSAGES,))
        if threading.get_ident() == self._owner:
            self._ring()
        else:
            self._loop.run_callback_threadsafe(self._ring)

    def _ring(self) -> None:
        arrived, self._arrived = self._arrived, Event()
        arrived.set()

    def find(
        self, *, to: str | None = None, channel: str | None = None, after: int = 0, limit: int = 50
    ) -> list[Message]:
        """Messages newer than the id ``after``, newest first."""
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM messages WHERE id > ?"  # noqa: S608 - constants and placeholders only
            + (" AND recipient = ?" if to else "")
            + (" AND channel = ?" if channel else "")
            + " ORDER BY id DESC LIMIT ?",
            [after, *filter(None, (to, channel)), limit],
        )
        return [Message(*row) for row in rows]

    def wait(
        self,
        seconds: float,
        *,
        to: str | None = None,
        channel: str | None = None,
        after: int = 0,
        limit: int = 50,
    ) -> list[Message]:
        """As `find`, but waits up to ``seconds`` for a first one. HTTP thread only."""
        until = time.monotonic() + seconds
        while True:
            arrived = self._arrived
            found = self.find(to=to, channel=channel, after=after, limit=limit)
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            arrived.wait(left)

    def get(self, message_id: int) -> Message | None:
        """One message."""
        rows = self._database.rows(f"SELECT {COLUMNS} FROM messages WHERE id = ?", (message_id,))  # noqa: S608 - a constant
        return Message(*rows[0]) if rows else None

    def clear(self) -> None:
        """Empty the inbox; ids go on from where they were."""
        self._database.write("DELETE FROM messages")
