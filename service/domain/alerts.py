"""Alerts to operators: what is worth one, and what it says.

An incident is one story: it is told when it begins, when it gets worse or somebody says something to
everybody, and when it is over. Nobody is alerted of each route that comes and goes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from service.domain.audit import Who
from service.domain.failures import FailureClass
from service.domain.incidents import Incident
from service.domain.mode import Mode
from service.domain.text import rfc3339

RUNBOOKS = "deploy/runbooks"
UPDATE_EVERY = 300_000  # ms between updates of one incident
HOURLY = 3_600_000  # ms between alerts of one provider's account, and of toll fraud in one country
FRAUD_GUARD = "60410"  # Twilio suspects toll fraud
ROUTES_SHOWN = 8
UPDATES_SHOWN = 3

Level = Literal["failure", "warning", "success", "info"]


class Alert(NamedTuple):
    """What an operator is told.

    Attributes:
        key: the same for all that is told of one thing, so that a pager keeps one alarm for it.
        level: `success` ends the alarm.
        title: one line.
        body: some lines.

    """

    key: str
    level: Level
    title: str
    body: str


def is_worth_it(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether operators are alerted of an event."""
    match kind:
        case "incident.opened" | "incident.resolved" | "mode.changed" | "fraud.suspected":
            return True
        case "incident.updated":
            return bool(data.get("worsened")) or data.get("text") is not None
        case "drill.finished":
            return data.get("stopped_by") == "safety"
        case "challenge.send_failed":
            worth = data["failure_class"] == FailureClass.ACCOUNT or data["code"] == FRAUD_GUARD
            return worth and not data["remembered"]
    return False


def comes_hourly(kind: str) -> bool:
    """Whether an event may come again and again, and is told once an hour."""
    return kind in ("challenge.send_failed", "fraud.suspected")


def topic(kind: str, data: Mapping[str, Any]) -> str:
    """What an event is about: its alerts are told in order, and are one alarm."""
    match kind.partition(".")[0]:
        case "mode":
            return f"mode/{data.get('application') or '*'}/{data.get('country') or '*'}"
        case "challenge" if data["code"] != FRAUD_GUARD:
            return f"account/{data['provider']}"
        case "challenge" | "fraud":
            return f"fraud/{data['country']}"
    return str(data["id"])


def runbook(base: str | None, provider: str, routes: Iterable[str] = (), impact: str = "major") -> str:
    """Where it says what to do: below a base address, or in this source tree."""
    countries = {route.split("/")[2] if route.count("/") >= 2 else "" for route in routes}
    if provider == "smtp":
        name = "email-down.md"
    elif impact == "minor" and len(countries) == 1 and "" not in countries:
        name = "country-down.md"
    else:
        name = "sms-down.md"
    return f"{base or RUNBOOKS}/{name}"


def incident_alert(
    kind: str, incident: Incident, now: int, *, mode: Mode, base: str | None, told_at: int | None
) -> Alert:
    """An incident as it is now.

    Args:
        kind: `incident.opened`, `incident.updated` or `incident.resolved`.
        incident: itself.
        now: ms.
        mode: in force for everybody.
        base: where runbooks are.
        told_at: when it was told last (ms).
    """
    resolved = kind == "incident.resolved"
    minutes = incident.duration(now) // 60_000
    lines = [
        f"Status: {incident.status}; impact: {_IMPACTS[incident.impact]}.",
        f"Routes: {_routes(incident, resolved=resolved)}.",
        f"Since: {rfc3339(incident.opened_at)} ({minutes} min).",
    ]
    said = [e.text for e in incident.timeline if e.public and e.text and e.at > (told_at or 0)]
    lines += [f"Said to everybody: {text}" for text in said[-UPDATES_SHOWN:]]
    lines.append(f"Meanwhile: {_AFTERWARDS if resolved else _MEANWHILE[mode]}")
    lines.append(f"Runbook: {runbook(base, incident.provider, incident.affected, incident.impact)}")
    level: Level = "success" if resolved else "failure" if incident.impact == "major" else "warning"
    title = f"{_TITLES[kind]} {incident.id}: {incident.provider}, impact {incident.impact}"
    return Alert(incident.id, level, title, "\n".join(lines))


