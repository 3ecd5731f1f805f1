"""From score to coaching: bands, trend, limits, the file's bytes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sg_coach import POLICIES, V1_DEFAULT, CoachEvaluation, CoachingDeterministic, apply_progression_policy
from sg_coach.hints import V1_HINTS
from sg_coach.jsontext import parse_json_object
from sg_coach.progression import Band, ProgressionPolicy, coaching_bytes, next_ema

SESSION_ID = "00000000-0000-0000-0000-00000000f001"
NOW = "2026-02-04T12:34:56.789Z"
scores = st.integers(0, 100)
emas = st.none() | st.floats(0, 100)


def evaluation(score: int) -> CoachEvaluation:
    return CoachEvaluation.model_validate(
        {
            "evaluation_id": SESSION_ID,
            "session_id": SESSION_ID,
            "score_0_100": score,
            "grade": "C",
            "primary_focus": "progress",
            "findings": (),
        }
    )


def coach(score: int, ema_before: float | None = None, **more: Any) -> CoachingDeterministic:
    return apply_progression_policy(
        evaluation(score), clip_id="clip_abc123", created_at_utc=NOW, ema_before=ema_before, **more
    )


def shape(coaching: CoachingDeterministic) -> tuple[object, ...]:
    decision = coaching.decision
    return (
        str(coaching.take_result),
        decision.difficulty_delta,
        decision.tempo_delta_bpm,
        decision.density_bucket,
        decision.syncopation_bucket,
    )


EXCELLENT = ("pass", 0.05, 3, "dense", "heavy")
SOLID = ("pass", 0.02, 1, "medium", "light")
STABLE = ("struggle", 0, 0, "medium", "straight")
RECOVER = ("struggle", -0.03, -2, "sparse", "straight")
RESET = ("fail", -0.05, -5, "sparse", "straight")


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (100, EXCELLENT),
        (85, EXCELLENT),
        (84, SOLID),
        (70, SOLID),
        (69, STABLE),
        (55, STABLE),
        (54, RECOVER),
        (40, RECOVER),
        (39, RESET),
        (0, RESET),
    ],
)
def test_bands(score: int, expected: tuple[object, ...]) -> None:
    assert shape(coach(score)) == expected


@pytest.mark.parametrize(
    ("score", "ema_before", "difficulty", "tempo"),
    [
        (90, None, 0.05, 3),
        (90, 85.0, 0.05, 3),
        (90, 84.99, 0.06, 4),
        (90, 84.9949, 0.06, 4),
        (90, 84.9951, 0.05, 3),
        (90, 95.0, 0.05, 3),
        (90, 95.01, 0.04, 2),
        (75, 90.0, 0.01, 0),
        (60, 10.0, 0.01, 1),
        (60, 90.0, -0.01, -1),
        (50, 20.0, -0.02, -1),
        (20, 90.0, -0.06, -6),
    ],
)
def test_a_step_more_beyond_a_trend_of_five(
    score: int, ema_before: float | None, difficulty: float, tempo: float
) -> None:
    decision = coach(score, ema_before).decision
    assert (decision.difficulty_delta, decision.tempo_delta_bpm) == (difficulty, tempo)


@pytest.mark.parametrize(
    ("ema_before", "trend"), [(None, None), (70.0, 5.0), (68.3, 6.7), (75.0, 0.0), (75.004, 0.0), (74.666667, 0.33)]
)
def test_trend_has_two_decimals(ema_before: float | None, trend: float | None) -> None:
    assert coach(75, ema_before).score_trend == trend


@given(scores, emas)
def test_every_decision_is_within_the_limits_and_free_of_noise(score: int, ema_before: float | None) -> None:
    coaching = coach(score, ema_before)
    difficulty, tempo = coaching.decision.difficulty_delta, coaching.decision.tempo_delta_bpm
    assert -0.1 <= difficulty <= 0.1
    assert -10 <= tempo <= 10
    text = coaching_bytes(coaching).decode()
    assert "-0.0," not in text
    assert "-0.0\n" not in text
    assert len(str(abs(difficulty))) <= 4
    assert len(str(abs(coaching.score_trend or 0.0)).split(".")[1]) <= 2
    assert 1 <= len(coaching.coach_hint) <= 500


@given(scores, emas, emas)
def test_a_better_trend_never_makes_the_next_clip_easier(score: int, one: float | None, two: float | None) -> None:
    low, high = (coach(score, ema).decision for ema in sorted((one or 0.0, two or 0.0), reverse=True))
    assert low.difficulty_delta <= high.difficulty_delta
    assert low.tempo_delta_bpm <= high.tempo_delta_bpm


@given(scores, scores, emas)
def test_a_better_score_never_makes_the_next_clip_easier(one: int, two: int, ema_before: float | None) -> None:
    low, high = (coach(score, ema_before).decision for score in sorted((one, two)))
    assert low.difficulty_delta <= high.difficulty_delta
    assert low.tempo_delta_bpm <= high.tempo_delta_bpm


def test_the_hint_of_the_contract_byte_for_byte() -> None:
    assert coach(75, 70.8).coach_hint == (
        "Nice improvement. Keep the groove steady and aim for tighter chord landings. "
        "Tempo up by 1 BPM. Density: medium. Sync: light."
    )


CANONICAL = """\
{
  "clip_id": "clip_abc123",
  "coach_hint": "No hurry.",
  "created_at_utc": "2026-02-04T12:34:56.789Z",
  "decision": {
    "density_bucket": "medium",
    "difficulty_delta": 0.02,
    "syncopation_bucket": "light",
    "tempo_delta_bpm": 1.0
  },
  "policy_id": "v1_default",
  "rationale": "score=75 band=solid trend=+4.20 hint=solid/up findings=none",
  "schema_id": "coaching_deterministic",
  "schema_version": "v1",
  "score": 75.0,
  "score_trend": 4.2,
  "session_id": "00000000-0000-0000-0000-00000000f001",
  "take_result": "pass"
}
"""


def test_the_file_is_canonical() -> None:
    coaching = coach(75, 70.8).model_copy(update={"coach_hint": "No hurry."})
    assert coaching_bytes(coaching) == CANONICAL.encode()


@given(scores, emas)
def test_the_file_reads_back_as_the_same_coaching(score: int, ema_before: float | None) -> None:
    coaching = coach(score, ema_before)
    assert CoachingDeterministic.model_validate(parse_json_object(coaching_bytes(coaching))) == coaching


def test_only_the_time_moves() -> None:
    one = coach(75, 70.8)
    two = apply_progression_policy(
        evaluation(75), clip_id="clip_abc123", created_at_utc="2027-01-01T00:00:00.000Z", ema_before=70.8
    )
    assert one == two.model_copy(update={"created_at_utc": NOW})


@pytest.mark.parametrize(
    "argument", [{"clip_id": ""}, {"created_at_utc": "2026-02-04T12:34:56Z"}, {"ema_before": 1e999}]
)
def test_arguments_outside_the_contract_are_refused(argument: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"clip_id": "clip", "created_at_utc": NOW} | argument
    with pytest.raises(ValidationError):
        apply_progression_policy(evaluation(75), **arguments)


def test_the_average_of_earlier_scores() -> None:
    average: float | None = None
    seen = []
    for score in (45, 85, 45, 73):
        average = next_ema(average, score)
        seen.append(average)
    assert seen == [45.0, 57.0, 53.4, 59.28]


@given(st.lists(scores, min_size=1, max_size=50))
def test_the_average_stays_among_the_scores_and_is_rounded(played: list[int]) -> None:
    average: float | None = None
    for score in played:
        average = next_ema(average, score)
    assert average is not None
    assert min(played) - 1e-5 <= average <= max(played) + 1e-5
    assert average == round(average, 6)


def test_another_policy_is_another_table() -> None:
    calm = dataclasses.replace(
        V1_DEFAULT,
        policy_id="v1_calm",
        bands=tuple(dataclasses.replace(band, tempo_delta_bpm=band.tempo_delta_bpm / 2) for band in V1_DEFAULT.bands),
    )
    coaching = coach(45, policy=calm)
    assert (coaching.policy_id, coaching.decision.tempo_delta_bpm) == ("v1_calm", -1)
    assert "Tempo down by 1 BPM." in coaching.coach_hint
    assert "Tempo up by 1.5 BPM." in coach(90, policy=calm).coach_hint


def test_a_wild_policy_is_held_at_the_limits() -> None:
    wild = dataclasses.replace(V1_DEFAULT, step_difficulty=5.0, step_tempo_bpm=50.0)
    up, down = coach(90, 10.0, policy=wild).decision, coach(10, 90.0, policy=wild).decision
    assert (up.difficulty_delta, up.tempo_delta_bpm) == (0.1, 10)
    assert (down.difficulty_delta, down.tempo_delta_bpm) == (-0.1, -10)


def _without(band: str, trend: str) -> Any:
    return {name: {t: w for t, w in row.items() if (name, t) != (band, trend)} for name, row in V1_HINTS.items()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bands": ()}, "bands go down"),
        ({"bands": V1_DEFAULT.bands[::-1]}, "bands go down"),
        ({"bands": V1_DEFAULT.bands[:-1]}, "minimum 0"),
        ({"bands": (*V1_DEFAULT.bands, V1_DEFAULT.bands[-1])}, "bands go down"),
        ({"hints": _without("stable", "flat")}, r"no words for \(stable, flat\)"),
        ({"hints": {**V1_HINTS, "reset": dict.fromkeys(("up", "flat", "down"), " ")}}, r"no words for \(reset, up\)"),
        ({"hints": {**V1_HINTS, "reset": dict.fromkeys(("up", "flat", "down"), "x" * 460)}}, "characters, not 500"),
    ],
)
def test_a_policy_with_a_gap_cannot_be_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(V1_DEFAULT, **changes)


@pytest.mark.parametrize("tempo", [-9.5, -1.0, 0.0, 0.5, 9.0])
def test_a_policy_that_can_be_made_has_a_hint_for_every_take(tempo: float) -> None:
    """Also where a step makes the sentence about the tempo a longer one."""
    longest = 0
    for length in range(420, 470):
        bands = (dataclasses.replace(V1_DEFAULT.bands[0], minimum=0, tempo_delta_bpm=tempo),)
        hints: Any = {"excellent": dict.fromkeys(("up", "flat", "down"), "x" * length)}
        try:
            policy = dataclasses.replace(V1_DEFAULT, bands=bands, hints=hints)
        except ValueError:
            break
        longest = max(len(coach(50, ema, policy=policy).coach_hint) for ema in (None, 0.0, 50.0, 100.0))
    assert longest == 500, "and no policy is refused for less"


def test_policies_are_found_by_their_id() -> None:
    assert POLICIES["v1_default"] is V1_DEFAULT
    assert isinstance(V1_DEFAULT, ProgressionPolicy)
    assert all(isinstance(band, Band) for band in V1_DEFAULT.bands)
