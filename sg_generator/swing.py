"""How uneven two eighths are. Pure.

Source: ratios measured on recorded jazz soloists, by tempo (Weimar Jazz Database). They grow to about 200 bpm, then
shrink: fast eighths are nearly even. A shuffle is played rounder; its own ratios keep the shape of the measured ones.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, Literal

Feel = Literal["straight", "swing", "shuffle"]

_TEMPI: Final = (130.0, 160.0, 200.0, 240.0, 290.0)
_RATIOS: Final = (1.37, 1.42, 1.44, 1.32, 1.23, 1.12)

SHUFFLE_FACTOR: Final = 2.2
"""A shuffle's unevenness against swing's: triplets (2.0) where swing is strongest."""


def swing_ratio(tempo_bpm: float, feel: Feel = "swing") -> float:
    """Return how long the first of two eighths is against the second: 1.0 is straight, 2.0 is triplets."""
    if feel == "straight":
        return 1.0
    measured = _RATIOS[bisect_right(_TEMPI, tempo_bpm)]
    return measured if feel == "swing" else round(1 + (measured - 1) * SHUFFLE_FACTOR, 3)


def off_beat(beat_ticks: int, ratio: float) -> int:
    """Return where in a beat the second eighth stands, in ticks."""
    return round(beat_ticks * ratio / (1 + ratio))


def swung(tick: int, beat_ticks: int, ratio: float) -> int:
    """Return where a place that is counted in even eighths or sixteenths stands in beats of such eighths, in ticks."""
    beat, rest = divmod(tick, beat_ticks)
    off, half = off_beat(beat_ticks, ratio), beat_ticks / 2
    moved = rest * off / half if rest <= half else off + (rest - half) * (beat_ticks - off) / half
    return beat * beat_ticks + round(moved)
