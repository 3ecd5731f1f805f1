"""Roman numerals in a key. Pure.

Upper case is major, lower case minor (`ii7` is m7, `viio7` diminished, `viiø7` half-diminished); accidentals count
against the major scale of the tonic (`bVII`). In a minor key a plain III, VI or VII is the natural minor's, `vi` and
`vii` are raised. `V7/ii` is the dominant of the second degree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .notes import MAJOR_SCALE, MINOR_SCALE, pitch_class

_NUMERAL: Final = re.compile(r"(?P<shift>[b#]{0,2})(?P<degree>VII|VI|V|IV|III|II|I|vii|vi|v|iv|iii|ii|i)(?P<rest>.*)")
_KEY: Final = re.compile(
    r"\s*(?P<tonic>[A-Ga-g](?:b|#)?)"
    r"(?:\s*(?P<dash>-)|[\s:_-]*(?P<mode>M|m|(?i:major|maj|minor|min|aeolian|ionian)|))\s*",
    re.ASCII,
)
_DEGREES: Final = ("I", "II", "III", "IV", "V", "VI", "VII")
_HAS_THIRD: Final = re.compile(r"(?:m(?!aj)|-|o|dim|ø|h|sus|alt|\+|aug|5)")


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (pitch class) and whether the key is minor."""

    tonic: int
    minor: bool


def read_key(text: str) -> Key | None:
    """Return the key that `text` names (`C`, `Eb Major`, `F#m`, `a`, `A-`, `G-min`), or None."""
    found = _KEY.fullmatch(text.replace("♭", "b").replace("♯", "#"))
    if found is None:
        return None
    tonic, mode = found["tonic"], "m" if found["dash"] else found["mode"]
    minor = mode == "m" or mode.lower() in ("min", "minor", "aeolian") or (not mode and tonic[0].islower())
    return Key(pitch_class(tonic[0].upper() + tonic[1:]), minor)


def looks_like_numeral(text: str) -> bool:
    """Whether a symbol begins as a Roman numeral does; no root does."""
    return text.lstrip("b#")[:1] in ("I", "V", "i", "v")


def resolved(text: str, key: Key) -> tuple[int, str] | None:
    """Return a numeral's root (pitch class) and what follows a root (`ii7` in C: 2 and `m7`), None if it is no numeral.

    The two stay apart: the `b` of `Vb9` is the nine's, behind a letter it would be the root's.
    """
    found = _NUMERAL.fullmatch(text)
    if found is None:
        return None
    rest, slash, below = (
        found["rest"].rpartition("/") if "/" in found["rest"].replace("6/9", "") else (found["rest"], "", "")
    )
    if slash and looks_like_numeral(below):
        target = _NUMERAL.fullmatch(below)
        if target is None or target["rest"]:
            return None
        key, slash, below = Key(_tonic_of(target, key), False), "", ""
    minor = found["degree"].islower() and not _HAS_THIRD.match(rest)
    return _tonic_of(found, key), f"{'m' if minor else ''}{rest}{slash}{below}"


def _tonic_of(found: re.Match[str], key: Key) -> int:
    degree = found["degree"]
    natural = key.minor and not found["shift"] and degree not in ("vi", "vii")
    scale = MINOR_SCALE if natural else MAJOR_SCALE
    shift = found["shift"].count("#") - found["shift"].count("b")
    return (key.tonic + scale[_DEGREES.index(degree.upper())] + shift) % 12
