"""A spread of the points that `make faults` tries all of: in every mode, over all scenarios."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .injector.seccomp import why_not
from .runner import MODES
from .scenarios import SCENARIOS

EVERY = 150
TIMEOUT_S = 240  # about 20 on two free cores
REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected here")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("faults") / "result.json"
    command = [sys.executable, "-m", "tests.faults", "--every", str(EVERY), "--json", str(out)]
    told = out.with_name("told")
    with told.open("wb") as file:
        running = subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=file, start_new_session=True)
    try:
        code = running.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"did not end in {TIMEOUT_S} s:\n{told.read_text()}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert out.exists(), told.read_text()
    found: dict[str, Any] = json.loads(out.read_bytes())
    assert code == bool(found["violations"])
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", MODES)
def test_no_invariant_is_broken(result: dict[str, Any], mode: str) -> None:
    rows = [row for row in result["rows"] if row["mode"] == mode]
    assert sum(row["reached"] for row in rows) > 0
    assert [violation for row in rows for violation in row["violations"]] == []


def test_each_scenario_is_tried_in_each_mode(result: dict[str, Any]) -> None:
    tried = {(row["scenario"], row["mode"]) for row in result["rows"] if row["points"]}
    assert tried == set(itertools.product(SCENARIOS, MODES))
