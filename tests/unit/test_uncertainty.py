"""How far a score could be off by chance, and that a trend within that is none."""

from __future__ import annotations

from math import inf
from random import Random
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach import CoachingDeterministic, apply_progression_policy, evaluate_session
from sg_coach.models import SessionRecord
from sg_coach.progression import Standing, next_standing
from sg_coach.take.statistics import p95
from sg_coach.uncertainty import NORMAL_P95, ratio_se, score_se
from tests.takes import any_take, take

NOW = "2026-02-04T12:34:56.789Z"
CERTAIN = {"notes_on_grid_ratio": 1.0, "clave_hit_ratio": None, "total_events": 10_000}
"""No other figure is anywhere near its limits."""


def coached(session: SessionRecord, before: Standing) -> CoachingDeterministic:
    return apply_progression_policy(
        evaluate_session(session),
        clip_id="clip",
        created_at_utc=NOW,
        ema_before=before.average,
        trend_se=before.trend_se(score_se(session)),
    )


@given(any_take())
def test_a_record_without_standard_errors_is_exact(session: SessionRecord) -> None:
    assert score_se(session) == 0.0


def test_a_take_that_could_not_be_measured_has_no_certainty_at_all() -> None:
    assert score_se(take(timing_measurable=False, timing_p95_se_ms=3.0)) == inf


@pytest.mark.parametrize("measured", [20.0, 34.0, 35.0, 37.5, 44.0, 55.0, 60.0])
@pytest.mark.parametrize("se", [0.5, 4.0, 15.0])
def test_it_is_the_spread_of_the_scores_of_the_same_playing(measured: float, se: float) -> None:
    """Against what it stands for: many takes whose p95 scatters by the standard error, each scored by the table."""
    chance = Random(7)
    scores = [
        evaluate_session(take(**CERTAIN, timing_p95_error_ms=max(chance.gauss(measured, se), 0))).score_0_100
        for _ in range(2_000)
    ]
    said = score_se(take(**CERTAIN, timing_p95_error_ms=measured, timing_p95_se_ms=se))
    assert said == pytest.approx(pstdev(scores), abs=0.4)


@pytest.mark.parametrize(("measured", "said"), [(30.0, 0.0), (34.9, 0.0), (35.0, 0.0), (70.0, 0.0)])
def test_a_figure_without_error_costs_what_the_table_says(measured: float, said: float) -> None:
    assert score_se(take(**CERTAIN, timing_p95_error_ms=measured, timing_p95_se_ms=0.0)) == pytest.approx(said)


def test_half_way_over_a_limit_is_half_of_its_points() -> None:
    assert score_se(take(**CERTAIN, timing_p95_error_ms=35.0, timing_p95_se_ms=1.0)) == pytest.approx(7.5)


def test_every_figure_has_its_share() -> None:
    exact = {**CERTAIN, "timing_p95_se_ms": 0.0}
    assert score_se(take(**{**exact, "notes_on_grid_ratio": 0.82, "total_events": 60})) > 5
    assert score_se(take(**{**exact, "clave_hit_ratio": 0.78})) > 5
    both = {"notes_on_grid_ratio": 0.82, "clave_hit_ratio": 0.78, "total_events": 60}
    alone = [{"notes_on_grid_ratio": 0.82, "total_events": 60}, {"clave_hit_ratio": 0.78}]
    assert score_se(take(**{**exact, **both})) == pytest.approx(sum(score_se(take(**{**exact, **a})) for a in alone))


def test_with_too_few_events_for_an_estimate_the_normal_one_stands_in() -> None:
    few = take(timing_measurable=True, total_events=16, late_events=0, timing_p95_error_ms=34.0, clave_hit_ratio=None)
    told = few.model_copy(update={"timing_p95_se_ms": NORMAL_P95 * 34 / 4})
    assert score_se(few) == pytest.approx(score_se(told))
    assert score_se(few) > 7


def test_the_normal_estimate_is_how_far_the_p95_scatters() -> None:
    chance = Random(11)
    figures = [p95([chance.gauss(0, 10) for _ in range(400)]) for _ in range(2_000)]
    assert pstdev(figures) == pytest.approx(NORMAL_P95 * 19.6 / 20, rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 20, 500])
def test_a_share_of_all_or_nothing_is_not_certain(count: int) -> None:
    assert ratio_se(1.0, count) == pytest.approx(ratio_se(0.0, count))
    assert 0 < ratio_se(1.0, count) <= ratio_se(0.5, count) + 1e-9


@pytest.mark.parametrize(
    ("ratio", "count", "se"), [(1.0, 0, 0.25), (0.5, 96, 0.05), (1.0, 16, 0.0671), (0.8, 1600, 0.01)]
)
def test_two_of_either_are_added_to_a_share(ratio: float, count: int, se: float) -> None:
    assert ratio_se(ratio, count) == pytest.approx(se, rel=2e-3)


def test_two_takes_on_both_sides_of_a_limit_are_no_trend() -> None:
    """36 ms and 34 ms, each give or take 4 ms: 15 points apart, and the same playing."""
    worse, better = (
        take(timing_p95_error_ms=ms, timing_p95_se_ms=4.0, total_events=120, notes_on_grid_ratio=0.95)
        for ms in (36.0, 34.0)
    )
    before = next_standing(None, evaluate_session(worse).score_0_100, score_se(worse))
    assert before is not None
    coaching = coached(better, before)
    assert (coaching.score, coaching.score_trend) == (100, 0.0)
    assert (coaching.decision.tempo_delta_bpm, coaching.decision.difficulty_delta) == (3, 0.05)
    assert "change=+15.00±" in coaching.rationale
    bare = apply_progression_policy(
        evaluate_session(better), clip_id="clip", created_at_utc=NOW, ema_before=before.average
    )
    assert (bare.score_trend, bare.decision.tempo_delta_bpm) == (15.0, 4)
    assert "change" not in bare.rationale


def test_what_is_larger_than_its_uncertainty_is_a_trend() -> None:
    worse, better = (
        take(timing_p95_error_ms=ms, timing_p95_se_ms=4.0, total_events=120, notes_on_grid_ratio=ratio)
        for ms, ratio in ((70.0, 0.6), (20.0, 0.98))
    )
    before = next_standing(None, evaluate_session(worse).score_0_100, score_se(worse))
    assert before is not None
    coaching = coached(better, before)
    assert coaching.score_trend == 55.0
    assert coaching.decision.tempo_delta_bpm == 4


def test_a_trend_of_exactly_two_standard_errors_is_none() -> None:
    session = take()
    at, above = (
        apply_progression_policy(
            evaluate_session(session), clip_id="clip", created_at_utc=NOW, ema_before=90.0, trend_se=se
        )
        for se in (5.0, 4.99)
    )
    assert (at.score_trend, above.score_trend) == (0.0, 10.0)


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 30)), min_size=1, max_size=30))
def test_an_average_is_never_less_certain_than_its_least_certain_score(takes: list[tuple[int, float]]) -> None:
    standing: Standing | None = None
    for score, se in takes:
        standing = next_standing(standing, score, se)
    assert standing is not None
    assert 0 <= standing.se <= max(se for _, se in takes) + 1e-5
    assert next_standing(standing, 50, inf) == standing


def test_an_average_of_many_takes_is_more_certain_than_one() -> None:
    standing = next_standing(None, 80, 8.0)
    for _ in range(40):
        standing = next_standing(standing, 80, 8.0)
    assert standing is not None
    assert standing.se == pytest.approx(8 * (0.3 / 1.7) ** 0.5, rel=0.01)  # Var = α / (2 − α)
