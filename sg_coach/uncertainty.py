"""How far a take's score could be off by chance, so that no advice is built on noise. Pure.

The score is a table of steps, so a derivative (the delta method) says nothing: it is 0 beside a step and infinite on
it. Instead each step counts with its probability: the figure of another take of the same playing is taken as normal
around the one that was measured, with its standard error. That is the parametric bootstrap (Efron and Tibshirani, An
Introduction to the Bootstrap, 6.5), which a step function allows in closed form. The figures of one take depend on
each other, so their shares are added: the standard deviation of a sum is never larger (Minkowski's inequality).
"""

from __future__ import annotations

from math import erfc, inf, sqrt
from typing import Final

from .coach_policy import Limits, Thresholds
from .models import SessionRecord

NORMAL_P95: Final = 0.951
"""Standard error of the p95 of n normal errors, as a share of p95/√n: √(0.95 × 0.05) over 1.96 times their density.

For takes with too few events for the analyser's own estimate (Serfling, Approximation Theorems, 2.3.3).
"""

FEWEST_STROKES_A_BAR: Final = 2
"""Clave strokes that a part has in a bar at least (a tumbao); the record does not tell their number."""

_V1: Final = Thresholds()


def score_se(session: SessionRecord, t: Thresholds = _V1) -> float:
    """Return the standard error of the take's score, in points.

    0 for a record that says nothing of its uncertainty (it is taken as exact), infinite for a take whose timing could
    not be measured: its score says nothing about the playing.
    """
    if session.timing_measurable is False:
        return inf
    p95_se = _p95_se(session)
    if p95_se is None:
        return 0.0
    hits, on_grid = session.clave_hit_ratio, session.notes_on_grid_ratio
    strokes = FEWEST_STROKES_A_BAR * session.bars
    return (
        _points_se(t.timing_p95_error_ms, session.timing_p95_error_ms, p95_se)
        + _points_se(t.notes_on_grid_ratio, on_grid, ratio_se(on_grid, session.total_events))
        + (0.0 if hits is None else _points_se(t.clave_hit_ratio, hits, ratio_se(hits, strokes)))
    )


def ratio_se(ratio: float, count: int) -> float:
    """Return the standard error of a share of `count`; not 0 at 0 or 1, where two of either are added.

    Agresti and Coull, The American Statistician 52 (1998).
    """
    middle = (ratio * count + 2) / (count + 4)
    return sqrt(middle * (1 - middle) / (count + 4))


def _p95_se(session: SessionRecord) -> float | None:
    if session.timing_p95_se_ms is not None or session.timing_measurable is None or not session.total_events:
        return session.timing_p95_se_ms
    return NORMAL_P95 * session.timing_p95_error_ms / sqrt(session.total_events)


def _points_se(limits: Limits, value: float, se: float) -> float:
    """The standard deviation of the points that a figure costs."""
    fail = _beyond(limits, value, limits.fail, se)
    warn = _beyond(limits, value, limits.warn, se) - fail
    mean = limits.warn_points * warn + limits.fail_points * fail
    square = limits.warn_points**2 * warn + limits.fail_points**2 * fail
    return sqrt(max(square - mean**2, 0.0))


def _beyond(limits: Limits, value: float, limit: float, se: float) -> float:
    """How probable it is that another take would be on the bad side of a limit."""
    distance = value - limit if limits.higher_is_worse else limit - value
    if se == 0:
        return float(distance >= 0)
    return erfc(-distance / (se * sqrt(2))) / 2
