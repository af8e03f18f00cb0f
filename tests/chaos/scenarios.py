"""All that is tried, and how: trials that want the same world share one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from tests.chaos import clocks, kills, limits, network
from tests.chaos.trial import Row, Scenario, run
from tests.chaos.world import Unsupported, made

SCENARIOS = [*network.SCENARIOS, *kills.SCENARIOS, *limits.SCENARIOS, *clocks.SCENARIOS]


def quick() -> list[Scenario]:
    """Those of every test run, all in one world."""
    shared = [replace(s, setting=replace(s.setting, own="")) for s in SCENARIOS if s.quick]
    return [*shared, *kills.QUICK]


def named(words: Iterable[str]) -> list[Scenario]:
    """Those whose name has one of some words; all, when there are none."""
    wanted = [word.lower() for word in words]
    return [s for s in SCENARIOS if not wanted or any(word in s.name.lower() for word in wanted)]


def tried(
    scenarios: Iterable[Scenario], *, quick: bool = False, begun: Callable[[Scenario], None] = lambda _: None
) -> Iterator[Row]:
    """Run them; those that want the same world, one after the other.

    Args:
        scenarios: in any order.
        quick: hold each for a shorter time.
        begun: told of each.
    """
    ordered = list(scenarios)
    settings = list(dict.fromkeys(s.setting for s in ordered))
    ordered.sort(key=lambda s: settings.index(s.setting))
    for setting, group in groupby(ordered, key=lambda s: s.setting):
        sharing = list(group)
        try:
            with made(setting) as world:
                for scenario in sharing:
                    begun(scenario)
                    yield run(scenario, world, quick=quick)
        except Unsupported as why:
            yield from (Row(scenario.name, skipped=str(why)) for scenario in sharing)
