"""The canonical export: the golden documents exactly, and the same shape for every other take."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from sg_coach import (
    STYLES,
    SessionRecord,
    canonical_assignment,
    canonical_evaluation,
    canonical_text,
    evaluate_session,
    session_from,
)
from sg_coach.styles import PLAIN, read_program_name
from tests.takes import GOLDEN, any_take, assignment_of, golden, take


def exports(session: SessionRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    evaluation = evaluate_session(session)
    return canonical_evaluation(session, evaluation), canonical_assignment(session, evaluation)


def shape(document: Any) -> Any:
    """Keys and kinds, without the values."""
    if isinstance(document, dict):
        return {key: shape(item) for key, item in document.items()}
    if isinstance(document, list):
        return [shape(item) for item in document[:1]]
    return "number" if isinstance(document, int | float) and not isinstance(document, bool) else type(document).__name__


def test_the_golden_session_gives_the_golden_documents_to_the_byte() -> None:
    session = session_from(golden("session"))
    evaluation = evaluate_session(session)
    made = canonical_evaluation(session, evaluation)
    assigned = canonical_assignment(session, evaluation, assignment_id=UUID(golden("assignment")["assignment_id"]))
    assert canonical_text(made) == canonical_text(golden("evaluation"))
    assert canonical_text(assigned) == canonical_text(golden("assignment"))


@pytest.mark.parametrize("name", ["session", "evaluation", "assignment"])
def test_the_golden_documents_are_frozen(name: str) -> None:
    """Their digests stand in a changelog of their own: nobody changes one in passing."""
    digest = hashlib.sha256((GOLDEN / f"golden_vector_{name}.json").read_bytes()).hexdigest()
    newest = (GOLDEN / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert f"`golden_vector_{name}.json` `{digest}`" in newest


def test_without_an_id_the_assignment_gets_one_of_its_content() -> None:
    first, again, other = (exports(take(bpm=bpm))[1]["assignment_id"] for bpm in (100.0, 100.0, 101.0))
    assert first == again
    assert first != other
    assert UUID(first).version == 5


@given(any_take())
def test_any_take_has_an_export_of_the_same_shape(session: SessionRecord) -> None:
    evaluation, assignment = exports(session)
    wanted = shape(golden("assignment"))
    assert shape(evaluation["signals"]["timing"]) == shape(golden("evaluation")["signals"]["timing"])
    assert evaluation.keys() == golden("evaluation").keys()
    assert shape(assignment)["parameters"] == wanted["parameters"]
    assert assignment.keys() == wanted.keys()
    primaries = [finding for finding in evaluation["findings"] if finding["severity"] == "primary"]
    assert len(primaries) == (1 if evaluation["findings"] else 0)
    priorities = [found["priority"] for found in evaluation["recommendations"]]
    assert priorities == list(range(1, len(evaluation["findings"]) + 1))
    assert canonical_text(evaluation) == canonical_text(json.loads(canonical_text(evaluation)))


@pytest.mark.parametrize(
    ("facts", "severity"),
    [({}, "GREEN"), ({"timing_p95_error_ms": 35.0}, "YELLOW"), ({"timing_p95_error_ms": 55.0}, "RED")],
)
def test_the_severity_is_the_worst_finding(facts: dict[str, Any], severity: str) -> None:
    assert exports(take(**facts))[0]["severity"] == severity


def test_each_finding_has_its_name_and_evidence() -> None:
    session = take(
        timing_p95_error_ms=60.0,
        notes_on_grid_ratio=0.8,
        clave_hit_ratio=0.6,
        underrun_detected=True,
        panic_used=True,
        program={"kind": "live", "name": "something"},
    )
    evaluation = exports(session)[0]
    assert [(found["code"], found["severity"], found["evidence"]) for found in evaluation["findings"]] == [
        ("TIMING_DRIFT", "secondary", {"p95_error_ms": 60.0, "late_events": 1}),
        ("GRID_MISALIGNMENT", "secondary", {"notes_on_grid_ratio": 0.8}),
        ("CLAVE_MISALIGNMENT", "primary", {"clave_hit_ratio": 0.6}),
        ("RUNTIME_UNDERRUN", "secondary", {"underrun_detected": True}),
        ("PANIC_USED", "secondary", {"panic_used": True}),
    ]
    assert [found["focus"] for found in evaluation["recommendations"]] == [
        "clave_internalization",
        "tempo_stability",
        "subdivision_grid",
        "realtime_tuning",
        "realtime_safety",
    ]


@pytest.mark.parametrize("name", sorted(STYLES))
def test_each_style_answers_a_clave_focus_in_its_own_way(name: str) -> None:
    style = STYLES[name]
    session = take(clave_hit_ratio=0.5, program={"kind": "ztprog", "name": f"{name}_minor_Am"})
    evaluation, assignment = exports(session)
    if style.clave is None:
        assert evaluation["signals"]["clave"]["expected_min_ratio"] is None
        assert assignment["program"] == {"kind": "ztprog", "name": f"{name}_minor_Am"}
        assert assignment["title"] == f"Clave Lock Practice ({style.label} Minor)"
    else:
        assert evaluation["signals"]["clave"]["expected_min_ratio"] == style.clave.expected_min_ratio
        assert assignment["program"] == {"kind": "ztprog", "name": f"{style.clave.program}_Am"}
        assert assignment["success_criteria"]["clave_hit_ratio"] == {"min": style.clave.success_ratio}
        assert style.clave.expected_min_ratio > 0.78, "a style asks for more than the contract's own limit"
    assert style.listen_to in assignment["next_if_failure"]["hint"]


@pytest.mark.parametrize(("bpm", "asked"), [(1.0, 20), (22.4, 20), (100.0, 89), (450.0, 400), (1e9, 400)])
def test_the_tempo_of_a_drill_is_held_at_the_limits_of_an_assignment(bpm: float, asked: int) -> None:
    assert exports(take(clave_hit_ratio=0.5, bpm=bpm))[1]["parameters"]["bpm"] == asked


def test_a_program_of_unknown_style_gets_the_plain_one() -> None:
    session = take(clave_hit_ratio=0.5, program={"kind": "live", "name": "drummer1/eval_session/3"})
    evaluation, assignment = exports(session)
    assert evaluation["signals"]["clave"] == {"clave_hit_ratio": 0.5, "expected_min_ratio": None}
    assert assignment["title"] == "Clave Lock Practice (drummer1/eval_session/3)"
    planned = assignment_of(session)
    assert assignment["parameters"]["bpm"] == planned.targets.bpm_target
    assert assignment["success_criteria"]["clave_hit_ratio"] == {"min": planned.success.min_clave_hit_ratio}


@pytest.mark.parametrize(
    ("name", "style", "label", "key"),
    [
        ("salsa_minor_Dm", "salsa", "Salsa Minor", "Dm"),
        ("SALSA-Minor-F#m", "salsa", "Salsa Minor", "F#m"),
        ("bossanova_Bb", "bossa", "Bossa Nova", "Bb"),
        ("jazz_blues_F7", "swing", "Swing Blues", "F7"),
        ("salsa", "salsa", "Salsa", None),
        ("salsa_Groove", "salsa", "Salsa Groove", None),
        ("Dm", "plain", "Dm", None),
        ("…", "plain", "…", None),
    ],
)
def test_a_programs_name_tells_style_label_and_key(name: str, style: str, label: str, key: str | None) -> None:
    found = read_program_name(name)
    assert (found.style.name, found.label, found.key) == (style, label, key)
    assert found.style is STYLES.get(style, PLAIN)


def test_what_was_not_measured_is_not_exported() -> None:
    session = take(timing_measurable=False)
    evaluation = evaluate_session(session)
    exported = canonical_evaluation(session, evaluation)
    assert (exported["severity"], exported["findings"], exported["recommendations"]) == ("GREEN", [], [])
    assignment = canonical_assignment(session, evaluation)
    assert assignment["intent"] == "Play the program again at the same tempo."
    assert assignment["parameters"]["bpm"] == session.bpm
