"""The operators' switch."""

from collections.abc import Callable

from service.domain.audit import AuditEntry, Who
from service.domain.errors import ModeChanged, StateConflict
from service.domain.events import Event
from service.domain.mode import Mode, ModeSetting, Scope, effective
from service.store.audit import AuditStore
from service.store.modes import ModeStore
from service.telemetry import logs

_TRIES = 5
_log = logs.get("mode")


class SetMode:
    """Reads and sets modes. Every start of a challenge reads them, so a change holds at once."""

    def __init__(self, modes: ModeStore, audit: AuditStore, *, clock: Callable[[], int]) -> None:
        self._modes = modes
        self._audit = audit
        self._clock = clock

    def put(
        self,
        mode: Mode | None,
        scope: Scope,
        *,
        reason: str,
        who: Who,
        expires_in: int | None = None,
        version: int | None = None,
    ) -> ModeSetting:
        """Set one scope's mode, or take it back; on disk when it returns.

        Args:
            mode: from now on; `None`: none of its own, so that wider ones hold there again.
            scope: for whom.
            reason: for the audit trail.
            who: sets it.
            expires_in: seconds that it holds; unset: until changed.
            version: what the caller saw (0: none); unset: whatever it is now.

        Raises:
            ModeChanged: it is another version by now.
        """
        cleared = mode is None
        for _ in range(_TRIES):
            now = self._clock()
            before = self._modes.of(scope)
            present = before.version if before else 0
            if version not in (None, present):
                raise ModeChanged(present)
            setting = ModeSetting(
                mode=mode or Mode.AUTO,
                scope=scope,
                reason=reason,
                set_by=who.actor,
                set_at=now,
                expires_at=now + expires_in * 1000 if expires_in else None,
                version=present + 1,
                cleared=cleared,
            )
            told = {
                "mode": setting.mode,
                "country": scope.country,
                "application": scope.application,
                "set_by": who.actor,
                "expires_at": setting.expires_at,
                **({"cleared": True} if cleared else {}),
            }
            entry = AuditEntry(
                at=now,
                actor=who.actor,
                origin=who.origin,
                action="mode.clear" if cleared else "mode.set",
                target=f"application {scope.application or '*'}, country {scope.country or '*'}",
                reason=reason,
                before=_state(before) if before and before.in_force(now) else None,
                after=None if cleared else _state(setting),
            )
            if self._modes.put(setting, self._audit, entry, Event("mode.changed", now, told)):
                _log.warning("mode_changed", **told)
                return setting
        raise StateConflict("Others kept changing this mode.", retry_after=1)

    def version(self, scope: Scope) -> int:
        """How often a scope's mode was changed; to be given to `put`."""
        setting = self._modes.of(scope)
        return setting.version if setting else 0

    def current(self) -> tuple[ModeSetting | None, list[ModeSetting]]:
        """What holds for everybody (`None`: `auto`), and every setting in force, widest first."""
        now = self._clock()
        settings = [setting for setting in self._modes.all() if setting.in_force(now)]
        settings.sort(key=lambda s: (s.scope.narrowness, s.scope.country or "", s.scope.application or ""))
        everybody = effective((s for s in settings if s.scope == Scope()), "", None, now)
        return everybody, settings


def _state(setting: ModeSetting) -> dict[str, object]:
    return {"mode": setting.mode.value, "expires_at": setting.expires_at, "version": setting.version}
