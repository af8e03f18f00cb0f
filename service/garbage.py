"""How often Python's collector looks for garbage in cycles. What is in none goes at once, as ever.

By itself Python looks after 700 new objects. A process that loads makes a hundred times as many, all to stay,
and a request makes more than that: looking took a sixth of a start and a fifteenth of each request.
"""

import gc

NEW_OBJECTS = 20_000  # between two looks


def look_seldom() -> None:
    """From now on. Before anything large is imported."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def keep() -> None:
    """Everything is there that stays: no look goes through it again."""
    gc.freeze()
