"""The evaluation: the table of limits and points, the weight of findings, ids that depend on the input alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach import (
    CoachEvaluation,
    FindingCode,
    Focus,
    InvalidInput,
    SessionRecord,
    Severity,
    Thresholds,
    session_from,
)
from sg_coach.coach_policy import FOCUS, Limits, _rules_text, evaluate_session
from tests.conftest import FIXTURES
from tests.takes import take as session

C, F = FindingCode, Focus
ORDER = [C.CLAVE_ALIGNMENT_LOW, C.TIMING_P95_HIGH, C.GRID_ADHERENCE_LOW, C.RUNTIME_UNDERRUN, C.PANIC_USED]
SEVERITIES = [Severity.FAIL, Severity.WARN, Severity.INFO]


sessions = st.builds(
    session,
    bpm=st.floats(20, 400),
    timing_p95_error_ms=st.floats(0, 200) | st.sampled_from([35.0, 55.0]),
    notes_on_grid_ratio=st.floats(0, 1) | st.sampled_from([0.82, 0.70]),
    clave_hit_ratio=st.none() | st.floats(0, 1) | st.sampled_from([0.78, 0.65]),
    underrun_detected=st.booleans(),
    panic_used=st.booleans(),
)
"""Takes on every side of every limit."""


def points_by_the_table(take: SessionRecord) -> int:
    """The contract's table, written down a second time."""
    p95, grid, clave = take.timing_p95_error_ms, take.notes_on_grid_ratio, take.clave_hit_ratio
    lost = 30 if p95 >= 55 else 15 if p95 >= 35 else 0
    lost += 25 if grid <= 0.70 else 12 if grid <= 0.82 else 0
    if clave is not None:
        lost += 25 if clave <= 0.65 else 12 if clave <= 0.78 else 0
    return lost + 5 * take.underrun_detected + 5 * take.panic_used


def codes(evaluation: CoachEvaluation) -> list[FindingCode]:
    return [finding.code for finding in evaluation.findings]


@given(sessions)
def test_score_is_what_the_table_leaves(take: SessionRecord) -> None:
    assert evaluate_session(take).score_0_100 == 100 - points_by_the_table(take)


