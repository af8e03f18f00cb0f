"""`deploy/compose.yaml`: what it starts, with what, and who can reach it."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from service.cli.main import app
from service.settings import Settings
from tests.support.stack import ROOT
from tests.support.tools import independent, python_packages

FOLDER = ROOT / "deploy"
TEXT = (FOLDER / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one.get("image") == "otp-fallback"}


def test_it_is_of_the_specification():
    packages = python_packages(ROOT / "tests/deploy/tools.lock")
    check = "import sys, compose_spec as c; c.PyCompose.from_yaml(sys.stdin.read()).validate()"
    wrong = {**COMPOSE, "services": {**SERVICES, "web": {**SERVICES["web"], "comand": ["web"]}}}
    for what, status in (
        (COMPOSE, 0),
        (wrong, 1),
    ):  # with its merged parts in place, which the checker does not know
        done = subprocess.run(
            [sys.executable, "-c", check],
            input=json.dumps(what),
            env={"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr


def test_its_own_parts_are_our_commands():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {one["command"][0] for one in OURS.values()} == {"web", "worker"} <= commands
    assert "build" in OURS["web"]
    assert (FOLDER / OURS["web"]["build"] / "Dockerfile").is_file()


def test_every_setting_exists_and_every_secret_comes_from_outside():
    known = {field.validation_alias for field in Settings.model_fields.values() if not field.exclude}
    for one in OURS.values():
        assert set(one["environment"]) <= known
    for name in ("OTP_MASTER_KEYS", "OTP_BOOTSTRAP_API_KEY", "TWILIO_AUTH_TOKEN", "SMTP_URL"):
        assert OURS["web"]["environment"][name] == f"${{{name}:-}}"
    # What it takes from a .env file is passed on under the same name.
    for name, value in OURS["web"]["environment"].items():
        for given in re.findall(r"\$\{(\w+)", value):
            assert given == name


def test_web_and_worker_have_the_same_settings():
    own = {"OTP_WORKER_PORT"}
    web, worker = (
        {k: v for k, v in OURS[name]["environment"].items() if k not in own} for name in ("web", "worker")
    )
    assert web == worker


@pytest.mark.parametrize("name", SERVICES)
def test_each_has_only_what_it_needs(name):
    one = SERVICES[name]
    for port in one.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), "only this machine"
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "devices"} & set(one)
    assert ":" in one.get("image", "") or name in OURS, "a version, not the latest"
    assert set(one.get("depends_on", ())) <= set(SERVICES)
    for volume in one.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_redis_keeps_what_it_is_given():
    command = SERVICES["valkey"]["command"]
    given = dict(zip(command[1::2], command[2::2], strict=True))
    assert given["--appendonly"] == "yes"
    assert given["--maxmemory-policy"] == "noeviction"
    assert SERVICES["valkey"]["volumes"] == ["valkey:/data"]


def test_prometheus_reads_every_part_and_grafana_prometheus():
    mounted = dict(v.split(":")[:2][::-1] for v in SERVICES["prometheus"]["volumes"])
    config = yaml.safe_load((FOLDER / mounted["/etc/prometheus/prometheus.yaml"]).read_text())
    assert all(name in mounted for name in config["rule_files"])
    [job] = config["scrape_configs"]
    worker = OURS["worker"]["environment"]["OTP_WORKER_PORT"]
    assert OURS["worker"]["network_mode"] == "service:web"
    assert job["job_name"] == "otp-fallback"
    assert job["static_configs"] == [{"targets": ["web:8080", f"web:{worker}"]}]
    assert SERVICES["web"]["ports"][0].endswith(":8080")
    [source] = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == f"http://prometheus:{SERVICES['prometheus']['ports'][0].split(':')[-1]}"
    [boards] = yaml.safe_load((FOLDER / "grafana/provisioning/dashboards/otp-fallback.yaml").read_text())[
        "providers"
    ]
    assert f"./grafana/dashboards:{boards['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_prometheus_takes_its_configuration(tmp_path):
    config = (FOLDER / "prometheus/prometheus.yaml").read_text()
    there = config.replace("/etc/prometheus/", f"{FOLDER}/prometheus/")
    (tmp_path / "prometheus.yaml").write_text(there)
    done = subprocess.run(
        [independent("promtool"), "check", "config", tmp_path / "prometheus.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
