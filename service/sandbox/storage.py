"""The sandbox's database file: schema, transactions, and the rows of verifications and their attempts.

Every change is written before it is answered, so a killed process loses nothing; ``synchronous=OFF``
because losing power is not among the things a sandbox must survive.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.sandbox.verifications import LIFE, Attempt, Verification

KEEP_VERIFICATIONS = 100_000  #: newest rows kept, whatever their age
KEEP_ATTEMPTS = 100_000
KEEP_AFTER_EXPIRY = 600.0  #: seconds
PRUNE_EVERY = 256  #: inserts between two prunings

SCHEMA = """
CREATE TABLE IF NOT EXISTS verifications (
    id INTEGER PRIMARY KEY, sid TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL, code TEXT NOT NULL,
    channel TEXT NOT NULL, status TEXT NOT NULL, checks INTEGER NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS verifications_recipient ON verifications (recipient, id);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY, sid TEXT NOT NULL, verification_sid TEXT NOT NULL, recipient TEXT NOT NULL,
    channel TEXT NOT NULL, created_at REAL NOT NULL, converted_at REAL);
CREATE INDEX IF NOT EXISTS attempts_verification ON attempts (verification_sid);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, recipient TEXT NOT NULL COLLATE NOCASE,
    sender TEXT NOT NULL, subject TEXT, text TEXT NOT NULL, html TEXT, headers TEXT, code TEXT,
    created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS messages_recipient ON messages (recipient, id);
CREATE TABLE IF NOT EXISTS failures (id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL);
"""


class Database:
    """One connection, shared by the HTTP thread and the mail thread under a lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("PRAGMA busy_timeout=2000")
        self._connection.execute("PRAGMA cache_size=-16000")
        self._connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk, as far as a killed process is concerned, when it is left."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def write(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; the id of the row it inserted."""
        with self._lock:
            return self._connection.execute(sql, values).lastrowid or 0

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Every row of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file; nothing is pending."""
        with self._lock:
            self._connection.close()


class VerificationRows:
    """Verifications and their attempts in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self, to: str, now: float) -> Verification | None:
        """The verification that a send to ``to`` would repeat."""
        found = self._load("recipient = ? ORDER BY id DESC LIMIT 1", to)
        return found if found is not None and found.is_live(now) else None

    def by_sid(self, sid: str) -> Verification | None:
        """The verification of that sid, in whatever state."""
        return self._load("sid = ?", sid)

    def _load(self, condition: str, value: str) -> Verification | None:
        columns = "sid, recipient, code, created_at, updated_at, channel, status, checks"
        rows = self._database.rows(f"SELECT {columns} FROM verifications WHERE {condition}", (value,))  # noqa: S608 - constants
        if not rows:
            return None
        attempts = self._database.rows(
            "SELECT sid, channel, created_at FROM attempts WHERE verification_sid = ? ORDER BY id",
            (rows[0][0],),
        )
        verification = Verification(*rows[0])
        verification.attempts = [Attempt(*row) for row in attempts]
        return verification

    def insert(self, verification: Verification) -> None:
        """Keep a new verification, and let go of the oldest now and then."""
        row = self._database.write(
            "INSERT INTO verifications"
            " (sid, recipient, code, channel, status, checks, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                verification.sid, verification.to, verification.code, verification.channel,
                verification.status, verification.checks, verification.created_at, verification.updated_at,
            ),
        )  # fmt: skip
        if row % PRUNE_EVERY == 0:
            self._prune(row, verification.created_at - LIFE - KEEP_AFTER_EXPIRY)

    def _prune(self, newest: int, before: float) -> None:
        self._database.write("DELETE FROM verifications WHERE id <= ?", (newest - KEEP_VERIFICATIONS,))
        # The oldest few at a time: a long deletion would keep requests waiting.
        self._database.write(
            "DELETE FROM verifications WHERE id < (SELECT min(id) FROM verifications) + ? AND created_at < ?",
            (4 * PRUNE_EVERY, before),
        )

    def update(self, verification: Verification) -> None:
        """Keep what changed."""
        self._database.write(
            "UPDATE verifications SET code = ?, channel = ?, status = ?, checks = ?, updated_at = ?"
            " WHERE sid = ?",
            (
                verification.code, verification.channel, verification.status, verification.checks,
                verification.updated_at, verification.sid,
            ),
        )  # fmt: skip

    def add_attempt(self, verification: Verification) -> None:
        """Keep the newest attempt of a verification."""
        attempt = verification.attempts[-1]
        row = self._database.write(
            "INSERT INTO attempts (sid, verification_sid, recipient, channel, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (attempt.sid, verification.sid, verification.to, attempt.channel, attempt.time),
        )
        if row % PRUNE_EVERY == 0:
            self._database.write("DELETE FROM attempts WHERE id <= ?", (row - KEEP_ATTEMPTS,))

    def convert(self, verification: Verification) -> None:
        """Credit the newest attempt with the approval."""
        self._database.write(
            "UPDATE attempts SET converted_at = ? WHERE id ="
            " (SELECT max(id) FROM attempts WHERE verification_sid = ?)",
            (verification.updated_at, verification.sid),
        )
