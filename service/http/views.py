"""Domain values as the API's answers."""

from collections.abc import Mapping
from typing import Any

from service.app import Services
from service.domain.challenge import Challenge, Entry, Subject, proven_by
from service.domain.channels import TRAITS
from service.domain.drills import Drill, Tally, report
from service.domain.events import told
from service.domain.health.provider import provider_state
from service.domain.incidents import Incident, TimelineEntry
from service.domain.mode import ModeSetting
from service.domain.notices import Notice, enrollment_hint, notice_for
from service.domain.readiness import Readiness
from service.domain.text import rfc3339
from service.domain.user import TotpFactor, User
from service.domain.webhooks import Webhook
from service.flows.verify import Verdict
from service.i18n import join
from service.store.blocks import Suspect
from service.store.failures import FailuresInRow
from service.store.health import Feed, OutboxEvent, RouteState
from service.store.hook_queue import DeadLetter, DeliveryState

time_view = rfc3339


def challenge_view(services: Services, challenge: Challenge, subject: Subject) -> dict[str, Any]:
    """A challenge as its caller sees it."""
    now = services.core.clock()
    status = challenge.status_at(now)
    notice = notice_for(challenge) if status in ("pending", "failed") else None
    view: dict[str, Any] = {
        "id": challenge.id,
        "status": status,
        "channel": challenge.channel,
        "accepts": challenge.accepts(now),
        "channels": [_entry_view(entry, subject) for entry in challenge.entries],
        "switches": [
            {"from": switch.source, "to": switch.to, "reason": switch.reason, "at": time_view(switch.at)}
            for switch in challenge.switches
        ],
        "notice": notice_view(notice, challenge.locale),
        "attempts_remaining": challenge.attempts_remaining(),
        "created_at": time_view(challenge.created_at),
        "expires_at": time_view(challenge.expires_at),
        "resend_after": _resend_after(challenge, now),
    }
    if challenge.no_fallback:
        view["enrollment_hint"] = notice_view(enrollment_hint(), challenge.locale)
    if subject.action is not None:
        view["action"] = subject.action
    if subject.metadata is not None:
        view["metadata"] = subject.metadata
    return view | _approval(services, challenge, subject.user_id)


def verdict_view(services: Services, verdict: Verdict) -> dict[str, Any]:
    """The answer to `/verify`."""
    challenge = verdict.challenge
    view: dict[str, Any] = {
        "valid": verdict.valid,
        "status": challenge.status_at(services.core.clock()),
        "attempts_remaining": challenge.attempts_remaining(),
    }
    if verdict.valid:
        user_id = verdict.user_id or services.challenges.open(challenge).user_id
        approval = _approval(services, challenge, user_id)
        view["channel"] = approval.pop("approved_by")
        view |= approval
    if verdict.notice is not None:
        view["notice"] = notice_view(verdict.notice, challenge.locale)
    return view


def notice_view(notice: Notice | None, locale: str) -> dict[str, str] | None:
    """A notice in the caller's language."""
    if notice is None:
        return None
    return {"code": notice.code, "message": join(locale, notice.sentences)}


def factor_view(factor: TotpFactor) -> dict[str, Any]:
    """An enrolled app."""
    return {
        "id": factor.id,
        "type": "totp",
        "label": factor.label,
        "device_name": factor.device_name,
        "created_at": time_view(factor.created_at),
        "last_used_at": time_view(factor.last_used_at) if factor.last_used_at else None,
    }


def contacts_view(user: User) -> dict[str, str | None]:
    """The kept contacts, masked."""
    return {
        "phone": user.phone.masked() if user.phone else None,
        "email": user.email.masked() if user.email else None,
    }


def factors_view(user: User) -> dict[str, Any]:
    """What a user has."""
    return {
        "factors": [factor_view(factor) for factor in user.totp],
        "backup_codes": {
            "remaining": len(user.backup_codes),
            "created_at": time_view(user.backup_codes_at) if user.backup_codes_at else None,
        },
        "contacts": contacts_view(user),
    }


