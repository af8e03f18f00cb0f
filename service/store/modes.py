"""The operators' mode settings, one hash field per scope."""

import msgspec

from service.domain.events import Event
from service.domain.mode import ModeSetting
from service.store import keys
from service.store.redis import Command, Store


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

    def put(self, setting: ModeSetting, event: Event) -> None:
        """Set one scope's mode; acknowledged once on disk."""
        scope = f"{setting.scope.application or '*'} {setting.scope.country or '*'}"
        self._store.batch(
            [
                ("HSET", keys.MODES, scope, msgspec.json.encode(setting)),
                (
                    "XADD",
                    keys.outbox("00"),
                    "*",
                    "type",
                    event.type,
                    "at",
                    event.at,
                    "data",
                    msgspec.json.encode(event.data),
                ),
            ],
            durable=True,
        )


def _decode(raw: bytes) -> ModeSetting:
    return msgspec.json.decode(raw, type=ModeSetting)
