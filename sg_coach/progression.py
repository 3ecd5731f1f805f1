"""From a score to `clip.coach.json`: bands, the trend against earlier takes, what changes next, the hint. Pure.

A policy is data: another style of teaching is another `ProgressionPolicy` in `POLICIES`, and no new code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isinf
from types import MappingProxyType
from typing import Final, NamedTuple

from .hints import MAX_HINT, TRENDS, V1_HINTS, HintTable, Trend, compose_hint
from .jsontext import to_json_bytes
from .models import CoachingDeterministic, Decision, Density, Judgement, Syncopation, TakeResult

EMA_ALPHA: Final = 0.3
"""Weight of the newest score in the average of earlier ones."""

SURE: Final = 2.0
"""A trend counts beyond so many standard errors: 19 times in 20 chance alone stays within."""

MAX_DIFFICULTY_DELTA: Final = 0.1
MAX_TEMPO_DELTA_BPM: Final = 10.0

_CELLS: Final[Mapping[int, Trend]] = {1: "up", 0: "flat", -1: "down"}


@dataclass(frozen=True, slots=True)
class Band:
    """Scores from `minimum` (of 100) up to the next better band, and what such a take changes."""

    name: str
    minimum: float
    take_result: TakeResult
    difficulty_delta: float
    tempo_delta_bpm: float
    density: Density
    syncopation: Syncopation


@dataclass(frozen=True, slots=True)
class ProgressionPolicy:
    """Bands (best first, the last from 0), trend limits (points) and words.

    A trend beyond ±`hint_trend` picks the words, one beyond ±`step_trend` adds a step to the band's deltas.
    Raises ValueError if a score or a trend would be left without an answer.
    """

    policy_id: str
    bands: tuple[Band, ...]
    hints: HintTable
    hint_trend: float = 2.0
    step_trend: float = 5.0
    step_difficulty: float = 0.01
    step_tempo_bpm: float = 1.0

    def __post_init__(self) -> None:
        minima = [band.minimum for band in self.bands]
        if not minima or minima != sorted(set(minima), reverse=True) or minima[-1] != 0:
            raise ValueError(f"policy {self.policy_id}: bands go down from the best to one with the minimum 0")
        for band in self.bands:
            _check_words(self, band)

    def band(self, score: float) -> Band:
        return next(band for band in self.bands if score >= band.minimum)

    def hint_cell(self, trend: float | None) -> Trend:
        """The column of the hint table; no trend (a first take) counts as flat."""
        return _CELLS[_side(trend, self.hint_trend)]

    def decide(self, band: Band, trend: float | None) -> Decision:
        """What changes, held within the contract's limits and free of float noise."""
        side = _side(trend, self.step_trend)
        return Decision(
            difficulty_delta=_held(band.difficulty_delta + side * self.step_difficulty, MAX_DIFFICULTY_DELTA),
            tempo_delta_bpm=_held(band.tempo_delta_bpm + side * self.step_tempo_bpm, MAX_TEMPO_DELTA_BPM),
            density_bucket=band.density,
            syncopation_bucket=band.syncopation,
        )


def _side(trend: float | None, limit: float) -> int:
    """+1 above the limit, -1 below its negative, 0 between them (the limit itself included) and without a trend."""
    if trend is None:
        return 0
    return (trend > limit) - (trend < -limit)


def _held(value: float, limit: float) -> float:
    return _plain(max(-limit, min(limit, value)), 4)


def _plain(value: float, digits: int) -> float:
    """Rounded, and never -0.0."""
    return round(float(value), digits) + 0.0


def _check_words(policy: ProgressionPolicy, band: Band) -> None:
    missing = [trend for trend in TRENDS if not policy.hints.get(band.name, {}).get(trend, "").strip()]
    if missing:
        raise ValueError(f"policy {policy.policy_id}: no words for ({band.name}, {missing[0]})")
    steps = (-policy.step_trend - 1, 0.0, policy.step_trend + 1)
    longest = max(len(compose_hint(policy.hints[band.name][t], policy.decide(band, s))) for t in TRENDS for s in steps)
    if longest > MAX_HINT:
        raise ValueError(
            f"policy {policy.policy_id}: a hint of band {band.name} has {longest} characters, not {MAX_HINT}"
        )


