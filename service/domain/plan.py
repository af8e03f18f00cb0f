"""The plan of a challenge: which channels, in which order, and why the others can't serve."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from service.domain.challenge import Entry
from service.domain.channels import DEFAULT_ORDER, PRIMARY_PROVIDER, TRAITS, Assurance, Channel, reaches
from service.domain.failures import Reason
from service.domain.mode import Mode
from service.domain.user import User


class Gate(StrEnum):
    """What a channel's route lets through now, where that is not everything."""

    SHUT = "shut"  # its breaker is open: nothing is sent
    PROBE = "probe"  # half-open, and this challenge may try it


_ALL_OPEN: Mapping[Channel, Gate] = MappingProxyType({})
_NONE_REFUSED: Mapping[Channel, Reason] = MappingProxyType({})


def build_plan(
    user: User,
    *,
    requested: Sequence[Channel] | None,
    configured: Collection[Channel],
    min_assurance: Assurance,
    mode: Mode,
    gates: Mapping[Channel, Gate] = _ALL_OPEN,
    refused: Mapping[Channel, Reason] = _NONE_REFUSED,
) -> tuple[Entry, ...]:
    """Every channel considered, in order, each `waiting`, `ready` or `skipped` with its reason.

    Args:
        user: contacts and factors, those of the request counted in.
        requested: the caller's channels in the caller's order; unset, `DEFAULT_ORDER`.
        configured: the channels this installation can carry.
        min_assurance: channels worth less are left out.
        mode: the operators' mode for this user.
        gates: what health says; it is heard in mode `auto` only.
        refused: channels that nothing may be sent by, whatever the mode, and why.
    """
    entries: list[Entry] = []
    for channel in requested or DEFAULT_ORDER:
        traits = TRAITS[channel]
        if not user.enrolled(channel):
            entries.append(Entry(channel, "skipped", Reason.NOT_ENROLLED))
        elif channel not in configured:
            entries.append(Entry(channel, "skipped", Reason.NOT_CONFIGURED))
        elif not reaches(traits.assurance, min_assurance):
            entries.append(Entry(channel, "skipped", Reason.BELOW_MIN_ASSURANCE))
        elif channel in refused:
            entries.append(Entry(channel, "skipped", refused[channel]))
        elif mode is Mode.FALLBACK and traits.provider == PRIMARY_PROVIDER:
            entries.append(Entry(channel, "skipped", Reason.MODE))
        elif mode is Mode.AUTO and channel in gates:
            probe = gates[channel] is Gate.PROBE
            entries.append(Entry(channel, "skipped", Reason.CIRCUIT_OPEN, probe=probe))
        elif traits.delivered:
            entries.append(Entry(channel))
        else:
            entries.append(Entry(channel, "ready", opened=True))
    if mode is Mode.PRIMARY_ONLY:
        return _primary_only(entries)
    if not any(entry.state in ("waiting", "ready") for entry in entries):
        # Nothing to hedge with: a try is better than a refusal.
        return tuple(Entry(entry.channel) if entry.probe else entry for entry in entries)
    return tuple(entries)


def _primary_only(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """No switching: the primary provider's channels alone, if the user has any of them."""
    primary = {e.channel for e in entries if e.state == "waiting"} & {
        channel for channel, traits in TRAITS.items() if traits.provider == PRIMARY_PROVIDER
    }
    if not primary:
        return tuple(entries)
    return tuple(
        entry
        if entry.channel in primary or entry.state == "skipped"
        else Entry(entry.channel, "skipped", Reason.MODE)
        for entry in entries
    )


def presentable(entries: Sequence[Entry], *, requested: bool) -> tuple[Entry, ...]:
    """The plan without what nobody asked for and the user does not have; it tells a caller nothing."""
    if requested:
        return tuple(entries)
    return tuple(entry for entry in entries if entry.reason != Reason.NOT_ENROLLED)
