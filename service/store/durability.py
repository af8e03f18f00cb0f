"""Whether a server keeps what `OTP_DURABILITY=strict` promises: what was acknowledged survives a crash."""

from dataclasses import dataclass

from service.domain.errors import StoreUnavailable
from service.store.redis import Store
from service.store.server import InfoDenied, ServerFacts, server_facts

RELAXED = "OTP_DURABILITY is relaxed: what was acknowledged in the last moments before a crash is lost"


@dataclass(frozen=True, slots=True)
class Weakness:
    """Why a server can't promise it.

    Attributes:
        found: what is so, and what follows from it.
        mend: what to do about it.
        grave: whether everything may be lost, or nothing that must be kept can be written at all.

    """

    found: str
    mend: str
    grave: bool = False


def weakness(facts: ServerFacts, *, strict: bool) -> Weakness | None:
    """What keeps a server from promising it, if anything does; `strict`: whether it is waited for."""
    if not facts.appends:
        lost = "used codes work again and new apps are gone"
        if facts.snapshots is False and not facts.replicas:
            return Weakness(
                f"it keeps nothing on disk: after a restart of it, {lost}",
                "CONFIG SET appendonly yes, and the same in its configuration",
                grave=True,
            )
        return Weakness(
            f"it keeps no append-only file: what it lost in a crash, {lost}",
            "CONFIG SET appendonly yes, and the same in its configuration; if a managed server can't, give it"
            " a replica in another zone",
        )
    if facts.append_failed:
        return Weakness(
            "its last write to the append-only file failed, and it refuses all others",
            "look at its log; most often the disk is full",
            grave=True,
        )
    if facts.fsync == "no":
        waited_for = strict and facts.confirms
        return Weakness(
            "it leaves to the operating system when the append-only file is flushed (appendfsync no)"
            + (", so it never says that a write is on disk: what must be kept is refused" * waited_for),
            "CONFIG SET appendfsync everysec, and the same in its configuration",
            grave=waited_for,
        )
    if not facts.confirms and facts.fsync != "always":
        return Weakness(
            f"{facts.kind} {facts.version} does not say when a write is on disk (WAITAOF):"
            " in a crash, up to a second of what was acknowledged is lost",
            "use Redis or Valkey 7.2 or newer, or CONFIG SET appendfsync always",
        )
    return None


def doubt(store: Store, *, strict: bool) -> str | None:
    """One line for a start that can't promise it; `None` where it can, or where the server does not tell."""
    if not strict:
        return RELAXED
    try:
        found = weakness(server_facts(store), strict=True)
    except (InfoDenied, StoreUnavailable):
        return None
    if found is None:
        return None
    return f"OTP_DURABILITY=strict can't be kept by this Redis: {found.found} (mend: {found.mend})"
