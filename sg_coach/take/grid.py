"""Measuring against the lines of a grid, and how far that can be believed. Pure.

A beat is cut into 2 (grid 8) or 4 (grid 16) parts; where the feel moves the off-beat, the lines move with it. No event
is further from a line than half a step, however badly it is played, so a figure means something only in comparison
with what random notes would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb, floor
from typing import Final, Literal, NamedTuple

from .notes import Pulse
from .statistics import p95

Grid = Literal[8, 16]

STRAIGHT: Final = 0.5
"""The off-beat lies in the middle of the beat."""

EIGHTHS_ABOVE_BPM: Final = 140.0
"""Above this tempo nobody is measured against sixteenths."""

EIGHTHS_SHARE: Final = 0.97
"""A take whose events lie on eighths to this share is measured against eighths."""

NOT_MEASURABLE: Final = 0.9
"""A p95 of so much of what chance would give says nothing about the playing."""

LUCK: Final = 1e-3
"""Random notes come out so tight once in a thousand takes, at most."""

_NO_LUCK_ABOVE: Final = 500
"""With more events nine tenths of what chance would give are no luck any more."""

_SHARE: Final = 0.95


class Placed(NamedTuple):
    """One event at the line (or expected note) that it belongs to."""

    beat: int
    """Number of the beat in the take, from 0."""
    step: int
    """Line within the beat, from 0."""
    error_ms: float
    at_ms: float
    """Where it was expected."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a grid over a pulse. `off_beat` is where the second half of a beat begins, 0..1."""

    pulse: Pulse
    grid: Grid
    off_beat: float = STRAIGHT

    @property
    def steps(self) -> tuple[float, ...]:
        """Where the lines of one beat lie, 0..1."""
        middle = self.off_beat
        return (0.0, middle) if self.grid == 8 else (0.0, middle / 2, middle, (1 + middle) / 2)

    def place(self, onsets_ms: Iterable[float]) -> list[Placed]:
        """Return each onset at its nearest line."""
        steps = (*self.steps, 1.0)
        return [self._nearest(onset, steps) for onset in onsets_ms]

    def _nearest(self, onset: float, steps: Sequence[float]) -> Placed:
        beats = self.pulse.beats_ms
        beat = self.pulse.beat_at(onset)
        start, length = beats[beat], beats[beat + 1] - beats[beat]
        phase = (onset - start) / length
        step = min(range(len(steps)), key=lambda number: abs(phase - steps[number]))
        at = start + steps[step] * length
        if step == len(steps) - 1:
            beat, step = beat + 1, 0
        return Placed(beat, step, onset - at, at)

    def gaps_ms(self) -> list[float]:
        """Return the distances between neighbouring lines of an average beat, in ms."""
        beats = self.pulse.beats_ms
        beat_ms = (beats[-1] - beats[0]) / (len(beats) - 1)
        ends = (*self.steps, 1.0)
        return [(b - a) * beat_ms for a, b in pairwise(ends)]


def chance_p95(gaps_ms: Sequence[float]) -> float:
    """Return the p95 in ms that notes at random times would have: 0.95 × half a step where all steps are equal.

    A random time is within x of a line with probability Σ min(2x, gap) / Σ gap.
    """
    due = _SHARE * sum(gaps_ms)
    full = 0.0
    ascending = sorted(gaps_ms)
    for number, gap in enumerate(ascending):
        wider = len(ascending) - number
        if full + wider * gap >= due:
            return (due - full) / wider / 2
        full += gap
    return ascending[-1] / 2


def is_measurable(errors_ms: Sequence[float], gaps_ms: Sequence[float]) -> bool:
    """Whether the errors differ from those of random notes on this grid: in size, and too far to be luck."""
    if not errors_ms or p95(errors_ms) >= NOT_MEASURABLE * chance_p95(gaps_ms):
        return False
    return len(errors_ms) > _NO_LUCK_ABOVE or _luck(errors_ms, gaps_ms) < LUCK


def _luck(errors_ms: Sequence[float], gaps_ms: Sequence[float]) -> float:
    """How probable it is that so many random notes have a p95 as small as this.

    Their errors are independent, so the number of those within a limit is binomial (David and Nagaraja, Order
    Statistics, 2.1). The p95 lies between two errors, and not less than the lower one of them are within it.
    """
    limit, count = p95(errors_ms), len(errors_ms)
    within = sum(min(2 * limit, gap) for gap in gaps_ms) / sum(gaps_ms)
    needed = floor(_SHARE * (count - 1)) + 1
    return sum(
        comb(count, number) * within**number * (1 - within) ** (count - number) for number in range(needed, count + 1)
    )


def choose_grid(bpm: float, sixteenths: Sequence[Placed]) -> Grid:
    """Return 8 above 140 bpm or where 97 % of the events, placed on sixteenths, lie on eighths; else 16."""
    if bpm > EIGHTHS_ABOVE_BPM:
        return 8
    on_eighths = sum(placed.step % 2 == 0 for placed in sixteenths)
    return 8 if on_eighths >= EIGHTHS_SHARE * len(sixteenths) else 16


def by_beat(placed: Iterable[Placed], beats_a_bar: int, at_least: int = 4) -> tuple[float | None, ...]:
    """Return the signed mean error of each beat of the bar, in ms; None for fewer than `at_least` events."""
    errors: list[list[float]] = [[] for _ in range(beats_a_bar)]
    for one in placed:
        errors[one.beat % beats_a_bar].append(one.error_ms)
    return tuple(sum(found) / len(found) if len(found) >= at_least else None for found in errors)
