"""The image: its Dockerfile's own steps, and what comes of them, as its user on a root that can't be written to."""

import json
import re
import runpy

import pytest
import requests
import yaml

from tests.deploy.image import stages
from tests.support.stack import ROOT, free_port, wait_until

DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def running(image):
    """`docker run --read-only`, and the environment it was given."""
    env = {"OTP_PORT": str(free_port()), "OTP_WORKERS": "1", "OTP_HOST": "127.0.0.1"}
    process = image.start("serve", "--json", **env)
    line = process.stdout.readline()
    assert line, process.stderr.read()
    yield process, json.loads(line), env
    process.kill()
    process.wait(20)


def test_it_is_well_by_its_own_healthcheck(image, running):
    process, told, env = running
    asked = image.execute(process, image.healthcheck, **env)
    assert (asked.returncode, asked.stderr) == (0, "")
    asked = image.execute(process, image.healthcheck, **{**env, "OTP_PORT": str(free_port())})
    assert asked.returncode != 0
    answer = requests.post(
        f"{told['url']}/v1/challenges",
        json={"user_id": "alice", "phone": "+14155550123"},
        headers={"Authorization": f"Bearer {told['api_key']}"},
        timeout=30,
    )
    assert (answer.status_code, answer.json()["channel"]) == (201, "sms")


def test_nothing_but_its_data_can_be_written_to(image, running):
    process, *_ = running
    places = "/x /opt/x /opt/otp-fallback/x /tmp/x /data/x"
    asked = image.execute(
        process, ["sh", "-c", f"id -u; for f in {places}; do touch $f && echo $f; done; true"]
    )
    assert asked.stdout.split() == ["10001", "/data/x"]


def test_the_commands_are_there_and_what_builds_is_not(image, running):
    process, *_ = running
    assert image.execute(process, ["otp-fallback", "--version"]).stdout.strip()
    for module in ("pip", "uv", "hatchling", "pytest", "tests"):
        assert image.execute(process, ["python", "-c", f"import {module}"]).returncode == 1, module


def test_what_is_compiled_tells_no_time(image):
    """By the hash of the source, and not looked up again (PEP 552): the same files give the same bytes."""
    compiled = list((image.root / "opt/otp-fallback").rglob("service/**/*.pyc"))
    assert len(compiled) > 200
    assert {file.read_bytes()[4] for file in compiled} == {0b01}


def test_a_worker_beside_it_writes_nothing(image, running):
    """As in `deploy/compose.yaml`: with the web server's folder, to find its keys and sandbox there, and its network."""
    *_, env = running
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["worker"]
    port = str(free_port())
    [_, *healthcheck] = [word.replace("8081", port) for word in compose["healthcheck"]["test"]]
    worker = image.start(*compose["command"], writable=(), **env, OTP_WORKER_PORT=port)
    try:
        wait_until(lambda: image.execute(worker, healthcheck).returncode == 0, 60)
    finally:
        worker.terminate()
        assert worker.wait(20) == 0, worker.stderr.read()


def test_it_has_the_very_wheel_of_a_release(image, tmp_path):
    """So what is tried out here, in an environment with nothing but the lock, is what is published."""
    built = runpy.run_path(str(ROOT / ".ci" / "release.py"))["built"]
    [released] = built(tmp_path).glob("otp_fallback-*.whl")
    [installed] = (image.folder / "wheel").glob("*.whl")
    assert installed.read_bytes() == released.read_bytes()


def test_it_ends_when_it_is_told_to(running):
    process, *_ = running
    process.terminate()
    assert process.wait(25) == 0


def test_its_user_is_no_name_and_not_root():
    """Kubernetes can see of a number only that it is not root (`runAsNonRoot`)."""
    *_, final = stages(DOCKERFILE)
    assert re.fullmatch(r"(?!0:)\d+:(?!0$)\d+", final.words("USER"))
    names = [name for name, _ in final.steps]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in {"RUN", "COPY"})
    assert not any(name == "ADD" for stage in stages(DOCKERFILE) for name, _ in stage.steps)


def test_what_it_copies_is_all_that_may_be_copied():
    """`.dockerignore` lets in what the Dockerfile asks for, and nothing else: no data folder, no key of somebody's."""
    build, _ = stages(DOCKERFILE)
    copied = {word for name, text in build.steps if name == "COPY" for word in text.split()[:-1]}
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
