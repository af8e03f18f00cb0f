"""How far a migration is."""

from typing import NamedTuple


class Progress(NamedTuple):
    """Records done, of how many there are, about."""

    done: int
    total: int
