"""The operators' switch."""

from collections.abc import Callable

from service.domain.events import Event
from service.domain.mode import Mode, ModeSetting, Scope, effective
from service.store.modes import ModeStore
from service.telemetry import logs

_log = logs.get("mode")


class SetMode:
    """Reads and sets modes. Every start of a challenge reads them, so a change holds at once."""

    def __init__(self, modes: ModeStore, *, clock: Callable[[], int]) -> None:
        self._modes = modes
        self._clock = clock

    def put(
        self, mode: Mode, scope: Scope, *, reason: str, set_by: str, expires_in: int | None
    ) -> ModeSetting:
        """Set one scope's mode, for `expires_in` seconds or until changed; back on disk when it returns."""
        now = self._clock()
        setting = ModeSetting(
            mode=mode,
            scope=scope,
            reason=reason,
            set_by=set_by,
            set_at=now,
            expires_at=now + expires_in * 1000 if expires_in else None,
        )
        event = Event(
            "mode.changed",
            now,
            {
                "mode": mode,
                "country": scope.country,
                "application": scope.application,
                "set_by": set_by,
                "expires_at": setting.expires_at,
            },
        )
        self._modes.put(setting, event)
        _log.warning("mode_changed", **event.data)
        return setting

    def current(self) -> tuple[ModeSetting | None, list[ModeSetting]]:
        """What holds for everybody (`None`: `auto`), and every setting in force, widest first."""
        now = self._clock()
        settings = [setting for setting in self._modes.all() if setting.in_force(now)]
        settings.sort(key=lambda s: (s.scope.narrowness, s.scope.country or "", s.scope.application or ""))
        everybody = effective((s for s in settings if s.scope == Scope()), "", None, now)
        return everybody, settings
