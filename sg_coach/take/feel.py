"""Where a style's feel puts the off-beat. Pure data.

Ratio of the first half of a swung beat to the second, by tempo, as measured on recorded soloists; never a constant.
Slower than 100 bpm nothing was measured: there the ratio of 100 to 130 bpm holds.
"""

from __future__ import annotations

from typing import Final

from sg_coach.styles import read_program_name

from .grid import STRAIGHT

SWING: Final = ((130.0, 1.37), (160.0, 1.42), (200.0, 1.44), (240.0, 1.32), (290.0, 1.23), (float("inf"), 1.12))
"""Pairs of (below this bpm, ratio)."""

SWUNG_STYLES: Final = frozenset({"swing", "blues", "shuffle"})


def off_beat(style: str, bpm: float, meter: str) -> float:
    """Return where the second half of a beat begins, 0..1; straight in styles that do not swing and in x/8 meters."""
    if meter.endswith("/8") or style_name(style) not in SWUNG_STYLES:
        return STRAIGHT
    ratio = next(ratio for below, ratio in SWING if bpm < below)
    return ratio / (1 + ratio)


def style_name(text: str) -> str:
    """Return the catalogue's name of a style (`jazz` is `swing`), or the word itself."""
    named = read_program_name(text).style.name
    return text.strip().lower() if named == "plain" else named
