"""What version 0.1.0 left behind (`first.json`, see `make_first.py`), put into a Redis for a test."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.store.snapshot import Kept

_TOLD = json.loads(Path(__file__).with_name("first.json").read_text("utf-8"))
FACTS: dict[str, Any] = _TOLD["facts"]
MADE_AT: int = FACTS["made_at"]  # ms


def kept(now: int | None = None) -> Iterator[Kept]:
    """The state; what is kept for a time is so for as long as it had left then.

    Args:
        now: ms; the server's clock, which lets things end. Without it they end when they did.
    """
    for key, kind, value, until in _TOLD["state"]:
        moved = until + now - MADE_AT if until and now is not None else until
        yield Kept(key, kind, value, moved)


EXPECTED = {  # counted by hand from `make_first.py`: application -> class -> users
    "default": {"petb": 1, "t": 1, "tb": 1, "p": 1, "e": 1},  # ada, dan, gus, bob, cyd
    "shop": {"ptb": 1},  # fay
}