def failures_view(failures: FailuresInRow) -> dict[str, Any]:
    """Wrong codes in a row."""
    held = failures.held_until and not failures.locked
    return {
        "number": failures.number,
        "held_until": time_view(failures.held_until) if held else None,
        "locked": failures.locked,
    }


def readiness_view(readiness: Readiness) -> dict[str, Any]:
    """How many would get in without the primary provider."""
    return {
        "users": readiness.users,
        "ready": readiness.ready,
        "stuck": readiness.stuck,
        "share": round(readiness.share, 4) if readiness.share is not None else None,
        "by_factor": dict(readiness.by_factor),
    }


def event_view(event: OutboxEvent) -> dict[str, Any] | None:
    """An event as others are told of it; `None`: they are not."""
    data = told(event.type, event.data)
    if data is None:
        return None
    return {
        "id": f"evt_{event.partition}_{event.entry}",
        "type": event.type,
        "timestamp": time_view(event.at),
        "data": data,
    }


def stuck_user_view(user: User) -> dict[str, Any]:
    """A user who would be locked out."""
    return {
        "application": user.application,
        "user_id": user.user_id,
        "phone": user.phone.masked() if user.phone else None,
    }


def drill_view(drill: Drill, tally: Tally) -> dict[str, Any]:
    """A rehearsed outage and what came of it."""
    return {
        "id": drill.id,
        "kind": drill.kind,
        "status": "finished" if drill.ended_at else "running",
        "reason": drill.reason,
        "share": drill.share,
        "named_users": len(drill.users) or None,
        "application": drill.application,
        "country": drill.country,
        "spare": drill.spare,
        "max_stuck": drill.max_stuck,
        "started_by": drill.started_by,
        "started_at": time_view(drill.started_at),
        "ends_at": time_view(drill.ends_at),
        "ended_at": time_view(drill.ended_at) if drill.ended_at else None,
        "ended_by": drill.ended_by,
        "report": report(tally)._asdict(),
    }


def suspect_view(suspect: Suspect) -> dict[str, Any]:
    """A block of numbers in which toll fraud is suspected."""
    return {
        "block": suspect.block,
        "country": suspect.country,
        "since": time_view(suspect.since),
        "until": time_view(suspect.until),
    }


