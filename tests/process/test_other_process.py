"""The same take gives the same bytes in another process with another hash seed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.takes import GOLDEN_SESSION

PROGRAM = """
import json, sys
from sg_coach import *
session = session_from(json.load(open(sys.argv[1])))
evaluation = evaluate_session(session)
now = "2026-02-04T12:34:56.789Z"
coaching = apply_progression_policy(evaluation, clip_id="clip", created_at_utc=now, ema_before=70.0)
sys.stdout.buffer.write(
    evaluation.model_dump_json().encode()
    + coaching_bytes(coaching)
    + assignment_to_json(plan_assignment(session=session, eval=evaluation)).encode()
    + canonical_text(canonical_evaluation(session, evaluation)).encode()
    + canonical_text(canonical_assignment(session, evaluation)).encode()
)
"""


@pytest.fixture(scope="module")
def outputs() -> list[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(GOLDEN_SESSION)]
    return [
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("0", "1", "4242")
    ]


def test_every_process_says_the_same(outputs: list[bytes]) -> None:
    assert len(set(outputs)) == 1
    assert b"Clave Lock Practice" in outputs[0]