def mode_alert(data: Mapping[str, Any], at: int, *, base: str | None) -> Alert:
    """An operator threw the switch."""
    scope = [f"application {data['application']}"] if data.get("application") else []
    scope += [f"country {data['country']}"] if data.get("country") else []
    mode = Mode(data["mode"])
    whom = ", ".join(scope) or "everybody"
    until = data.get("expires_at") or "changed"
    lines = [
        f"Status: mode {mode} for {whom}, by {data['set_by']}.",
        f"Routes: {'all of the primary provider' if mode is not Mode.AUTO else 'as their health says'}.",
        f"Since: {rfc3339(at)}, until {until}.",
        f"Meanwhile: {_MODES[mode]}",
        f"Runbook: {runbook(base, '')}",
    ]
    level: Level = "success" if mode is Mode.AUTO else "warning"
    return Alert(topic("mode.changed", data), level, f"Mode {mode} for {whom}", "\n".join(lines))


def account_alert(data: Mapping[str, Any], at: int, *, base: str | None) -> Alert:
    """A provider refuses our account: credentials, balance, suspended."""
    provider = data["provider"]
    lines = [
        f"Status: {provider} refuses this account (code {data['code']}): credentials, balance or suspension.",
        f"Routes: {provider}/{data['channel']}, seen for {data['country']}.",
        f"Since: {rfc3339(at)}. Told at most once an hour.",
        "Meanwhile: challenges switch to another channel; this heals only when somebody mends the account.",
        f"Runbook: {runbook(base, provider)}",
    ]
    return Alert(f"account/{provider}", "failure", f"{provider} refuses our account", "\n".join(lines))


def fraud_alert(data: Mapping[str, Any], at: int, *, base: str | None) -> Alert:
    """Somebody has messages sent to numbers that earn them money."""
    country = data["country"]
    if data.get("code") == FRAUD_GUARD:
        found = f"{data['provider']}'s fraud guard blocks numbers in {country}"
    else:
        found = f"{data['numbers']} numbers that begin with {data['block']} got messages, hardly one answered"
    lines = [
        f"Status: toll fraud (SMS pumping) is suspected: {found}.",
        f"Routes: {data['provider']}/{data['channel']}/{country}, which is healthy otherwise.",
        f"Since: {rfc3339(at)}. Told at most once an hour for each country.",
        f"Meanwhile: {_SUSPECTED}",
        f"Runbook: {base or RUNBOOKS}/toll-fraud.md",
    ]
    return Alert(f"fraud/{country}", "warning", f"Toll fraud suspected in {country}", "\n".join(lines))


def drill_alert(data: Mapping[str, Any], at: int, *, base: str | None) -> Alert:
    """A rehearsal was stopped for safety."""
    lines = [
        f"Status: drill {data['id']} was stopped by its safety stop.",
        "Routes: those of the drill; they take traffic again.",
        f"Since: {rfc3339(at)}.",
        "Meanwhile: health decides as always.",
        f"Runbook: {runbook(base, '')}",
    ]
    return Alert(str(data["id"]), "warning", f"Drill {data['id']} stopped for safety", "\n".join(lines))


def trial_alert(at: int, who: Who) -> Alert:
    """Asked for by an operator."""
    body = f"{who.actor} asked for it at {rfc3339(at)}. Nothing is wrong; nothing is to be done."
    return Alert("test", "info", "Test of otp-fallback's alerts", body)


_TITLES = {
    "incident.opened": "Incident opened",
    "incident.updated": "Update of incident",
    "incident.resolved": "Resolved: incident",
}
_IMPACTS = {"minor": "minor (some routes)", "major": "major (every route with traffic)"}
_PROBES = "It probes without risking a login, and returns traffic by itself once five probes arrive."
_MEANWHILE: Mapping[Mode, str] = {
    Mode.AUTO: f"users are prompted at once for authenticator app, e-mail or backup code. {_PROBES}",
    Mode.FALLBACK: "mode fallback: nothing is sent by the primary provider, users answer in other ways.",
    Mode.PRIMARY_ONLY: "mode primary_only: NOBODY IS SWITCHED. Set mode auto to let users in by other ways.",
}
_SUSPECTED = (
    "nothing that costs money is sent there; its users are prompted for another factor, but for those whose"
    " number answered before."
)
_AFTERWARDS = "traffic returns step by step; nothing is to be done."
_MODES: Mapping[Mode, str] = {
    Mode.AUTO: "health decides on every send again.",
    Mode.FALLBACK: "nothing is sent by the primary provider; users answer in other ways.",
    Mode.PRIMARY_ONLY: "nobody is switched to another channel, whatever happens to the primary provider.",
}


def _routes(incident: Incident, *, resolved: bool) -> str:
    names = list(incident.affected) if resolved else []
    names = names or [f"{route} ({state})" for route, state in sorted(incident.troubled.items())]
    more = f" and {len(names) - ROUTES_SHOWN} more" if len(names) > ROUTES_SHOWN else ""
    return ", ".join(names[:ROUTES_SHOWN]) + more
