"""Chords in Harte's notation, what stands behind the colon: `min7/b3`, `sus4(b7,9)`, `1(b5,b7,3)/b5`. Pure.

Source: C. Harte et al., Symbolic Representation of Musical Chords, ISMIR 2005, with the shorthands that annotators
added since (`5`, `1`, `sus2`, `11`, `13`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .notes import degree_semitones

SHORTHANDS: Final[Mapping[str, str]] = {
    "": "1 3 5",
    "maj": "1 3 5",
    "min": "1 b3 5",
    "dim": "1 b3 b5",
    "aug": "1 3 #5",
    "maj7": "1 3 5 7",
    "min7": "1 b3 5 b7",
    "7": "1 3 5 b7",
    "dim7": "1 b3 b5 bb7",
    "hdim7": "1 b3 b5 b7",
    "minmaj7": "1 b3 5 7",
    "maj6": "1 3 5 6",
    "6": "1 3 5 6",
    "min6": "1 b3 5 6",
    "9": "1 3 5 b7 9",
    "maj9": "1 3 5 7 9",
    "min9": "1 b3 5 b7 9",
    "11": "1 3 5 b7 9 11",
    "min11": "1 b3 5 b7 9 11",
    "maj11": "1 3 5 7 9 11",
    "13": "1 3 5 b7 9 11 13",
    "min13": "1 b3 5 b7 9 11 13",
    "maj13": "1 3 5 7 9 11 13",
    "sus4": "1 4 5",
    "sus2": "1 2 5",
    "5": "1 5",
    "1": "1",
}
"""Shorthand to its degrees."""

_HARTE: Final = re.compile(r"(?P<short>[a-z]*\d*)(?:\((?P<list>[^()]*)\))?(?:/(?P<bass>[b#]*\d{1,2}))?")
_DEGREE: Final = re.compile(r"\*?[b#]{0,2}(?:1[0-3]|[1-9])")


def read_harte(text: str) -> tuple[tuple[int, ...], int] | None:
    """Return the tones (semitones above the root) and the bass (semitones), or None if it cannot be read."""
    found = _HARTE.fullmatch(text)
    if found is None or found["short"] not in SHORTHANDS or (found["bass"] and not _DEGREE.fullmatch(found["bass"])):
        return None
    listed = [degree.strip() for degree in (found["list"] or "").split(",") if degree.strip()]
    if not all(map(_DEGREE.fullmatch, listed)):
        return None
    stem = "1" if not found["short"] and listed else SHORTHANDS[found["short"]]
    tones = {degree_semitones(degree) for degree in stem.split()}
    tones |= {degree_semitones(degree) for degree in listed if not degree.startswith("*")}
    tones -= {degree_semitones(degree[1:]) for degree in listed if degree.startswith("*")}
    return tuple(sorted({0, *tones})), degree_semitones(found["bass"] or "1") % 12
