"""Checks of the Redis or Valkey server."""

import statistics
import time

from service.runtime.doctor.clocks import compared
from service.runtime.doctor.finding import Finding, fail, ok, warn
from service.runtime.doctor.site import Site
from service.runtime.errors import StartError
from service.runtime.store_check import NEEDED, check_store, shown
from service.runtime.valkey_socket import ping
from service.store.connections import tls_place
from service.store.durability import RELAXED, weakness
from service.store.server import InfoDenied, server_time

PINGS = 9
SLOW = 10.0  # ms a round trip; a verification makes one or two
FULL, ALMOST_FULL = 0.95, 0.8  # shares of the memory that may be used
MIB = 1024 * 1024


def reachable(site: Site) -> Finding:
    """Whether it answers, lets us in, and is new enough."""
    url = site.settings.redis_url
    assert url is not None  # noqa: S101 - `Site.settings` fills it in
    if site.given.uses_embedded_redis:
        if ping(site.folder.path) is None:
            if site.running is not None and not site.running.embedded_store:
                return fail(
                    f"the server running on {site.folder} has a REDIS_URL of its own",
                    "set REDIS_URL to the same for this command",
                )
            return fail(
                f"the embedded server does not run: no `serve` on {site.folder}",
                "start `otp-fallback serve`, or set REDIS_URL or OTP_DATA_DIR to what it uses",
            )
        return ok(f"the embedded server on {site.folder} answers")
    try:
        check_store(url.get_secret_value())
    except StartError as error:
        return fail(
            str(error),
            f"set REDIS_URL to a server that runs and lets this machine and user in; {NEEDED}",
        )
    return ok(f"{shown(url.get_secret_value())} answers")


def kind(site: Site) -> Finding:
    """What server it is."""
    try:
        facts = site.server
    except InfoDenied:
        return warn(
            "this user may not use INFO: of persistence, memory and replicas nothing can be told",
            "allow it: ACL SETUSER <user> +info, and +config|get to see when the file is flushed",
        )
    return ok(f"{facts.kind} {facts.version}")


def role(site: Site) -> Finding:
    """Whether it takes writes."""
    if site.server.is_replica:
        return fail("it is a replica, which takes no writes", "set REDIS_URL to the primary that it follows")
    count = site.server.replicas
    return ok(f"a primary with {count or 'no'} replica{'' if count == 1 else 's'}")


def persistence(site: Site) -> Finding:
    """Whether what was acknowledged is still there after a crash."""
    facts = site.server
    strict = site.given.durability == "strict"
    weak = weakness(facts, strict=strict)
    if weak is not None:
        return (fail if weak.grave else warn)(weak.found, weak.mend)
    kept = f"append-only file, flushed {facts.fsync or 'as its provider decided'}"
    return ok(kept if strict else f"{kept}; {RELAXED}")


def memory(site: Site) -> Finding:
    """Whether it never drops records, and has room for new ones."""
    facts = site.server
    used = f"{facts.used / MIB:.0f} MiB used"
    if not facts.limit:
        return ok(f"{used}, no limit set")
    if facts.eviction != "noeviction":
        return fail(
            f"maxmemory-policy is {facts.eviction}: when it is full it drops users' apps and used codes",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration",
        )
    share = facts.used / facts.limit
    told = f"{used} of {facts.limit / MIB:.0f} MiB ({share:.0%})"
    more = "give it more memory: CONFIG SET maxmemory, and the same in its configuration"
    if share >= FULL:
        return fail(f"{told}: soon it refuses writes", more)
    return warn(told, more) if share >= ALMOST_FULL else ok(told)


def latency(site: Site) -> Finding:
    """How long a round trip takes."""
    taken = []
    for _ in range(PINGS):
        started = time.perf_counter()
        site.store.batch([("PING",)])
        taken.append((time.perf_counter() - started) * 1000)
    median = statistics.median(taken)
    told = f"a round trip takes {median:.1f} ms"
    if median > SLOW:
        return warn(told, "run it nearer: in the same zone, or on the same machine")
    return ok(told)


def clock(site: Site) -> Finding:
    """Whether its clock and ours agree."""
    before = site.clock()
    theirs = server_time(site.store)
    return compared("the Redis server", site.clock(), theirs, (site.clock() - before) / 2)


def certificate_place(site: Site) -> tuple[str, int] | None:
    """Where it presents a certificate."""
    url = site.given.redis_url
    try:
        return tls_place(url.get_secret_value()) if url is not None else None
    except ValueError:  # `redis` tells of it
        return None
