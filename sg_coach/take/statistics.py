"""The few figures that a record is made of. Pure; linear interpolation as in `numpy.percentile`."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

LATE_MS: Final = 20.0
"""An event is late when its error is above this."""

ON_GRID_MS: Final = 35.0
"""An event is in place when its absolute error is not above this."""

_P: Final = 0.95


def median(values: Sequence[float]) -> float:
    """Return the median. `values` must not be empty."""
    return percentile(sorted(values), 0.5)


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the percentile (`share` 0..1) of values in ascending order, at least one."""
    place = share * (len(ascending) - 1)
    below = int(place)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (place - below)


def p95(errors: Sequence[float]) -> float:
    """Return the 95th percentile of the absolute errors; 0 if there are none."""
    return percentile(sorted(map(abs, errors)), _P) if errors else 0.0


def mean_absolute(errors: Sequence[float]) -> float:
    """Return the mean of the absolute errors; 0 if there are none."""
    return sum(map(abs, errors)) / len(errors) if errors else 0.0


def p95_standard_error(errors: Sequence[float]) -> float | None:
    """Return how far the p95 of another take of the same playing would typically be off, in ms; None below 20 events.

    From order statistics: the number of errors below the true percentile is binomial, so one standard deviation of it
    to both sides covers about two standard errors (David and Nagaraja, Order Statistics, 7.1).
    """
    count = len(errors)
    if count < 20:
        return None
    ascending = sorted(map(abs, errors))
    spread = sqrt(_P * (1 - _P) / count)
    return (percentile(ascending, min(_P + spread, 1.0)) - percentile(ascending, _P - spread)) / 2


def mean_standard_error(errors: Sequence[float]) -> float | None:
    """Return the standard error of the mean absolute error, in ms; None below 2 events."""
    count = len(errors)
    if count < 2:
        return None
    mean = mean_absolute(errors)
    return sqrt(sum((abs(error) - mean) ** 2 for error in errors) / (count - 1) / count)