def audit_view(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A deed of an operator."""
    fields = ("id", "actor", "origin", "action", "target", "reason", "before", "after", "hash")
    return {"at": time_view(entry["at"]), **{name: entry.get(name) for name in fields}}


def incident_view(incident: Incident) -> dict[str, Any]:
    """An incident with its timeline."""
    return {
        "id": incident.id,
        "provider": incident.provider,
        "status": incident.status,
        "impact": incident.impact,
        "opened_at": time_view(incident.opened_at),
        "updated_at": time_view(incident.updated_at),
        "resolved_at": time_view(incident.resolved_at) if incident.resolved_at else None,
        "troubled": [{"route": name, "state": state} for name, state in sorted(incident.troubled.items())],
        "affected": list(incident.affected),
        "timeline": [_timeline_view(entry) for entry in incident.timeline],
    }


def webhook_view(webhook: Webhook, state: DeliveryState) -> dict[str, Any]:
    """A webhook without its secret, and how telling it goes."""
    times = {
        name: time_view(at) if at is not None else None
        for name, at in (
            ("failing_since", state.failing_since),
            ("last_success_at", state.last_success_at),
            ("paused_until", state.paused_until),
        )
    }
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "application": webhook.application,
        "description": webhook.description,
        "enabled": webhook.enabled,
        "created_at": time_view(webhook.created_at),
        "state": {
            "pending": state.waiting,
            "dead": state.dead,
            "failures": state.failures,
            "last_status": state.last_status,
            **times,
        },
    }


def dead_letter_view(letter: DeadLetter) -> dict[str, Any]:
    """A message that was given up."""
    return {
        "id": letter.id,
        "message_id": letter.message.id,
        "type": letter.message.type,
        "timestamp": time_view(letter.message.at),
        "data": letter.message.data,
        "last_status": letter.status,
        "died_at": time_view(letter.at),
    }


def _timeline_view(entry: TimelineEntry) -> dict[str, Any]:
    fields = ("kind", "route", "to", "reason", "text", "by", "public")
    return {"at": time_view(entry.at), **{name: getattr(entry, name) for name in fields}}


def mode_setting_view(setting: ModeSetting) -> dict[str, Any]:
    """One scope's mode."""
    return {
        "mode": setting.mode,
        "country": setting.scope.country,
        "application": setting.scope.application,
        "reason": setting.reason,
        "version": setting.version,
        "set_by": setting.set_by,
        "set_at": time_view(setting.set_at),
        "expires_at": time_view(setting.expires_at) if setting.expires_at else None,
    }


def health_view(states: Mapping[str, RouteState], feed: Feed | None, *, decided: bool) -> dict[str, Any]:
    """Health of every route and provider."""
    routes = [_route_view(name, state) for name, state in sorted(states.items())]
    providers = sorted({route["provider"] for route in routes})
    return {
        "deciding": decided,
        "providers": [
            _provider_view(name, [r for r in routes if r["provider"] == name]) for name in providers
        ],
        "routes": routes,
        "status_page": {
            "indicator": feed.indicator,
            "description": feed.description,
            "components": feed.components,
            "checked_at": time_view(feed.checked_at),
        }
        if feed
        else None,
    }


def _route_view(name: str, state: RouteState) -> dict[str, Any]:
    provider, channel, country, carrier, *_ = (*name.split("/"), None, None)
    evidence = state.evidence
    return {
        "route": name,
        "provider": provider,
        "channel": channel,
        "country": country,
        "carrier": carrier,
        "state": state.state,
        "since": time_view(state.since) if state.since else None,
        "reason": state.reason or None,
        "share": state.share,
        "next_probe_at": time_view(state.next_probe_at) if state.next_probe_at is not None else None,
        "evidence": {
            "sends": evidence.sends,
            "faults": evidence.faults,
            "fault_rate": round(evidence.faults / evidence.sends, 4) if evidence.sends else None,
            "waiting": evidence.open,
            "approved": evidence.approved,
            "not_approved": evidence.failed,
            "undelivered": evidence.undelivered,
            "baseline": evidence.baseline,
            "statistic": evidence.statistic,
            "threshold": evidence.threshold,
            "warned": evidence.warned,
        },
    }


def _provider_view(name: str, routes: list[dict[str, Any]]) -> dict[str, Any]:
    whole = [route for route in routes if route["carrier"] is None]
    return {
        "provider": name,
        "state": provider_state((route["state"], route["evidence"]["sends"]) for route in whole),
        "routes": len(whole),
        "not_closed": sum(route["state"] != "closed" for route in whole),
        "sends": sum(route["evidence"]["sends"] for route in whole),
        "faults": sum(route["evidence"]["faults"] for route in whole),
    }


def _entry_view(entry: Entry, subject: Subject) -> dict[str, Any]:
    view: dict[str, Any] = {"channel": entry.channel, "state": entry.state}
    if entry.reason is not None:
        view["reason"] = entry.reason
    match TRAITS[entry.channel].contact:
        case "phone" if subject.phone is not None:
            view["to"] = subject.phone.masked()
        case "email" if subject.email is not None:
            view["to"] = subject.email.masked()
    return view


def _resend_after(challenge: Challenge, now: int) -> str | None:
    channel = challenge.channel
    if challenge.status_at(now) != "pending" or channel is None or not TRAITS[channel].delivered:
        return None
    return time_view(challenge.resend_at)


def _approval(services: Services, challenge: Challenge, user_id: str) -> dict[str, Any]:
    if challenge.approved_by is None:
        return {}
    amr, assurance, restricted = proven_by(challenge.approved_by)
    view: dict[str, Any] = {
        "approved_by": challenge.approved_by,
        "amr": list(amr),
        "assurance": assurance,
        "restricted": restricted,
    }
    proof = services.proofs.sign(challenge, user_id, services.core.clock())
    if proof is not None:
        view["proof"] = proof
    return view
