"""Chord symbols as people write them, read into notes. Pure.

    lead sheets    C7 Dm7 F#m7b5 Ebmaj7#11 G7sus Bb13 C6/9 Am/G N.C.
    iRealPro, iRb  Dmin7 C79b Bb713b E9bsus F#o7 Abmaj711#   (the accidental after the number)
    Weimar         F-7 Dbj7 G-7911 Bbsus7 C7alt
    signs          C△7 Cø C° C♭7 C−7
    Harte          A:maj B:min7/b3 E:sus4(b7,9)              (`harte`)
    numerals       ii7 V7 Imaj7, with a key                  (`numerals`)

What a symbol leaves open stays open: a 13 has no natural 11 beside its major third, an altered dominant is 7#9#5.
Whatever cannot be read is refused with the symbol and what is wrong with it; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sg_coach.untrusted import shown

from .harte import read_harte
from .notes import NOTE, pitch_class
from .numerals import Key, looks_like_numeral, resolved
from .qualities import read_quality

MAX_SYMBOL: Final = 40
"""Longest symbol, in characters."""

SILENT: Final = frozenset({"N.C.", "N.C", "NC", "N", "n.c.", "nc", "NoChord"})
"""How people write that no chord sounds."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: pitch classes 0..11 of root and bass, its tones in semitones above the root (a 9 is 14, a 13 is 21).

    `tones` are sorted and begin with 0; they are empty where no chord sounds (N.C.).
    """

    symbol: str
    root: int
    tones: tuple[int, ...]
    bass: int

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The notes of the chord itself, without a bass that is none of them."""
        return frozenset((self.root + tone) % 12 for tone in self.tones)

    @property
    def is_silent(self) -> bool:
        return not self.tones


class NoChord(ValueError):
    """The text is no chord symbol; says why."""


@lru_cache(maxsize=4096)
def read_chord(symbol: str, key: Key | None = None) -> Chord:
    """Return the chord that `symbol` names; numerals are degrees of `key`. Raises NoChord saying what is wrong."""
    text = _plain(symbol)
    if text in SILENT:
        return Chord(symbol, 0, (), 0)
    root, rest = _degree(text, key) if looks_like_numeral(text) else _root(text)
    if rest.startswith(":"):
        return _of_harte(symbol, root, rest[1:])
    quality, bass = _without_bass(rest)
    tones = read_quality(quality)
    if tones is None:
        hint = "part chords by blanks" if _DASHED.search(rest) else "write it as m7, maj7, 7b9 or m7b5"
        raise NoChord(f"unknown quality '{shown(quality)}' after the root; {hint}")
    return Chord(symbol, root, tones, root if bass is None else bass)


def run_together(symbol: str) -> tuple[str, ...]:
    """Return the symbols of a text that holds several without a blank (`Dm7G7`, `Dm7,G7`), or nothing if it does not.

    At least one of them must say more than a root: `BAD` is a word. A dash before a root may mean minor or only part
    the chords (`C-F`), so nothing is read.
    """
    run = _RUN.findall(symbol)
    parts = tuple(part.rstrip(",") for part in run)
    if len(parts) < 2 or "".join(run) != symbol or all(NOTE.fullmatch(part) for part in run):
        return ()
    if any(part.endswith(_DASHES) for part in parts[:-1]):
        return ()
    return parts if all(is_readable(part) for part in parts) else ()


def is_readable(symbol: str) -> bool:
    """Whether `symbol` names a chord (without a key)."""
    try:
        read_chord(symbol)
    except NoChord:
        return False
    return True


# From root to bass

_RUN: Final = re.compile(r"(?:[A-G]|NC)(?:/[A-G]|[^A-G/N])*")
_DASHES: Final = ("-", "−", "–")
_DASHED: Final = re.compile(r"-(?:[A-G]|[b#]{0,2}[IViv])")
"""A dash before another chord: `Dm7-G7`, `I-IV`."""

_ROOT: Final = re.compile(r"([A-G])(bb|##|b|#)?")
_BASS: Final = re.compile(r"/([A-G](?:bb|##|b|#)?)\Z")
_SIGNS: Final = str.maketrans(
    {"♭": "b", "♯": "#", "−": "-", "–": "-", "△": "Δ", "∆": "Δ", "^": "Δ", "°": "o", "º": "o", "Ø": "ø", "\u00a0": ""}
)


def _plain(symbol: str) -> str:
    text = symbol.strip().translate(_SIGNS).replace("𝄫", "bb").replace("𝄪", "##")
    if not text:
        raise NoChord("empty; write % for the bar before or N.C. for no chord")
    if len(text) > MAX_SYMBOL:
        raise NoChord(f"longer than {MAX_SYMBOL} characters")
    return text


def _root(text: str) -> tuple[int, str]:
    found = _ROOT.match(text)
    if found is None:
        hint = "write it in upper case" if text[0] in "abcdefg" else "roots are A to G with b or #"
        raise NoChord(f"unknown root '{shown(text[0])}'; {hint}")
    return pitch_class(found[0]), text[found.end() :]


def _degree(text: str, key: Key | None) -> tuple[int, str]:
    if key is None:
        raise NoChord("a Roman numeral, and the request has no key; give one, as C or A minor")
    found = resolved(text, key)
    if found is None:
        raise NoChord("no Roman numeral of a chord; write it as ii7, V7 or bVIImaj7")
    return found


def _without_bass(rest: str) -> tuple[str, int | None]:
    found = _BASS.search(rest)
    if found:
        return rest[: found.start()], pitch_class(found[1])
    if "/" in rest.replace("6/9", ""):
        raise NoChord(f"unknown bass '{shown(rest.rpartition('/')[2])}' after the slash; write a note, as /G")
    return rest, None


def _of_harte(symbol: str, root: int, rest: str) -> Chord:
    found = read_harte(rest)
    if found is None:
        raise NoChord(f"unknown quality '{shown(rest)}' after the colon; write it as maj, min7 or sus4(b7,9)")
    tones, bass = found
    return Chord(symbol, root, tones, (root + bass) % 12)
