"""What callers were told and what they tried: the oracle of every trial.

A deed is noted before it is asked for, and again when it was acknowledged. What was asked for and not
acknowledged may have happened or not; either is right, but not twice.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Code:
    """One code, and the challenges that it was given to. `used`: some challenge was approved by it."""

    channel: str
    user: str
    text: str
    tried: set[str] = field(default_factory=set)
    approvals: list[str] = field(default_factory=list)  # of answers that said so
    unknown: bool = False  # an answer to it was lost, or was a 503

    @property
    def used(self) -> bool:
        return bool(self.approvals)


@dataclass
class Wish:
    """Values of one thing in the order in which they were asked for, the first being what was there before."""

    asked: list[Any] = field(default_factory=lambda: [None])
    acknowledged: int = 0  # the place of the last one that was

    def ask(self, value: Any) -> int:
        self.asked.append(value)
        return len(self.asked) - 1

    def allows(self, value: Any) -> bool:
        """Whether it may stand so: as acknowledged last, or as asked for since."""
        return value in self.asked[self.acknowledged :]


class Ledger:
    """Shared by all callers of a trial. `wrong` and `lost` are sentences; a good trial has none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.wrong: list[str] = []
        self.lost: list[str] = []
        self.enrolled: dict[str, str] = {}  # user: factor, acknowledged
        self.contacts: dict[str, Wish] = defaultdict(Wish)
        self.modes: dict[str, Wish] = defaultdict(Wish)
        self.codes: list[Code] = []
        self.guessed: set[str] = set()  # challenges that were given wrong codes only

    def error(self, text: str) -> None:
        with self._lock:
            self.wrong.append(text)

    def code(self, channel: str, user: str, text: str) -> Code:
        """A right code, about to be given to challenges."""
        with self._lock:
            self.codes.append(Code(channel, user, text))
            return self.codes[-1]

    def guessing(self, challenge: str) -> None:
        """A wrong code is about to be given."""
        with self._lock:
            self.guessed.add(challenge)

    def guessed_right(self, challenge: str) -> None:
        self.error(f"{challenge}: approved by a wrong code")

    def trying(self, code: Code, challenge: str) -> None:
        """A right code is about to be given."""
        with self._lock:
            code.tried.add(challenge)
            self.guessed.discard(challenge)

    def answered(self, code: Code, challenge: str, *, valid: bool) -> None:
        """An answer came. A second approval is an error whoever got the first."""
        with self._lock:
            if valid:
                code.approvals.append(challenge)
        if valid and len(code.approvals) > 1:
            self.error(f"{code.channel} code of {code.user} approved {len(code.approvals)} times")

    def judge_challenges(self, approved_by: Mapping[str, str | None]) -> None:
        """Compare with how challenges ended: the channel that approved each; `None`: nothing did."""
        for code in self.codes:
            by_it = [c for c in code.tried if approved_by.get(c) == code.channel]
            if len(by_it) > 1:
                self.error(f"{code.channel} code of {code.user} stands as the approval of {len(by_it)}")
            self.lost += [
                f"{code.channel} approval of {challenge} was acknowledged, and is gone"
                for challenge in code.approvals
                if challenge in approved_by and approved_by[challenge] is None
            ]
        for challenge in self.guessed:
            if approved_by.get(challenge) is not None:
                self.guessed_right(challenge)

    def judge_user(self, user: str, factors: list[str], contacts: Mapping[str, str | None] | None) -> None:
        """Compare with what a user has at the end."""
        if user in self.enrolled and self.enrolled[user] not in factors:
            self.lost.append(f"the app of {user} is gone")
        if contacts is not None and not self.contacts[user].allows(contacts["email"]):
            self.lost.append(f"the contacts of {user} are not those that were acknowledged")

    def judge_mode(self, country: str, mode: str | None) -> None:
        if not self.modes[country].allows(mode):
            self.lost.append(f"the mode of {country} is {mode}, and was acknowledged otherwise")

    def judge_replay(self, code: Code, *, valid: bool) -> None:
        """A used code was given to a new challenge."""
        if valid:
            self.lost.append(f"the used {code.channel} code of {code.user} works again")

    def summary(self) -> Counter[str]:
        """How much there was to check, by kind."""
        used = Counter(f"{code.channel} codes used" for code in self.codes if code.used)
        used["enrolments"] = len(self.enrolled)
        used["contacts"] = sum(wish.acknowledged > 0 for wish in self.contacts.values())
        used["modes"] = sum(wish.acknowledged > 0 for wish in self.modes.values())
        return used
