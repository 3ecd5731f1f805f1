"""What the rules say about one take: a table of limits, one small function a finding. Pure.

The figures are those of the coaching contract v1: a limit counts as crossed when it is met (p95 of exactly 35 ms is
a WARN), the worse limit is asked first, and every finding costs the points of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from .jsontext import to_compact_json
from .models import CoachEvaluation, CoachFinding, FindingCode, Focus, Grade, Judgement, SessionRecord, Severity

EVALUATION_NAMESPACE: Final = UUID("5febe04d-0383-58d7-bc4e-7e071400728a")
"""Namespace of evaluation ids (RFC 9562, version 5, of the DNS name `evaluation.sg-coach`)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a metric becomes a WARN or a FAIL, and what each costs (points of 100)."""

    warn: float
    fail: float
    warn_points: int
    fail_points: int
    higher_is_worse: bool

    def __post_init__(self) -> None:
        """35 and 35.0 are one limit, also in the text that an evaluation's id is made from."""
        object.__setattr__(self, "warn", float(self.warn))
        object.__setattr__(self, "fail", float(self.fail))

    def crossed_by(self, value: float) -> tuple[Severity, float, int] | None:
        """(severity, the limit that was met, points), or None while `value` is on the good side."""
        for severity, limit, points in (
            (Severity.FAIL, self.fail, self.fail_points),
            (Severity.WARN, self.warn, self.warn_points),
        ):
            if value >= limit if self.higher_is_worse else value <= limit:
                return severity, limit, points
        return None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The table of the evaluation: errors in ms, ratios 0..1, points of 100, grades best first."""

    timing_p95_error_ms: Limits = Limits(35.0, 55.0, 15, 30, higher_is_worse=True)
    notes_on_grid_ratio: Limits = Limits(0.82, 0.70, 12, 25, higher_is_worse=False)
    clave_hit_ratio: Limits = Limits(0.78, 0.65, 12, 25, higher_is_worse=False)
    underrun_points: int = 5
    panic_points: int = 5
    grades: tuple[tuple[int, Grade], ...] = ((92, "A"), (84, "B"), (74, "C"), (62, "D"))

    def grade(self, score: int) -> Grade:
        return next((grade for minimum, grade in self.grades if score >= minimum), "F")


class _Noticed(NamedTuple):
    finding: CoachFinding
    points: int


FOCUS: Final = {
    FindingCode.CLAVE_ALIGNMENT_LOW: Focus.CLAVE_GRID,
    FindingCode.TIMING_P95_HIGH: Focus.TIMING_STABILITY,
    FindingCode.GRID_ADHERENCE_LOW: Focus.SUBDIVISION_GRID,
    FindingCode.RUNTIME_UNDERRUN: Focus.REALTIME_TUNING,
    FindingCode.PANIC_USED: Focus.REALTIME_SAFETY,
}
"""The focus that each finding leads to; an INFO finding leads nowhere."""

UNMEASURED_AT_MOST: Final = 69
"""Highest score of a take whose timing could not be measured: the top of the band in which nothing changes.

