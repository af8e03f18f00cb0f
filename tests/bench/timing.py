"""`python -m tests.bench.timing [CALLS]`: can answers that must look alike be told apart by the clock?

Pairs of calls, in turn and in random order, over one connection to one process: the best place an attacker
could be in. For each pair: medians, and the Mann-Whitney test with the probability that a call of the one
kind takes longer than one of the other (0.5: nothing to be seen). A small p with a probability near 0.5 is
a difference that is there, but takes thousands of calls on this machine to see.
"""

import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import requests

from tests.support.stack import ROOT, Api, Stack, running

Call = Callable[[], requests.Response]
WARM_UP = 200


def main() -> int:
    """Measure every pair and print a line for each."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    print(f"{'pair':58} {'median us':>19} {'p':>9} {'P(a>b)':>7}")
    with running(workers=1) as stack:
        for name, one, other in pairs(stack):
            a, b = measure(one, other, calls)
            p, probability = mann_whitney(a, b)
            medians = f"{statistics.median(a):9.1f} {statistics.median(b):9.1f}"
            print(f"{name:58} {medians} {p:9.2g} {probability:7.3f}", flush=True)
    return 0


def pairs(stack: Stack) -> list[tuple[str, Call, Call]]:
    """What must look alike."""
    mine, theirs = stack.api, Api(stack.url, _key(stack))
    mine("PUT", "/v1/users/known/contacts", {"email": "known@mail.example"})
    mine("PUT", "/v1/users/known/contacts", {"email": None})
    challenge = mine.start("known", email="known@mail.example", channels=["email"])["id"]
    enrollment = mine("POST", "/v1/enrollments", {"user_id": "known"}).json()["id"]

    def absent(id_: str) -> str:
        return id_[:5] + "A" * 22

    def factors(user: str) -> Call:
        return lambda: mine("GET", f"/v1/users/{user}/factors")

    def start(user: str) -> Call:
        return lambda: mine("POST", "/v1/challenges", {"user_id": user})

    def verify(id_: str) -> Call:
        return lambda: theirs("POST", f"/v1/challenges/{id_}/verify", {"code": "123456"})

    def read(id_: str) -> Call:
        return lambda: theirs("GET", f"/v1/challenges/{id_}")

    def confirm(id_: str) -> Call:
        return lambda: theirs("POST", f"/v1/enrollments/{id_}/confirm", {"code": "123456"})

    def key(text: str) -> Call:
        api = Api(stack.url, text)
        return lambda: api("GET", "/v1/ops/mode")

    nearly = mine.session.headers["Authorization"].removeprefix("Bearer ")[:-1] + "x"
    return [
        ("the same call twice (what noise looks like)", factors("nobody"), factors("nobody")),
        ("factors: a user with nothing, an unknown one", factors("known"), factors("nobody")),
        ("start: a user with nothing, an unknown one", start("known"), start("nobody")),
        ("verify: another application's challenge, none", verify(challenge), verify(absent(challenge))),
        ("read: another application's challenge, none", read(challenge), read(absent(challenge))),
        ("confirm: another application's enrolment, none", confirm(enrollment), confirm(absent(enrollment))),
        ("API key: all but the last character, another", key(nearly), key("z" * len(nearly))),
    ]


def measure(one: Call, other: Call, calls: int) -> tuple[list[float], list[float]]:
    """Microseconds of so many calls of each."""
    took: dict[Call, list[float]] = {one: [], other: []}
    expected = one().status_code
    for turn in range(calls + WARM_UP):
        for call in random.sample((one, other), 2):
            began = time.perf_counter()
            answer = call()
            seconds = time.perf_counter() - began
            assert answer.status_code == expected, answer.text
            if turn >= WARM_UP:
                took[call].append(seconds * 1e6)
    return took[one], took[other]


def mann_whitney(a: list[float], b: list[float]) -> tuple[float, float]:
    """The two-sided p by the normal approximation, and the probability that one of `a` is above one of `b`."""
    ranked = sorted([(value, 0) for value in a] + [(value, 1) for value in b])
    ranks, ties, at = 0.0, 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(1 for _, group in ranked[at:end] if group == 0)
        ties += (end - at) ** 3 - (end - at)
        at = end
    n, m = len(a), len(b)
    above = ranks - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    return math.erfc(abs(above - n * m / 2) / spread / math.sqrt(2)), above / (n * m)


def _key(stack: Stack) -> str:
    words = ["keys", "create", "--name", "other", "--application", "other", "--json"]
    scopes = ["--scope", "challenges", "--scope", "enrollments"]
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", *words, *scopes],
        env=stack.env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return str(json.loads(done.stdout)["key"])


if __name__ == "__main__":
    sys.exit(main())
