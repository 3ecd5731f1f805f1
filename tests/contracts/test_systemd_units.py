"""The units in docs/systemd: what systemd makes of them, and that they fit the worker."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sg_hybrid.cli.exits import Exit
from sg_hybrid.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))
HIGHEST_EXPOSURE = 20
"""Tenths, as `systemd-analyze security` rates: 2.0 of 10, where a bare unit has 9.6."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def analyse(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(home)}
    return subprocess.run(["systemd-analyze", *words], env=env, capture_output=True, text=True, check=False)


def with_a_real_program(unit: Path, home: Path) -> str:
    lines = [
        f"ExecStart={sys.executable} run" if line.startswith("ExecStart=") else line
        for line in unit.read_text("utf-8").splitlines()
    ]
    path = home / "sg-hybrid.service"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def service(unit: Path) -> dict[str, list[str]]:
    """Return the options of [Service]; one may stand there several times."""
    found: dict[str, list[str]] = {}
    text = unit.read_text("utf-8").partition("[Service]")[2].partition("[Install]")[0]
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_there_is_one_for_the_player_and_one_for_the_machine() -> None:
    assert [unit.stem for unit in UNITS] == ["sg-hybrid-system", "sg-hybrid"]


@each_unit
def test_the_worker_may_choose_its_processor(unit: Path) -> None:
    """Refused, a thousand takes at once would cost twice the work (`one_processor`). An exception comes last."""
    assert service(unit)["SystemCallFilter"][-1] == "sched_setaffinity"


@needs_systemd
@each_unit
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    scope = ["--user"] if unit.stem == "sg-hybrid" else []
    verified = analyse(*scope, "verify", with_a_real_program(unit, tmp_path), home=tmp_path)
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
@each_unit
def test_it_is_narrow(unit: Path, tmp_path: Path) -> None:
    path = with_a_real_program(unit, tmp_path)
    rated = analyse("security", "--offline=true", f"--threshold={HIGHEST_EXPOSURE}", path, home=tmp_path)
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]


@needs_systemd
def test_a_bare_unit_would_not_be(tmp_path: Path) -> None:
    bare = tmp_path / "sg-hybrid.service"
    bare.write_text(f"[Service]\nExecStart={sys.executable} run\n")
    rated = analyse("security", "--offline=true", f"--threshold={HIGHEST_EXPOSURE}", str(bare), home=tmp_path)
    assert rated.returncode != 0


@each_unit
def test_it_fits_the_worker(unit: Path) -> None:
    options = service(unit)
    assert options["Type"] == ["notify"]
    assert int(options["WatchdogSec"][0]) > 0
    assert options["LimitCORE"] == ["0"]
    assert int(options["TimeoutStopSec"][0]) > Settings.from_env({"HOME": "/home/player"}).grace_s
    never_again = {str(int(code)) for code in (Exit.USAGE, Exit.CONFIG, Exit.QUEUE_HELD)}
    assert set(options["RestartPreventExitStatus"][0].split()) == never_again
    variables = {value.partition("=")[0] for value in options.get("Environment", [])}
    assert variables <= set(VARIABLES.values())


@each_unit
def test_no_secret_stands_in_it(unit: Path) -> None:
    text = unit.read_text("utf-8")
    assert "_KEY=" not in text
    assert "_TOKEN=" not in text
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    assert {"Unit", "Service", "Install"} <= set(parser.sections())
