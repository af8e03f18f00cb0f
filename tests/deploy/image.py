"""The image's steps, without an engine: its files in a folder, its commands in a root of their own.

What is the same as in an image: every instruction comes from the Dockerfile and runs as written there, on its
own paths, in a root where only /opt, /data and the system's folders are; what runs has the image's user, environment and
read-only root. What is not: the base is this machine's system with the Python that the tests run on, and there are no
layers, no other network and no other processes' namespace.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.support.tools import independent

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
PYTHON_AT, CACHE_AT = "/python", "/cache"
CACHE = shlex.quote(str(Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))))


@dataclass
class Stage:
    """One stage of a Dockerfile, in its instructions' own words."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def words(self, instruction):
        """The arguments of the last such instruction."""
        return [text for name, text in self.steps if name == instruction][-1]

    def environment(self, env):
        for name, text in self.steps:
            if name == "ENV":
                for pair in shlex.split(text):
                    key, _, value = pair.partition("=")
                    env[key] = re.sub(r"\$(\w+)", lambda found: env[found[1]], value)
        return env


def stages(text):
    """The stages of a Dockerfile."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for line in re.split(r"(?<!\\)\n", "\n".join(lines)):
        name, _, rest = line.replace("\\\n", " ").strip().partition(" ")
        if name == "FROM":
            base, *other = rest.split()
            found.append(Stage(base, other[-1] if other else ""))
        elif found:
            found[-1].steps.append((name, rest.strip()))
    return found


class Image:
    """What the Dockerfile makes, below a folder."""

    def __init__(self, folder, dockerfile=ROOT / "Dockerfile"):
        self.folder, self.root = folder, folder / "root"
        self.build, self.final = stages(dockerfile.read_text())
        for name in ("opt", "data", "dev", "proc", "tmp", "python", "cache"):
            (self.root / name).mkdir(parents=True)
        # `python` is what the base calls it.
        self.shim = folder / "python"
        (self.shim / "bin").mkdir(parents=True)
        (self.shim / "bin" / "python").symlink_to(f"/usr/bin/python3.{sys.version_info.minor}")

    def make(self):
        """Run every stage."""
        built = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, check=True
        )
        env = {**self.base_environment(), "SOURCE_DATE_EPOCH": built.stdout.decode().strip()}
        env = self.build.environment(env)
        place = "/"
        for name, text in self.build.steps:
            if name == "WORKDIR":
                place = text
                (self.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif name == "COPY":
                self.copy(ROOT, place, text)
            elif name == "RUN":
                self.run(text, env, place)
            else:
                assert name in {"ARG", "ENV"}, name
        for name, text in self.final.steps:
            if name == "COPY":  # where the build stage left it
                source, target = text.removeprefix(f"--from={self.build.name} ").split()
                assert source == target
        # Only what the final stage copies is left.
        kept = {Path(text.split()[-1]).name for name, text in self.final.steps if name == "COPY"}
        for found in (self.root / "opt").iterdir():
            if found.name not in kept:
                found.rename(self.folder / found.name)

    def copy(self, source, place, text):
        *names, target = text.split()
        for name in names:
            assert allowed(name), f".dockerignore keeps {name} out"
            there = self.root / place.lstrip("/") / target / ("" if (source / name).is_dir() else name)
            if (source / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules")
                shutil.copytree(source / name, there, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy(source / name, there)

    def base_environment(self):
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_"))}
        return {
            **kept,
            "PATH": f"{PYTHON_AT}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": f"{PYTHON_AT}/lib",
            "UV_CACHE_DIR": CACHE_AT,  # the machine's; what comes from there is checked as well
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
        }

    def run(self, command, env, place):
        done = subprocess.run(
            self.inside(["/bin/sh", "-c", command], place=place, writable=("/opt",)),
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"

    def start(self, *words, writable=("/data",), **env):
        """The image's entry point, as its user, on a root that can't be written to."""
        uid, gid = self.final.words("USER").split(":")
        os.chown(self.root / "data", int(uid), int(gid))
        (self.root / "data").chmod(0o700)
        command = [*json.loads(self.final.words("ENTRYPOINT")), *words]
        user = [
            "setpriv",
            "--reuid",
            uid,
            "--regid",
            gid,
            "--clear-groups",
            "--no-new-privs",
            "--inh-caps=-all",
        ]
        return subprocess.Popen(
            self.inside([*user, *command], writable=writable),
            env={**self.final.environment(self.base_environment()), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def execute(self, process, command, **env):
        """As `docker exec` does: in the root that a process has."""
        uid, gid = self.final.words("USER").split(":")
        where = ["nsenter", f"--target={process.pid}", "--mount", "--root", "--wd"]
        return subprocess.run(
            [*where, "setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *command],
            env={**self.final.environment(self.base_environment()), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def healthcheck(self):
        """The command by which an engine asks whether it is well."""
        return json.loads(self.final.words("HEALTHCHECK").partition("CMD ")[2])

    def inside(self, command, *, place="/", writable=()):
        """A command in a mount namespace of its own, whose root is the image's."""
        script = [
            "set -e",
            "mount --make-rprivate /",
            f"R={shlex.quote(str(self.root))}",
            "mount --bind $R $R",
        ]
        for name in SYSTEM:
            if Path(name).is_symlink():
                script.append(f"ln -sfn {Path(name).readlink()} $R{name}")
            elif Path(name).exists():
                script += [f"mkdir -p $R{name}", f"mount --bind {name} $R{name}"]
        python = self.shim if sys.base_prefix == "/usr" else Path(sys.base_prefix)
        script += [
            f"mount --bind {shlex.quote(str(python))} $R{PYTHON_AT}",
            f"mkdir -p {CACHE} && mount --bind {CACHE} $R{CACHE_AT}",
            "mount --rbind /dev $R/dev",
            "mount --rbind /proc $R/proc",
            *("mount -t tmpfs none $R/tmp" for _ in [0] if "/opt" in writable),
            *(f"mount --bind $R{name} $R{name}" for name in writable),
            *(f"mount -o remount,bind,ro $R{name}" for name in SYSTEM if not Path(name).is_symlink()),
            f"mount -o remount,bind,ro $R{PYTHON_AT}",
            "mount -o remount,bind,ro $R",
            f"exec chroot $R /usr/bin/env --chdir={place} {shlex.join(command)}",
        ]
        lines = [line for line in script if "/lib64" not in line or Path("/lib64").exists()]
        return ["unshare", "--mount", "/bin/sh", "-c", "\n".join(lines)]


def allowed(name):
    """Whether `.dockerignore` lets a path into the build."""
    patterns = (ROOT / ".dockerignore").read_text().split()
    assert patterns[0] == "*"
    return f"!{name}" in patterns


def require_namespaces():
    """Skip where a root of its own can't be made."""
    done = subprocess.run(
        [independent("unshare"), "--mount", "mount", "--make-rprivate", "/"], capture_output=True, check=False
    )
    if done.returncode != 0 or os.geteuid() != 0:
        pytest.skip("only root can make a mount namespace here: " + done.stderr.decode().strip())
