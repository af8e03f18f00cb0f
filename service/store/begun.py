"""What was begun for a user and may still be finished: enrolments, links to pages and the visits by them.

Noted beside each, so that all of it can be ended at once when the user is reset or removed: whoever has a
page open then must not enrol an app in it afterwards.
"""

from service.store import keys
from service.store.connections import Command
from service.store.redis import Store

LONGEST = 3_600_000  # ms; nothing of it is good for longer

_NAMES = {"en": keys.enrollment, "lk": keys.link}


def note(user_key: str, id_: str, until: int, now: int) -> list[Command]:
    """Commands that note an enrolment or a link, good until then (ms), and drop what is over."""
    name = keys.begun(user_key)
    return [
        ("ZADD", name, until, id_),
        ("ZREMRANGEBYSCORE", name, "-inf", now),
        ("PEXPIRE", name, LONGEST),
    ]


def end(store: Store, user_key: str) -> None:
    """End all of it."""
    name = keys.begun(user_key)
    (ids,) = store.batch([("ZRANGE", name, 0, -1)])
    if ids:
        found = [id_.decode() for id_ in ids]
        store.batch([("DEL", _NAMES[id_[:2]](id_)) for id_ in found] + [("DEL", name)], durable=True)
