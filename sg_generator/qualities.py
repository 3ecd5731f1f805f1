"""The quality of a chord symbol, what stands between root and bass: `m7b5`, `maj9#11`, `79b13b`, `sus7913`. Pure.

A quality is a few words (third, seventh, suspension, alterations, additions) in any sensible order. What contradicts
itself is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(
    r"""(?:no|omit)(?P<omitted>3|5)
      | (?P<half>half-?dim7?|h(?:dim)?7?|ø7?)
      | (?P<dim7>(?:dim|o)7(?!M))
      | (?P<dim>dim|o)
      | (?P<major>[Mm]aj(?:or)?|MAJ|(?:[Mm]a|MA)(?!dd)|M(?![Ii])|j|Δ)
      | (?P<minor>[Mm]in(?:or)?|MIN|[Mm]i|MI|m|(?<!.)-(?!5))
      | (?P<sus>sus)(?P<suspended>24|42|[24])?
      | add(?P<added>[b#]?(?:2|4|6|9|11|13))
      | (?P<alt>alt)
      | (?P<brazilian>7M)
      | (?P<altered>(?:[b#-]|(?<=.)\+)(?:5|6|9|11|13)(?!\d))
      | (?P<aug>aug|\+5?)
      | (?P<number>69|11|13|2|4|5|6|7|9)
    """,
    re.VERBOSE,
)
_TAIL: Final = re.compile(r"(?:sus[24]?|\+|aug)\Z")
_AFTER: Final = re.compile(r"(?P<trailing>(?:9|11|13)[b#]?)|(?P<altered>[b#](?:5|9|11|13))")
_SEMITONES: Final = {"2": 14, "4": 17, "5": 7, "6": 9, "9": 14, "11": 17, "13": 21}
_SHIFT: Final = {"b": -1, "-": -1, "#": 1, "+": 1}
_LIST_SIGNS: Final = str.maketrans({"(": ",", ")": ",", " ": None})
_IMPLY_A_SEVENTH: Final = frozenset({13, 15, 20})


@lru_cache(maxsize=1024)
def read_quality(text: str) -> tuple[int, ...] | None:
    """Return the tones of what stands between root and bass, or None if it cannot be read."""
    if not _closes_what_it_opens(text):
        return None
    plain = text.replace("6/9", "69").translate(_LIST_SIGNS).strip(",")
    quality = _Quality()
    for kind, value in _words(plain):
        if not quality.take(kind, value):
            return None
    return quality.tones()


def _closes_what_it_opens(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Scan a quality; what fits no word comes as the kind `unknown`.

    Parts of a list are read apart: `maj7,9,#11` has a natural nine.
    """
    place = 0
    for part in text.split(","):
        yield from _words_of_part(text, place, place + len(part))
        place += len(part) + 1


def _words_of_part(text: str, place: int, end: int) -> Iterator[tuple[str, str]]:
    """Scan a part of a quality, from `place` to `end`.

    In `79b13` and `9b11#` accidentals follow their numbers, in `13b9` they precede them. The first way is told by a
    number directly behind another, or by an accidental at the end. In a list a number is an extension by itself.
    """
    after = bool(_TAIL.sub("", text[place:end]).endswith(("b", "#")))
    is_listed = place > 0
    while place < end:
        here = _AFTER.match(text, place, end) if after else None
        found = here or _WORD.match(text, place, end)
        if found is None or found.lastgroup is None:
            yield "unknown", text[place:end]
            return
        kind, value, place = found.lastgroup, found[found.lastgroup], found.end()
        after = after or (kind == "number" and text.startswith(("9", "11", "13"), place))
        yield ("trailing" if is_listed and kind == "number" and value in ("9", "11", "13") else kind), value
        is_listed = False


class _Quality:
    """A quality as it is put together, word by word."""

    def __init__(self) -> None:
        self._third: int | None = 4
        self._fifths = {7}
        self._has_major = self._is_jazz_major = False
        self._seventh: int | None = None
        self._rest: set[int] = set()
        self._seen: set[str] = set()

    def take(self, kind: str, value: str) -> bool:
        """Add a word; return False if it makes no sense here."""
        handler = getattr(self, f"_take_{kind}", None)
        if handler is None or (kind in self._seen and kind in _ONCE):
            return False
        self._seen.add(kind)
        return handler(value) is not False

    def tones(self) -> tuple[int, ...]:
        """Return what was put together, in semitones above the root, ascending."""
        if self._is_jazz_major and self._seventh is None and 9 not in self._rest:
            self._seventh = 11
        if (
            self._seventh is None
            and self._rest & _IMPLY_A_SEVENTH
            and 9 not in self._rest
            and "added" not in self._seen
        ):
            self._seventh = 10
        found = {0, *self._fifths, *self._rest}
        found |= {tone for tone in (self._third, self._seventh) if tone is not None}
        return tuple(sorted(found))

    def _take_half(self, _: str) -> None:
        self._third, self._fifths, self._seventh = 3, {6}, 10

    def _take_dim7(self, _: str) -> None:
        self._third, self._fifths, self._seventh = 3, {6}, 9

    def _take_dim(self, _: str) -> None:
        self._third, self._fifths = 3, {6}

    def _take_major(self, value: str) -> bool:
        self._has_major = True
        self._is_jazz_major = value in ("j", "Δ")
        return "number" not in self._seen

    def _take_brazilian(self, _: str) -> None:
        self._has_major, self._seventh = True, 11

    def _take_minor(self, _: str) -> bool:
        self._third = 3
        return not self._seen & {"number", "major", "dim", "aug"}

    def _take_aug(self, _: str) -> None:
        self._fifths = {8}

    def _take_alt(self, _: str) -> None:
        self._fifths, self._seventh = {8}, 10
        self._rest.add(15)

    def _take_sus(self, _: str) -> None:
        self._suspend("4")

    def _take_suspended(self, value: str) -> None:
        self._suspend(value)

    def _suspend(self, steps: str) -> None:
        self._third = None
        self._rest |= {{"2": 2, "4": 5}[step] for step in steps}

    def _take_added(self, value: str) -> None:
        self._rest.add(_shifted(value))

    def _take_omitted(self, value: str) -> None:
        if value == "3":
            self._third = None
        else:
            self._fifths = set()

    def _take_altered(self, value: str) -> None:
        self._put(value[1:], _SHIFT[value[0]])

    def _take_trailing(self, value: str) -> bool:
        number = value.rstrip("b#")
        if _SEMITONES[number] in self._rest:
            return False
        self._put(number, _SHIFT.get(value[-1], 0))
        if self._seventh is None and 9 not in self._rest:
            self._seventh = 11 if self._has_major else 10
        return True

    def _put(self, number: str, shift: int) -> None:
        if number == "5":
            self._fifths = {7 + shift} if "altered_5" not in self._seen else self._fifths | {7 + shift}
            self._seen.add("altered_5")
        else:
            tone = _SEMITONES[number] + shift
            self._rest -= {_SEMITONES[number]} if shift and number != "6" else set()
            self._rest.add(tone)

    def _take_number(self, value: str) -> bool:
        if value == "5":
            self._third = None
            return len(self._seen) == 1
        if value in ("2", "4"):
            self._rest.add(_SEMITONES[value])
            return self._seen <= {"number", "minor", "major"}
        if value in ("6", "69"):
            self._rest |= {9, 14} if value == "69" else {9}
            return True
        if self._seventh != 9:
            self._seventh = 11 if self._has_major else 10
        elif self._has_major:  # o7(maj7): both stand
            self._rest.add(11)
        self._extend(value)
        return True

    def _extend(self, value: str) -> None:
        if value in ("9", "11", "13"):
            self._rest.add(14)
        if value == "11":
            self._rest.add(17)
        if value == "13":
            self._rest.add(21)


_ONCE: Final = frozenset({"half", "dim", "dim7", "major", "minor", "alt", "sus", "suspended", "number"})


def _shifted(value: str) -> int:
    number = value.lstrip("b#")
    return _SEMITONES[number] + _SHIFT.get(value[0], 0)
