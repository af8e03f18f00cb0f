"""`otp-fallback mode`."""

from service.cli.output import as_json, core, fail, operator, require_country, table
from service.domain.mode import Mode, Scope
from service.domain.text import duration_seconds
from service.http.views import mode_setting_view

CLEAR = "clear"  # takes a setting back


def mode(
    wanted: str | None,
    reason: str | None,
    country: str | None,
    application: str | None,
    lasting: str | None,
    json_output: bool,
) -> None:
    """Show the modes in force, or set one."""
    if wanted is None:
        _show(json_output)
        return
    if wanted not in {*Mode, CLEAR}:
        fail(f"expected {', '.join(Mode)} or {CLEAR}; got {wanted}")
    if not reason or not reason.strip():
        fail("--reason: say why; it stands in the audit log and in the event")
    require_country(country)
    expires_in = parse_duration(lasting) if lasting is not None else None
    scope = Scope(country, application)
    if wanted == CLEAR:
        if lasting is not None:
            fail("--for: what is taken back does not come again")
        with core() as c:
            c.mode.put(None, scope, reason=reason, who=operator())
        _told(scope, json_output)
        return
    with core() as c:
        setting = c.mode.put(
            Mode(wanted),
            scope,
            reason=reason,
            who=operator(),
            expires_in=expires_in,
        )
    view = mode_setting_view(setting)
    if json_output:
        as_json(view)
    else:
        until = f" until {view['expires_at']}" if view["expires_at"] else ""
        print(f"Mode {setting.mode} for {_scope_text(setting.scope)}{until}.")


def _told(scope: Scope, json_output: bool) -> None:
    if json_output:
        _show(json_output)
    else:
        print(f"No mode for {_scope_text(scope)} any more; wider ones hold.")


def parse_duration(text: str) -> int:
    """Seconds of `30s`, `15m`, `2h`, `1d`."""
    seconds = duration_seconds(text)
    if seconds is None:
        fail("--for: expected a duration such as 30s, 15m, 2h or 1d")
    return seconds


def _show(json_output: bool) -> None:
    with core() as c:
        everybody, settings = c.mode.current()
    views = [mode_setting_view(setting) for setting in settings]
    if json_output:
        as_json({"mode": everybody.mode if everybody else Mode.AUTO, "settings": views})
        return
    print(f"Mode for everybody: {everybody.mode if everybody else Mode.AUTO}")
    if settings:
        table(
            ["mode", "for", "reason", "set by", "set at", "until"],
            [
                [
                    str(view["mode"]),
                    _scope_text(setting.scope),
                    setting.reason,
                    setting.set_by,
                    view["set_at"],
                    view["expires_at"] or "changed",
                ]
                for setting, view in zip(settings, views, strict=True)
            ],
        )


def _scope_text(scope: Scope) -> str:
    parts = [
        text
        for text in (
            scope.application and f"application {scope.application}",
            scope.country and f"country {scope.country}",
        )
        if text
    ]
    return ", ".join(parts) or "everybody"
