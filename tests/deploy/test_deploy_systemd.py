"""The units, by systemd's own eyes: they can be loaded, and leave a service little that it could do."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.main import app
from service.settings import Settings
from tests.support.stack import ROOT
from tests.support.tools import independent

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
EXPOSURE = 15  # tenths; of 10.0, at which a service may do everything
KNOWN = {field.validation_alias for field in Settings.model_fields.values() if not field.exclude}


def entries(unit, name):
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def test_there_is_one_of_each():
    assert [unit.name for unit in UNITS] == ["otp-fallback-web.service", "otp-fallback-worker.service"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_can_load_it(unit, tmp_path):
    installed = Path(sys.executable).with_name("otp-fallback")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/otp-fallback/bin/otp-fallback", str(installed)))
    done = subprocess.run(
        [independent("systemd-analyze"), "verify", "--man=no", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_may_do_little(unit):
    done = subprocess.run(
        [
            *(independent("systemd-analyze"), "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager"),
            unit,
        ],
        env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_runs_a_command_on_settings_that_there_are(unit):
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    [start] = entries(unit, "ExecStart")
    assert start.split()[1] in commands
    given = {pair.partition("=")[0] for line in entries(unit, "Environment") for pair in line.split()}
    assert given <= KNOWN
    assert entries(unit, "LoadCredential") == ["master-keys:/etc/otp-fallback/master-keys"]
    assert "OTP_MASTER_KEYS_FILE=%d/master-keys" in entries(unit, "Environment")
    file = configparser.ConfigParser(delimiters="=")
    file.optionxform = str
    file.read_string("[env]\n" + (FOLDER / "otp-fallback.env").read_text())
    assert set(file["env"]) <= KNOWN - given
    [folder] = entries(unit, "StateDirectory")
    assert any(f"OTP_DATA_DIR=%S/{folder}" in line for line in entries(unit, "Environment"))
