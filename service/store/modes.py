"""The operators' mode settings, one hash field per scope."""

import msgspec

from service.domain.audit import AuditEntry
from service.domain.events import Event
from service.domain.mode import ModeSetting, Scope
from service.store import keys
from service.store.audit import AuditStore, Write
from service.store.connections import Command
from service.store.redis import Store


class ModeStore:
    """All modes that are set; they are few, so they are always read together."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load_command(self) -> Command:
        """The command whose answer `decode` reads."""
        return ("HGETALL", keys.MODES)

    def decode(self, answer: dict[bytes, bytes]) -> list[ModeSetting]:
        """Read the settings."""
        return [_decode(raw) for raw in answer.values()]

    def all(self) -> list[ModeSetting]:
        """Every setting, lapsed ones among them."""
        (answer,) = self._store.batch([self.load_command()])
        return self.decode(answer)

    def of(self, scope: Scope) -> ModeSetting | None:
        """One scope's setting, lapsed or not."""
        (raw,) = self._store.batch([("HGET", keys.MODES, _field(scope))])
        return _decode(raw) if raw else None

    def put(self, setting: ModeSetting, audit: AuditStore, entry: AuditEntry, event: Event) -> bool:
        """Set one scope's mode, if it still has the version before; acknowledged once on disk.

        Returns:
            Whether it was set.
        """
        value = msgspec.json.encode(setting)
        write = Write(keys.MODES, _field(setting.scope), value, setting.version - 1)
        return audit.record(entry, write=write, events=[event])


def _field(scope: Scope) -> str:
    return f"{scope.application or '*'} {scope.country or '*'}"


def _decode(raw: bytes) -> ModeSetting:
    return msgspec.json.decode(raw, type=ModeSetting)
