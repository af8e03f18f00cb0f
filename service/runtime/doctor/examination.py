"""Every check, and how they are made: side by side, each within a bound, none able to end the others."""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.domain.errors import StoreUnavailable
from service.runtime.doctor import certificates, clocks, machine, mail, redis, running, twilio
from service.runtime.doctor.finding import Finding, fail, ok, skip
from service.runtime.doctor.site import Site
from service.settings import SettingsError
from service.store.server import InfoDenied

DEADLINE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Check:
    """One check; skipped unless those that it `needs` found something to work with."""

    name: str
    look: Callable[[Site], Finding]
    needs: tuple[str, ...] = ()


def settings_load(_site: Site) -> Finding:
    """The settings load and go together, or there would be no site."""
    return ok("every setting is well-formed, and they go together")


CHECKS = (  # those that others need stand before them
    Check("settings", settings_load),
    Check("data_folder", machine.folder),
    Check("key_files", machine.key_files),
    Check("open_files", machine.open_files),
    Check("web", running.web),
    Check("public_url", running.public_url),
    Check("public_url.twilio_api", running.twilio_api, needs=("public_url",)),
    Check("redis", redis.reachable),
    Check("redis.server", redis.kind, needs=("redis",)),
    Check("redis.role", redis.role, needs=("redis.server",)),
    Check("redis.persistence", redis.persistence, needs=("redis.server",)),
    Check("redis.memory", redis.memory, needs=("redis.server",)),
    Check("redis.latency", redis.latency, needs=("redis",)),
    Check("schema", running.schema, needs=("redis",)),
    Check("master_keys", running.master_keys),
    Check("keyring", running.keyring, needs=("redis", "master_keys")),
    Check("api_keys", running.api_keys, needs=("redis",)),
    Check("worker", running.worker, needs=("redis",)),
    Check("outbox", running.outbox, needs=("redis",)),
    Check("queues", running.queues, needs=("redis",)),
    Check("twilio", twilio.service),
    Check("twilio.code_length", twilio.code_length, needs=("twilio",)),
    Check("smtp", mail.server),
    Check("mail_from", mail.mail_from),
    Check("clock.redis", redis.clock, needs=("redis",)),
    Check("clock.twilio", clocks.twilio),
    Check("certificate.public_url", certificates.public_url),
    Check("certificate.redis", certificates.redis_server),
    Check("certificate.twilio", certificates.twilio),
    Check("certificate.smtp", certificates.smtp),
    Check("pages", running.pages),
    Check("traces", running.traces),
)


def examine(
    site: Site, checks: Iterable[Check] = CHECKS, *, deadline: float = DEADLINE
) -> dict[str, Finding]:
    """What each check finds, by its name, in their order.

    Args:
        site: what to look at.
        checks: what to look for.
        deadline: seconds that each may take.

    """
    found: dict[str, Finding] = {}
    waiting = list(checks)
    order = [check.name for check in waiting]
    while waiting:
        due = [check for check in waiting if all(name in found for name in check.needs)]
        waiting = [check for check in waiting if check not in due]
        lacking = {check.name: _lacking(check, found) for check in due}
        found |= {name: skip(f"needs `{needed}`") for name, needed in lacking.items() if needed}
        found |= _side_by_side(site, [check for check in due if not lacking[check.name]], deadline)
    return {name: found[name] for name in order}


def faults(error: SettingsError) -> dict[str, Finding]:
    """What is told when the settings do not load: each fault; without them nothing else can be looked at."""
    mend = "README has a table of all settings"
    lines = str(error).splitlines()
    return {f"settings.{i}" if i else "settings": fail(line, mend) for i, line in enumerate(lines)}


def _lacking(check: Check, found: Mapping[str, Finding]) -> str | None:
    return next((name for name in check.needs if found[name].level in ("fail", "skip")), None)


def _side_by_side(site: Site, checks: list[Check], deadline: float) -> dict[str, Finding]:
    """Each in a thread of its own; one that does not come back is left behind."""
    answers: queue.SimpleQueue[tuple[str, Finding]] = queue.SimpleQueue()

    def make(check: Check) -> None:
        answers.put((check.name, _made(site, check)))

    for check in checks:
        threading.Thread(target=make, args=(check,), name=check.name, daemon=True).start()
    found: dict[str, Finding] = {}
    until = time.monotonic() + deadline
    while len(found) < len(checks):
        try:
            name, finding = answers.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            break
        found[name] = finding
    late = fail(
        f"no answer within {deadline:g} s", "see whether what it looks at hangs, or a firewall is in between"
    )
    return {check.name: found.get(check.name, late) for check in checks}


def _made(site: Site, check: Check) -> Finding:
    try:
        return check.look(site)
    except StoreUnavailable:
        return fail("Redis stopped answering meanwhile", "see `redis`, and try again")
    except InfoDenied:
        return skip("Redis does not tell this user")
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are told all the same
        # Its text may quote a setting, so where it arose has to do.
        place = traceback.extract_tb(error.__traceback__)[-1]
        return fail(
            f"this check broke: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}",
            "please report it, with the version that `otp-fallback --version` prints",
        )
