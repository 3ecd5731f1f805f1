"""Hitting the clave: the strokes come from the part that is played, not from the five strokes alone. Pure.

Positions are sixteenths of two bars of 4/4 (0..31). Real accompanists play 30 to 80 % of the five clave strokes and
would score nearly the same in any pattern; so without a part that follows the clave nothing is said.

Sources. Clave: as Cuban groups play it (son and rumba). Tumbao: the bass on the `and` of two and on four. Montuno: the
common guajeo of the piano in 2-3, its halves exchanged in 3-2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .notes import Pulse
from .statistics import ON_GRID_MS

_HALF: Final = 16
_SON_32: Final = (0, 6, 12, 20, 24)
_RUMBA_32: Final = (0, 6, 14, 20, 24)
_TUMBAO: Final = (6, 12, 22, 28)
_MONTUNO_23: Final = (0, 4, 6, 10, 14, 18, 22, 26, 30)


@dataclass(frozen=True, slots=True)
class Part:
    """A part that follows the clave: its strokes, in sixteenths of two bars."""

    name: str
    strokes: tuple[int, ...]


def _turned(strokes: Sequence[int]) -> tuple[int, ...]:
    """The other side of the clave first."""
    return tuple(sorted((stroke + _HALF) % (2 * _HALF) for stroke in strokes))


PARTS: Final = MappingProxyType(
    {
        part.name: part
        for part in (
            Part("clave-son-3-2", _SON_32),
            Part("clave-son-2-3", _turned(_SON_32)),
            Part("clave-rumba-3-2", _RUMBA_32),
            Part("clave-rumba-2-3", _turned(_RUMBA_32)),
            Part("tumbao", _TUMBAO),
            Part("montuno-2-3", _MONTUNO_23),
            Part("montuno-3-2", _turned(_MONTUNO_23)),
        )
    }
)
"""Every part by its name."""


def strokes_ms(part: Part, pulse: Pulse, bars: int) -> list[float]:
    """Return when the strokes of `part` are due in the first `bars` bars; empty outside 4/4."""
    if pulse.meter != "4/4":
        return []
    due: list[float] = []
    for bar in range(bars):
        for stroke in part.strokes:
            beat, sixteenth = divmod(stroke - (bar % 2) * _HALF, 4)
            number = bar * 4 + beat
            if 0 <= beat < 4 and number + 1 < len(pulse.beats_ms):
                start, end = pulse.beats_ms[number : number + 2]
                due.append(start + (end - start) * sixteenth / 4)
    return due


def hit_ratio(due_ms: Sequence[float], played_ms: Sequence[float], within_ms: float = ON_GRID_MS) -> float | None:
    """Return the share of the strokes that are due and were played within `within_ms`; None if none is due.

    `played_ms` are in ascending order, the latency taken out.
    """
    if not due_ms:
        return None
    return sum(_distance(played_ms, due) <= within_ms for due in due_ms) / len(due_ms)


def _distance(ascending: Sequence[float], ms: float) -> float:
    after = bisect_left(ascending, ms)
    return min((abs(found - ms) for found in ascending[max(after - 1, 0) : after + 1]), default=float("inf"))