NUMBERS = [name for name, field in SessionRecord.model_fields.items() if "float" in str(field.annotation)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_fact_that_is_no_finite_number_is_refused(value: float) -> None:
    assert {"bpm", "timing_p95_error_ms", "notes_on_grid_ratio", "error_by_beat_ms"} <= set(NUMBERS)
    for name in NUMBERS:
        with pytest.raises(InvalidInput, match=f"session.json: {name}"):
            session(**{name: [value] if name == "error_by_beat_ms" else value})


@pytest.mark.parametrize(
    ("facts", "code", "severity", "score", "threshold"),
    [
        ({"timing_p95_error_ms": 35.0}, C.TIMING_P95_HIGH, "WARN", 85, 35),
        ({"timing_p95_error_ms": 54.999}, C.TIMING_P95_HIGH, "WARN", 85, 35),
        ({"timing_p95_error_ms": 55}, C.TIMING_P95_HIGH, "FAIL", 70, 55),
        ({"notes_on_grid_ratio": 0.82}, C.GRID_ADHERENCE_LOW, "WARN", 88, 0.82),
        ({"notes_on_grid_ratio": 0.7001}, C.GRID_ADHERENCE_LOW, "WARN", 88, 0.82),
        ({"notes_on_grid_ratio": 0.70}, C.GRID_ADHERENCE_LOW, "FAIL", 75, 0.70),
        ({"clave_hit_ratio": 0.78}, C.CLAVE_ALIGNMENT_LOW, "WARN", 88, 0.78),
        ({"clave_hit_ratio": 0.65}, C.CLAVE_ALIGNMENT_LOW, "FAIL", 75, 0.65),
        ({"clave_hit_ratio": 0}, C.CLAVE_ALIGNMENT_LOW, "FAIL", 75, 0.65),
        ({"underrun_detected": True}, C.RUNTIME_UNDERRUN, "WARN", 95, True),
        ({"panic_used": True}, C.PANIC_USED, "WARN", 95, True),
    ],
)
def test_a_limit_counts_when_it_is_met(
    facts: dict[str, Any], code: FindingCode, severity: str, score: int, threshold: float
) -> None:
    evaluation = evaluate_session(session(**facts))
    (finding,) = evaluation.findings
    ((metric, value),) = facts.items()
    assert (finding.code, finding.severity, evaluation.score_0_100) == (code, severity, score)
    assert finding.evidence == {"metric": metric, "value": value, "threshold": threshold}
    assert evaluation.primary_focus is FOCUS[code]


@pytest.mark.parametrize(
    "facts", [{}, {"timing_p95_error_ms": 34.999}, {"notes_on_grid_ratio": 0.8201}, {"clave_hit_ratio": 0.7801}]
)
def test_nothing_is_noticed_on_the_good_side(facts: dict[str, Any]) -> None:
    evaluation = evaluate_session(session(**facts))
    assert (evaluation.findings, evaluation.score_0_100, evaluation.grade) == ((), 100, "A")
    assert (evaluation.primary_focus, evaluation.focus_code) == (F.PROGRESS, "progress")


@given(sessions)
def test_findings_stand_in_order_of_weight_and_the_first_one_is_the_focus(take: SessionRecord) -> None:
    evaluation = evaluate_session(take)
    weights = [(SEVERITIES.index(f.severity), ORDER.index(f.code)) for f in evaluation.findings]
    assert weights == sorted(weights)
    assert evaluation.primary_focus is (FOCUS[codes(evaluation)[0]] if evaluation.findings else F.PROGRESS)


def test_equally_severe_findings_stand_as_the_contract_orders_them() -> None:
    worst = session(
        clave_hit_ratio=0.7, timing_p95_error_ms=40, notes_on_grid_ratio=0.8, underrun_detected=True, panic_used=True
    )
    assert codes(evaluate_session(worst)) == ORDER


@pytest.mark.parametrize(
    ("facts", "score", "focus"),
    [
        ({}, 69, F.PROGRESS),
        ({"panic_used": True}, 69, F.REALTIME_SAFETY),
        ({"timing_p95_error_ms": 57, "notes_on_grid_ratio": 0.58, "clave_hit_ratio": 0.4}, 69, F.PROGRESS),
    ],
)
def test_what_could_not_be_measured_is_said_and_neither_blamed_nor_praised(
    facts: dict[str, Any], score: int, focus: Focus
) -> None:
    evaluation = evaluate_session(session(timing_measurable=False, **facts))
    said = evaluation.findings[-1]
    assert (said.code, said.severity) == (C.TIMING_NOT_MEASURABLE, Severity.INFO)
    assert said not in evaluation.weighty
    assert said.evidence == {"metric": "timing_measurable", "value": False, "threshold": True}
    assert (evaluation.score_0_100, evaluation.primary_focus) == (score, focus)
    assert C.TIMING_NOT_MEASURABLE not in codes(evaluate_session(session(timing_measurable=True, **facts)))


def test_what_the_analyser_adds_leaves_the_ids_of_older_records_alone() -> None:
    old = evaluate_session(session())
    assert str(old.evaluation_id) == "2bfd2c14-f16c-581d-9897-f6a638c8853e", "as before there was an analyser"
    assert evaluate_session(session(timing_measurable=None, latency_removed_ms=None)) == old
    assert evaluate_session(session(timing_measurable=True)).evaluation_id != old.evaluation_id


def test_a_fail_comes_before_a_weightier_warning() -> None:
    evaluation = evaluate_session(session(clave_hit_ratio=0.7, notes_on_grid_ratio=0.5))
    assert evaluation.primary_focus is F.SUBDIVISION_GRID


@pytest.mark.parametrize(
    ("score", "grade"),
    [(100, "A"), (92, "A"), (91, "B"), (84, "B"), (83, "C"), (74, "C"), (73, "D"), (62, "D"), (61, "F"), (0, "F")],
)
def test_grades(score: int, grade: str) -> None:
    assert Thresholds().grade(score) == grade


def test_a_score_never_falls_below_zero() -> None:
    harsh = Thresholds(timing_p95_error_ms=Limits(1, 2, 90, 150, higher_is_worse=True))
    assert evaluate_session(session(), t=harsh).score_0_100 == 0


WORSE: dict[str, Callable[[Any, float], Any]] = {
    "timing_p95_error_ms": lambda value, step: value + step,
    "notes_on_grid_ratio": lambda value, step: max(0.0, value - step / 200),
    "clave_hit_ratio": lambda value, step: None if value is None else max(0.0, value - step / 200),
    "underrun_detected": lambda *_: True,
    "panic_used": lambda *_: True,
}


@given(sessions, st.sampled_from(sorted(WORSE)), st.floats(0, 100))
def test_a_worse_take_never_scores_higher(take: SessionRecord, metric: str, step: float) -> None:
    worse = take.model_copy(update={metric: WORSE[metric](getattr(take, metric), step)})
    assert evaluate_session(worse).score_0_100 <= evaluate_session(take).score_0_100


@given(sessions, st.text(max_size=20), st.floats(1, 400))
def test_facts_without_a_row_in_the_table_change_the_id_alone(take: SessionRecord, device: str, bpm: float) -> None:
    other = take.model_copy(update={"device_id": device, "bpm": bpm})
    one, two = evaluate_session(take), evaluate_session(other)
    assert one.evaluation_id != two.evaluation_id
    assert one == two.model_copy(update={"evaluation_id": one.evaluation_id})


@given(sessions)
def test_the_same_take_gives_the_same_evaluation(take: SessionRecord) -> None:
    again = SessionRecord.model_validate(json.loads(take.model_dump_json()))
    assert evaluate_session(take) == evaluate_session(again)
    assert evaluate_session(take).evaluation_id.version == 5


def test_other_thresholds_are_another_evaluation() -> None:
    stricter = Thresholds(timing_p95_error_ms=Limits(15, 30, 15, 30, higher_is_worse=True))
    one, two = evaluate_session(session()), evaluate_session(session(), t=stricter)
    assert one.evaluation_id != two.evaluation_id
    assert two.findings[0].evidence["threshold"] == 15


def test_equal_thresholds_have_one_id_whichever_was_seen_first() -> None:
    whole, fraction = (
        Thresholds(timing_p95_error_ms=Limits(warn, fail, 15, 30, higher_is_worse=True))
        for warn, fail in ((20, 40), (20.0, 40.0))
    )
    texts = set()
    for order in ((whole, fraction), (fraction, whole)):
        _rules_text.cache_clear()
        texts |= {_rules_text(t) for t in order}
    assert len(texts) == 1


def test_the_same_facts_written_differently_have_one_id() -> None:
    plain = session(session_id="00000000-0000-0000-0000-00000000F001", bpm=100, total_events=64.0, future_fact="x")
    assert evaluate_session(plain).evaluation_id == evaluate_session(session()).evaluation_id


@given(sessions)
def test_messages_say_the_measured_figure_and_nothing_unreadable(take: SessionRecord) -> None:
    for finding in evaluate_session(take).findings:
        value = finding.evidence["value"]
        if not isinstance(value, bool):
            shown = value * 100 if value <= 1 and "ratio" in finding.evidence["metric"] else value
            assert f"{round(shown, 1):g}" in finding.message
        assert finding.message.endswith(".")
        assert "e+" not in finding.message
        assert "-0" not in finding.message


def test_a_negative_zero_is_a_zero() -> None:
    (finding,) = evaluate_session(session(notes_on_grid_ratio=-0.0)).findings
    assert finding.message.startswith("0 % of your notes")
    assert str(finding.evidence["value"]) == "0.0"


def test_golden_take() -> None:
    take = session_from(json.loads((FIXTURES / "golden" / "golden_vector_session.json").read_bytes()))
    evaluation = evaluate_session(take)
    assert (evaluation.score_0_100, evaluation.grade, evaluation.primary_focus) == (73, "D", F.CLAVE_GRID)
    assert [finding.message for finding in evaluation.findings] == [
        "71 % of the clave hits are in place; the aim is above 78 %.",
        "95 % of your notes land within 41 ms of the grid; the aim is below 35 ms.",
    ]


def test_every_real_session_evaluates(shared_data: Path) -> None:
    lines = (shared_data / "timing" / "sessions.jsonl").read_text().splitlines()
    takes = [session_from(json.loads(line)["session"]) for line in lines]
    assert len(takes) == 327
    for take in takes:
        assert evaluate_session(take).score_0_100 == 100 - points_by_the_table(take)