It costs no points of the table, but there is nothing to praise either.
"""


def judge(session: SessionRecord, *, t: Thresholds = Thresholds()) -> Judgement:
    """Return what the rules `t` say about `session`: all that a hint needs. The same input, the same judgement."""
    looks = _LOOKS_BESIDE_TIMING if session.timing_measurable is False else _LOOKS
    noticed = [found for look in looks if (found := look(session, t))]
    noticed.sort(key=lambda found: _WEIGHT[found.finding.severity])
    score = max(0, 100 - sum(found.points for found in noticed))
    if session.timing_measurable is False:
        score = min(score, UNMEASURED_AT_MOST)
    first = noticed[0].finding if noticed else None
    return Judgement(
        session_id=session.session_id,
        score_0_100=score,
        grade=t.grade(score),
        primary_focus=FOCUS.get(first.code, Focus.PROGRESS) if first else Focus.PROGRESS,
        findings=tuple(found.finding for found in noticed),
    )


def evaluate_session(session: SessionRecord, *, t: Thresholds = Thresholds()) -> CoachEvaluation:
    """Return the judgement of `session` as a document; its id costs more than the judging, so a hint does without."""
    judged = judge(session, t=t)
    return CoachEvaluation(evaluation_id=_evaluation_id(session, t), **dict(judged))


def _evaluation_id(session: SessionRecord, t: Thresholds) -> UUID:
    # What the analyser adds is left out where it is not there: the id of an older record stays what it was.
    unset = {name for name in _ANALYSED if getattr(session, name) is None}
    facts = to_compact_json(session.model_dump(mode="json", exclude=unset))
    return uuid5(EVALUATION_NAMESPACE, f'{{"session":{facts},"thresholds":{_rules_text(t)}}}')


_ANALYSED: Final = ("latency_removed_ms", "timing_p95_se_ms", "timing_measurable", "take_sha256")


@lru_cache(maxsize=8)
def _rules_text(t: Thresholds) -> str:
    """The rules as compact JSON: they hardly ever change, and writing them takes longer than an evaluation."""
    return to_compact_json(asdict(t))


def _clave(session: SessionRecord, t: Thresholds) -> _Noticed | None:
    value = session.clave_hit_ratio
    if value is None:
        return None
    message = f"{_percent(value)} of the clave hits are in place; the aim is above {_percent(t.clave_hit_ratio.warn)}."
    return _judge(FindingCode.CLAVE_ALIGNMENT_LOW, "clave_hit_ratio", value, t.clave_hit_ratio, message)


def _timing(session: SessionRecord, t: Thresholds) -> _Noticed | None:
    value, limits = session.timing_p95_error_ms, t.timing_p95_error_ms
    message = (
        f"95 % of your notes land within {_plain(value)} ms of the grid; the aim is below {_plain(limits.warn)} ms."
    )
    return _judge(FindingCode.TIMING_P95_HIGH, "timing_p95_error_ms", value, limits, message)


def _grid(session: SessionRecord, t: Thresholds) -> _Noticed | None:
    value, limits = session.notes_on_grid_ratio, t.notes_on_grid_ratio
    message = f"{_percent(value)} of your notes land on the grid; the aim is above {_percent(limits.warn)}."
    return _judge(FindingCode.GRID_ADHERENCE_LOW, "notes_on_grid_ratio", value, limits, message)


def _underrun(session: SessionRecord, t: Thresholds) -> _Noticed | None:
    message = "The audio ran dry at least once during this take."
    return _flag(
        FindingCode.RUNTIME_UNDERRUN, "underrun_detected", session.underrun_detected, t.underrun_points, message
    )


def _panic(session: SessionRecord, t: Thresholds) -> _Noticed | None:
    message = "Panic was used at least once during this take."
    return _flag(FindingCode.PANIC_USED, "panic_used", session.panic_used, t.panic_points, message)


def _measurable(session: SessionRecord, _t: Thresholds) -> _Noticed | None:
    if session.timing_measurable is not False:
        return None
    message = "Your timing could not be measured: too few notes, or random ones would have come out the same."
    found = _finding(FindingCode.TIMING_NOT_MEASURABLE, Severity.INFO, message, "timing_measurable", False, True)
    return _Noticed(found, 0)


_Look = Callable[[SessionRecord, Thresholds], _Noticed | None]

_LOOKS_BESIDE_TIMING: Final[tuple[_Look, ...]] = (_underrun, _panic, _measurable)
"""What is looked at where random notes would have given the same figures: those cost nothing then."""

_LOOKS: Final[tuple[_Look, ...]] = (_clave, _timing, _grid, *_LOOKS_BESIDE_TIMING)
"""In order of weight among equally severe findings."""

_WEIGHT: Final = {Severity.FAIL: 0, Severity.WARN: 1, Severity.INFO: 2}


def _judge(code: FindingCode, metric: str, value: float, limits: Limits, message: str) -> _Noticed | None:
    crossed = limits.crossed_by(value)
    if crossed is None:
        return None
    severity, limit, points = crossed
    return _Noticed(_finding(code, severity, message, metric, value + 0.0, limit), points)


def _flag(code: FindingCode, metric: str, raised: bool, points: int, message: str) -> _Noticed | None:
    return _Noticed(_finding(code, Severity.WARN, message, metric, True, True), points) if raised else None


def _finding(
    code: FindingCode, severity: Severity, message: str, metric: str, value: float, threshold: float
) -> CoachFinding:
    evidence = {"metric": metric, "value": value, "threshold": threshold}
    return CoachFinding(code=code, severity=severity, message=message, evidence=evidence)


def _plain(value: float) -> str:
    """At most one decimal, no exponent for anything that a take can measure."""
    return f"{round(value, 1) + 0.0:g}"


def _percent(ratio: float) -> str:
    return f"{_plain(ratio * 100)} %"
