"""`python -m tests.bench.profile [NAME...]`: where a web worker's time goes, by py-spy, for each kind of request.

For each: milliseconds of a core a request (web worker, Valkey, `worker`), and the web worker's part of it by
who runs: a file of ours with all that it calls in C, or a library; the floor first, to be compared with.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench import wrk
from tests.bench.operations import START_OPEN, START_SMS, Driver, Operation
from tests.bench.prepare import load_users, open_core
from tests.bench.trial import DRIVEN
from tests.bench.world import World, running

USERS = 60_000
RATE = 1000  # samples a second
FLOOR = "floor"
ALL = (*DRIVEN, START_SMS, START_OPEN)
MISSING = "py-spy is needed: pip install py-spy"
_FRAME = re.compile(r"(?P<name>.*) \((?P<path>.*?):\d+\)$")

Stacks = list[tuple[list[str], int]]  # frames, outermost first, and how many samples had them


def main() -> None:
    """Profile what is named."""
    args = _arguments()
    wrk.require()
    if shutil.which("py-spy") is None:
        raise SystemExit(MISSING)
    with running(args.workers) as world:
        core = open_core(world.env)
        load_users(world.env, 0, USERS, lambda _loaded: None)
        driver = Driver(world, core, users=USERS, seconds=args.seconds, say=lambda _what: None)
        for name in (FLOOR, *(operation.name for operation in ALL)):
            if not args.names or name in args.names:
                _profile(name, world, driver, args)


def _arguments() -> argparse.Namespace:
    names = ", ".join((FLOOR, *(operation.name for operation in ALL)))
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profile", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {names}; without any, all")
    parser.add_argument("--seconds", type=int, default=6, help="of load for each (6)")
    parser.add_argument("--workers", type=int, default=2, help="web processes (2)")
    parser.add_argument(
        "--functions", type=int, default=0, metavar="N", help="also the N costliest functions"
    )
    parser.add_argument("--stacks", type=Path, metavar="FOLDER", help="keep the sampled stacks there")
    return parser.parse_args()


def _profile(name: str, world: World, driver: Driver, args: argparse.Namespace) -> None:
    if name == FLOOR:
        worker, drive = world.floor_workers()[0].pid, driver.floor
        drive()
        used = world.floor_cpu()
        rate = drive()
        cpu = {part: (now - used[part]) / (rate * args.seconds) for part, now in world.floor_cpu().items()}
    else:
        operation = next(operation for operation in ALL if operation.name == name)
        worker = world.web_workers()[0].pid
        rate, cpu = _undisturbed(driver, operation)

        def drive() -> object:
            return driver.drive(operation)

    stacks = list(_sampled(worker, args.seconds, world.folder / "stacks", drive))
    if args.stacks is not None:
        args.stacks.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.folder / "stacks", args.stacks / name.replace(" ", "_"))
    used_text = ", ".join(f"{part} {seconds * 1000:.2f} ms" for part, seconds in cpu.items())
    print(f"\n{name}: {rate:.0f}/s; of a core a request: {used_text}")
    _print_shares(stacks, cpu["web"], args.functions)


def _undisturbed(driver: Driver, operation: Operation) -> tuple[float, Mapping[str, float]]:
    """Rate and CPU time without py-spy, which stops what it looks at."""
    if operation is START_SMS:
        driver.set_mode("primary_only")
    if operation is START_OPEN:
        driver.set_mode("auto")
        driver.open_route()
    driver.drive(operation, seconds=2)
    one = driver.drive(operation, seconds=3)
    return one.measured.rate, one.cpu


def _sampled(
    pid: int, seconds: int, out: Path, drive: Callable[[], object]
) -> Iterator[tuple[list[str], int]]:
    """The stacks of running code in a process under load."""
    command = ["py-spy", "record", "--pid", str(pid), "--duration", str(seconds - 1), "--rate", str(RATE)]
    command += ["--format", "raw", "--full-filenames", "--output", str(out)]
    watching = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    drive()
    _, said = watching.communicate(timeout=30)
    if watching.returncode:
        raise SystemExit(f"py-spy: {said}")
    for line in out.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        yield stack.split(";"), int(count)


def _print_shares(stacks: Stacks, web: float, functions: int) -> None:
    parts: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for frames, count in stacks:
        parts[_part(frames)] += count
        for frame in {_named(frame) for frame in frames}:
            inclusive[frame] += count
    total = parts.total()
    for title, counted, most in (
        ("by who runs", parts, 30),
        ("with all that they call", inclusive, functions),
    ):
        if most:
            print(f"  {title}:")
        for name, count in counted.most_common(most):
            share = count / total
            if share >= 0.01:
                print(f"    {share * web * 1e6:6.0f} us  {share:6.1%}  {name}")


def _part(frames: list[str]) -> str:
    """Who runs: the file of ours or the library that the innermost frame with one is of."""
    for frame in reversed(frames):
        if found := _FRAME.match(frame):
            path = found["path"]
            if "/site-packages/" in path:
                return path.rpartition("/site-packages/")[2].split("/")[0].removesuffix(".py")
            if "/service/" in path:
                return "service/" + path.rpartition("/service/")[2]
            if "/tests/" in path:
                return "tests/" + path.rpartition("/tests/")[2]
    return "Python's own"


def _named(frame: str) -> str:
    found = _FRAME.match(frame)
    if found is None:
        return frame
    path = found["path"]
    for folder in ("/site-packages/", "/service/", "/lib/"):
        path = path.rpartition(folder)[2]
    return f"{found['name']} ({path})"


if __name__ == "__main__":
    sys.exit(main())
