"""Names of notes and degrees as numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NOTE: Final = re.compile(r"[A-G](?:bb|##|b|#)?")
NATURAL: Final[Mapping[str, int]] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAJOR_SCALE: Final = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE: Final = (0, 2, 3, 5, 7, 8, 10)

_NAMES: Final = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


def pitch_class(name: str) -> int:
    """Return 0 (C) to 11 (B) for a note's name, as `F##` or `Cb`."""
    return (NATURAL[name[0]] + name.count("#") - name[1:].count("b")) % 12


def note_name(pitch: int) -> str:
    """Return the usual name of a pitch or pitch class."""
    return _NAMES[pitch % 12]


def degree_semitones(degree: str) -> int:
    """Return the semitones of a degree of the major scale, as `b7`, `#11` or `13`."""
    number = int(degree.lstrip("b#")) - 1
    octaves, step = divmod(number, 7)
    return 12 * octaves + MAJOR_SCALE[step] + degree.count("#") - degree.count("b")
