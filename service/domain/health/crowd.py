"""Whether a route's silence is everybody's, or that of one block of numbers.

Somebody who has messages sent to numbers of their own (toll fraud) never answers. A route must not open
because of it, for that would keep its other users from SMS. So no block speaks with more than `VOICES`
unanswered sends while others are sent to as well: together with the `WITNESSES` that this takes it is as much
as opens a route, and alone it is less. A block is not heard at all, not even for what it said before, while
its latest sends are unanswered though those to other blocks, made meanwhile, are answered as usual.
Where there is nobody to compare with, silence is taken for an outage, which stops the sends as well.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LATEST = 64  # sends of a route that are remembered
VOICES = 8  # unanswered sends of one block that are watched
CROWD = 5  # unanswered sends of one block that are compared with the others'
WITNESSES = 3  # sends to other blocks, since the first of those
FAIR = 0.5  # of them that must have been answered
PATIENCE = 8.0  # seconds; a younger send that is not answered says nothing


class Hearing(NamedTuple):
    """Whether a send is watched for silence, and when those were made that are so no longer."""

    watched: bool
    dropped: Sequence[float] = ()


@dataclass(slots=True)
class _Send:
    block: str
    at: float
    watched: bool
    answered: bool = False


class Crowd:
    """The latest sends of a route. Kept by the deciding worker only; the next one begins anew. Seconds."""

    def __init__(self) -> None:
        self._sends: deque[_Send] = deque(maxlen=LATEST)

    def sent(self, block: str, at: float) -> Hearing:
        """A send to a block of numbers."""
        hearing = self._judge(block, at)
        self._sends.append(_Send(block, at, hearing.watched))
        return hearing

    def is_watched(self, block: str, sent_at: float) -> bool:
        """Whether a send is watched for silence; what is not remembered any more was."""
        send = self._find(block, sent_at)
        return send is None or send.watched

    def answered(self, block: str, sent_at: float) -> None:
        """Whoever a send was for got in, by whatever channel: this is somebody."""
        send = self._find(block, sent_at)
        if send is not None:
            send.answered = True

    def _find(self, block: str, sent_at: float) -> _Send | None:
        return next((s for s in reversed(self._sends) if s.block == block and s.at == sent_at), None)

    def _judge(self, block: str, now: float) -> Hearing:
        run: list[_Send] = []
        for send in reversed(self._sends):
            if send.block == block:
                if send.answered:
                    break
                run.append(send)
        if len(run) < CROWD:
            return Hearing(True)
        others = [send for send in self._sends if send.block != block and send.at >= run[-1].at]
        if len(others) < WITNESSES:
            return Hearing(True)
        known = [send.answered for send in others if send.answered or now - send.at >= PATIENCE]
        if len(known) >= WITNESSES and sum(known) >= FAIR * len(known):
            dropped = [send for send in run if send.watched]
            for send in dropped:
                send.watched = False
            return Hearing(False, [send.at for send in dropped])
        return Hearing(sum(send.watched for send in run) < VOICES)