V1_DEFAULT: Final = ProgressionPolicy(
    policy_id="v1_default",
    bands=(
        Band("excellent", 85, TakeResult.PASS, 0.05, 3, "dense", "heavy"),
        Band("solid", 70, TakeResult.PASS, 0.02, 1, "medium", "light"),
        Band("stable", 55, TakeResult.STRUGGLE, 0, 0, "medium", "straight"),
        Band("recover", 40, TakeResult.STRUGGLE, -0.03, -2, "sparse", "straight"),
        Band("reset", 0, TakeResult.FAIL, -0.05, -5, "sparse", "straight"),
    ),
    hints=V1_HINTS,
)

POLICIES: Final[Mapping[str, ProgressionPolicy]] = MappingProxyType({V1_DEFAULT.policy_id: V1_DEFAULT})
"""Every policy by its id."""


def next_ema(before: float | None, score: float) -> float:
    """Return the average after `score` (0..100); `before` is the one before it, None for a first take."""
    return round(score if before is None else before + EMA_ALPHA * (score - before), 6) + 0.0


class Standing(NamedTuple):
    """Where the earlier takes of a session left it: the average of their scores and its standard error, in points."""

    average: float
    se: float = 0.0

    def trend_se(self, score_se: float) -> float:
        """Return the standard error of a new score's trend: takes are independent, so variances are added."""
        return hypot(self.se, score_se)


def next_standing(before: Standing | None, score: float, score_se: float) -> Standing | None:
    """Return where a session stands after a score with the standard error `score_se` (`uncertainty.score_se`).

    A score that says nothing about the playing (an infinite one) leaves it where it was.
    """
    if isinf(score_se):
        return before
    if before is None:
        return Standing(next_ema(None, score), _plain(score_se, 6))
    se = hypot((1 - EMA_ALPHA) * before.se, EMA_ALPHA * score_se)
    return Standing(next_ema(before.average, score), _plain(se, 6))


def apply_progression_policy(
    evaluation: Judgement,
    *,
    clip_id: str,
    created_at_utc: str,
    ema_before: float | None = None,
    trend_se: float = 0.0,
    policy: ProgressionPolicy = V1_DEFAULT,
) -> CoachingDeterministic:
    """Return the authoritative coaching of a take.

    `ema_before` is the average of the earlier scores of the same session and program (`next_ema`), None for a first
    take; a difference from it within two standard errors (`trend_se`, `Standing.trend_se`; 0: the scores are exact) is
    noise, and no trend. `created_at_utc` is UTC with milliseconds and `Z` (`timestamps.utc_text`). The file's own trend
    (two decimals) decides, so that every decision can be checked from the file. Raises pydantic.ValidationError if an
    argument does not fit the contract.
    """
    score = evaluation.score_0_100
    change = None if ema_before is None else _plain(score - ema_before, 2)
    trend = 0.0 if change is not None and abs(change) <= SURE * trend_se else change
    band, cell = policy.band(score), policy.hint_cell(trend)
    decision = policy.decide(band, trend)
    return CoachingDeterministic(
        schema_id="coaching_deterministic",
        schema_version="v1",
        session_id=evaluation.session_id,
        clip_id=clip_id,
        created_at_utc=created_at_utc,
        score=float(score),
        take_result=band.take_result,
        policy_id=policy.policy_id,
        score_trend=trend,
        decision=decision,
        coach_hint=compose_hint(policy.hints[band.name][cell], decision),
        rationale=_rationale(evaluation, band, cell, trend) + _doubt(change, trend_se),
    )


def coaching_after(
    before: Standing | None, evaluation: Judgement, score_se: float, *, clip_id: str, created_at_utc: str
) -> CoachingDeterministic:
    """Return the coaching of a take whose score has the standard error `score_se`, played where a session stood."""
    return apply_progression_policy(
        evaluation,
        clip_id=clip_id,
        created_at_utc=created_at_utc,
        ema_before=before.average if before else None,
        trend_se=before.trend_se(score_se) if before else 0.0,
    )


def coaching_bytes(coaching: CoachingDeterministic) -> bytes:
    """Return the bytes of `clip.coach.json`: the same coaching gives the same bytes, everywhere."""
    return to_json_bytes(coaching.model_dump(mode="json"))


def _rationale(evaluation: Judgement, band: Band, cell: Trend, trend: float | None) -> str:
    found = ",".join(f"{finding.code}:{finding.severity}" for finding in evaluation.findings) or "none"
    shown = "none" if trend is None else f"{trend:+.2f}"
    return f"score={evaluation.score_0_100} band={band.name} trend={shown} hint={band.name}/{cell} findings={found}"


def _doubt(change: float | None, trend_se: float) -> str:
    """What the trend was weighed against; nothing where scores are exact or there is no earlier one."""
    return "" if change is None or not trend_se else f" change={change:+.2f}±{SURE * trend_se:.2f}"
