"""What to practise after a take: the contract's table, row by row, and its limits for any take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from pydantic import ValidationError

from sg_coach import (
    InvalidInput,
    assignment_to_json,
    assignment_to_jsonable,
    canonical_assignment,
    evaluate_session,
    plan_assignment,
    session_from,
)
from sg_coach.assignment_serializer import to_jsonable
from sg_coach.models import AssignmentMode, Focus, PracticeAssignment, ProgramType, SessionRecord
from tests.takes import any_take, assignment_of, take

FACTS: dict[Focus, dict[str, Any]] = {
    Focus.CLAVE_GRID: {"clave_hit_ratio": 0.5},
    Focus.TIMING_STABILITY: {"timing_p95_error_ms": 60.0},
    Focus.SUBDIVISION_GRID: {"notes_on_grid_ratio": 0.5},
    Focus.REALTIME_TUNING: {"underrun_detected": True},
    Focus.REALTIME_SAFETY: {"panic_used": True},
    Focus.PROGRESS: {},
}
"""What makes each focus."""


def test_what_was_not_measured_is_played_again_as_it_was() -> None:
    assignment = assignment_of(take(timing_measurable=False))
    assert (assignment.targets.bpm_target, assignment.targets.minutes) == (100, 6)
    assert "could not be measured" in assignment.rationale
    assert assignment.focus_tags == ("progress",)
    panicked = assignment_of(take(timing_measurable=False, panic_used=True))
    assert panicked.title == "Safety / Panic Review"


@pytest.mark.parametrize(
    ("focus", "title", "bpm", "minutes", "strict", "windows", "clave", "tags"),
    [
        (Focus.CLAVE_GRID, "Clave Lock Practice", 100, 8, True, (40, 90), 0.82, ("clave_grid",)),
        (Focus.TIMING_STABILITY, "Timing Stability Practice", 90, 7, False, (0, 0), None, ("timing_stability",)),
        (Focus.SUBDIVISION_GRID, "Subdivision Grid Practice", 92, 7, False, (0, 0), None, ("subdivision_grid",)),
        (Focus.REALTIME_TUNING, "Realtime Stability Check", 100, 4, False, (0, 0), None, ("realtime_tuning", "ops")),
        (Focus.REALTIME_SAFETY, "Safety / Panic Review", 100, 4, False, (0, 0), None, ("realtime_safety", "ops")),
        (Focus.PROGRESS, "Progress Round", 105, 6, False, (0, 0), None, ("progress",)),
    ],
)
def test_each_focus_has_its_row(
    focus: Focus,
    title: str,
    bpm: int,
    minutes: int,
    strict: bool,
    windows: tuple[int, int],
    clave: float | None,
    tags: tuple[str, ...],
) -> None:
    found = assignment_of(take(bpm=100.0, **FACTS[focus]))
    targets = found.targets
    assert (found.title, targets.bpm_target, targets.minutes, targets.strict) == (title, bpm, minutes, strict)
    assert (targets.window_ms_note_on, targets.window_ms_note_off) == windows
    assert (found.success.min_clave_hit_ratio, found.focus_tags) == (clave, tags)
    assert found.mode is AssignmentMode.PRACTICE
    assert found.rationale.count(".") == 1
    assert found.rationale.endswith(".")


@pytest.mark.parametrize("kind", list(ProgramType))
@pytest.mark.parametrize("focus", list(Focus))
def test_the_program_stays_but_a_clave_drill_needs_one_that_plays(kind: ProgramType, focus: Focus) -> None:
    session = take(program={"kind": kind, "name": "salsa_minor_Dm", "path": "latin/salsa.ztprog"}, **FACTS[focus])
    expected = ProgramType.ZTPROG if focus is Focus.CLAVE_GRID and kind is not ProgramType.ZTEX else kind
    assert assignment_of(session).program == session.program.model_copy(update={"kind": expected})


@pytest.mark.parametrize(
    ("facts", "bpm"),
    [
        ({"timing_p95_error_ms": 60.0, "bpm": 54.0}, 50),
        ({"timing_p95_error_ms": 60.0, "bpm": 30.0}, 50),
        ({"notes_on_grid_ratio": 0.5, "bpm": 51.0}, 50),
        ({"notes_on_grid_ratio": 0.5, "bpm": 61.0}, 56),
        ({"clave_hit_ratio": 0.5, "bpm": 107.6}, 108),
        ({"panic_used": True, "bpm": 12.0}, 20),
        ({"panic_used": True, "bpm": 1e300}, 400),
        ({"bpm": 398.0}, 400),
        ({"bpm": 5.0}, 20),
    ],
)
def test_a_tempo_is_whole_and_held_at_its_limit(facts: dict[str, Any], bpm: int) -> None:
    assert assignment_of(take(**facts)).targets.bpm_target == bpm


@pytest.mark.parametrize("focus", [Focus.TIMING_STABILITY, Focus.SUBDIVISION_GRID, Focus.PROGRESS])
@pytest.mark.parametrize("bpm", [12.0, 45.0, 50.0, 56.0, 395.0, 400.0, 450.0])
def test_the_words_say_of_the_tempo_what_the_target_does(focus: Focus, bpm: float) -> None:
    session = take(bpm=bpm, **FACTS[focus])
    assignment, export = assignment_of(session), canonical_assignment(session, evaluate_session(session))
    target = assignment.targets.bpm_target
    assert ("slower" in assignment.rationale) <= (target < bpm)
    assert ("faster" in assignment.rationale) <= (target > bpm)
    assert ("slower tempo" in export["intent"] or "before increasing" in export["intent"]) <= (target < bpm)
    assert ("higher tempo" in export["intent"]) <= (target > bpm)


@pytest.mark.parametrize(("p95", "asked"), [(0.0, 25.0), (30.0, 25.5), (41.0, 34.85), (54.0, 45.0), (1e6, 45.0)])
def test_the_timing_asked_for_is_a_step_from_what_was_played(p95: float, asked: float) -> None:
    assert assignment_of(take(timing_p95_error_ms=p95)).success.max_timing_p95_ms == asked


@pytest.mark.parametrize(("ratio", "asked"), [(0.0, 0.80), (0.76, 0.81), (0.84, 0.89), (0.9, 0.92), (1.0, 0.92)])
def test_the_grid_ratio_asked_for_is_a_step_from_what_was_played(ratio: float, asked: float) -> None:
    assert assignment_of(take(notes_on_grid_ratio=ratio)).success.min_notes_on_grid_ratio == asked


def test_an_evaluation_of_another_session_is_refused() -> None:
    other = evaluate_session(take(session_id="00000000-0000-0000-0000-00000000f002"))
    with pytest.raises(InvalidInput, match=r"session_id: the evaluation is about session .*f002"):
        plan_assignment(session=take(), eval=other)


def test_the_id_is_made_from_what_it_names() -> None:
    one, again, other = (assignment_of(take(bpm=bpm)).assignment_id for bpm in (100.0, 100.0, 101.0))
    assert one == again
    assert one != other
    assert one.version == 5


@given(any_take())
def test_any_take_gives_an_assignment_within_its_limits(session: SessionRecord) -> None:
    found = assignment_of(session)
    assert 20 <= found.targets.bpm_target <= 400
    assert 25 <= found.success.max_timing_p95_ms <= 45
    assert 0.80 <= found.success.min_notes_on_grid_ratio <= 0.92
    assert found.session_id == session.session_id
    text = assignment_to_json(found)
    assert PracticeAssignment.model_validate(json.loads(text)) == found
    assert assignment_to_json(assignment_of(session)) == text


def test_every_real_take_gets_an_assignment(shared_data: Path) -> None:
    lines = (shared_data / "timing" / "sessions.jsonl").read_text(encoding="utf-8").splitlines()
    tags = [assignment_of(session_from(json.loads(line)["session"])).focus_tags for line in lines]
    assert len(tags) == 327
    assert {("timing_stability",), ("progress",)} <= set(tags)


def test_an_assignment_is_written_in_one_form() -> None:
    found = assignment_of(take())
    text = assignment_to_json(found)
    assert text == json.dumps(assignment_to_jsonable(found), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    at: tuple[int, Colour]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point((1, Colour.RED)), {"at": [1, "red"]}),
        ({UUID(int=1): PurePosixPath("a/b")}, {"00000000-0000-0000-0000-000000000001": "a/b"}),
        ({3, 1, 2}, [1, 2, 3]),
        (datetime(2026, 2, 4, 12, 34, 56, 789000, UTC), "2026-02-04T12:34:56.789Z"),
        (take().program, {"kind": "ztprog", "name": "salsa_minor_Dm", "path": None}),
        ([None, True, 1.5, "x"], [None, True, 1.5, "x"]),
    ],
)
def test_values_become_json(value: object, expected: object) -> None:
    assert to_jsonable(value) == expected


def test_what_has_no_json_form_is_named() -> None:
    with pytest.raises(TypeError, match="no JSON form for a complex"):
        to_jsonable([1j])


def with_value(path: str, value: object) -> dict[str, Any]:
    """An assignment as a document, with another value at `path` (dots between its parts)."""
    document = json.loads(assignment_to_json(assignment_of(take())))
    *folders, name = path.split(".")
    place = document
    for folder in folders:
        place = place[folder]
    place[name] = value
    return dict(document)


@pytest.mark.parametrize(
    ("path", "lowest", "highest", "step"),
    [
        ("targets.bpm_target", 20, 400, 1),
        ("targets.minutes", 1, 120, 1),
        ("targets.window_ms_note_on", 0, 200, 1),
        ("targets.window_ms_note_off", 0, 400, 1),
        ("success.max_timing_p95_ms", 0, 500, 0.1),
        ("success.min_notes_on_grid_ratio", 0, 1, 0.01),
        ("success.min_clave_hit_ratio", 0, 1, 0.01),
        ("progression.if_pass_bpm_delta", 0, 50, 1),
        ("progression.if_fail_bpm_delta", 0, 50, 1),
        ("progression.tighten_window_ms_on_pass", 0, 50, 1),
    ],
)
def test_firmware_can_trust_the_limits_of_each_number(path: str, lowest: float, highest: float, step: float) -> None:
    for value in (lowest, highest):
        PracticeAssignment.model_validate(with_value(path, value))
    for value in (lowest - step, highest + step):
        with pytest.raises(ValidationError, match=path.rpartition(".")[2]):
            PracticeAssignment.model_validate(with_value(path, value))


def test_after_a_round_the_instrument_moves_by_five() -> None:
    assert assignment_of(take()).progression.model_dump() == {
        "if_pass_bpm_delta": 5,
        "if_fail_bpm_delta": 5,
        "tighten_window_ms_on_pass": 5,
    }
