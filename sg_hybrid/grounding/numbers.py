"""The numbers of a text with what they count. Pure.

41.5 ms   0.04 s   40-50 ms   61 %   0.61   108 BPM   a tempo of 108   37 of 412 notes   beat 3   the third beat
bar 12    4/4      16th notes   two thirds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from .directions import POINTERS
from .numerals import Numeral, numerals
from .words import Words, vocabulary


class Unit(StrEnum):
    """What a number counts."""

    NONE = ""
    MS = "ms"
    PERCENT = "percent"
    BPM = "bpm"
    POINTS = "points"
    EVENTS = "notes"
    BARS = "bars"
    DIVISIONS = "divisions"
    """`a grid of 16`"""
    BEATS = "beats"
    BEAT_LABEL = "beat"
    """`beat 3`"""
    BAR_LABEL = "bar"
    """`bar 12`"""
    ORDINAL = "ordinal"
    """`the third …`"""
    NOTE_VALUE = "note value"
    """`16th notes`"""
    FRACTION = "fraction"
    """`two thirds`"""
    FOREIGN = "foreign"
    """A unit that no fact has."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One number: its value (seconds as ms), how many decimals it was written with, and the words it stands in."""

    value: float
    decimals: int
    unit: Unit
    start: int
    end: int
    """Index after its last word, the unit included."""
    sign: int = 0
    hedged: bool = False
    """It is said to be only about so much."""

    @property
    def whole(self) -> bool:
        return self.decimals <= 0 and self.value % 1 == 0


BARS: Final = vocabulary("bar bars measure measures")
"""Words for bars."""
NOTES: Final = vocabulary(
    "note notes event events stroke strokes hit hits onset onsets attack attacks chord chords pluck plucks strum strums"
)
_UNITS: Final = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds", "millis"), Unit.MS),
    **dict.fromkeys(("%", "percent", "pct", "percentage"), Unit.PERCENT),
    **dict.fromkeys(("point", "points"), Unit.POINTS),
    **dict.fromkeys(BARS, Unit.BARS),
    **dict.fromkeys(("beat", "beats"), Unit.BEATS),
    **dict.fromkeys(("st", "nd", "rd", "th", "ths"), Unit.ORDINAL),
    **dict.fromkeys(("third", "thirds", "quarter", "quarters", "fifth", "fifths", "tenth", "tenths"), Unit.FRACTION),
    **dict.fromkeys(("half", "halves"), Unit.FRACTION),
    **dict.fromkeys(("grid", "divisions"), Unit.DIVISIONS),
    "bpm": Unit.BPM,
    **dict.fromkeys(
        vocabulary(
            """
            minute minutes min mins hour hours day days week weeks month months year years hz khz db decibel decibels
            cent cents semitone semitones octave octaves fret frets inch inches cm mm km mph kg g degree degrees dollar
            dollars euro euros usd tokens token $ € £ ° # & @ ^ * = +
            """
        ),
        Unit.FOREIGN,
    ),
}
_CAME: Final = vocabulary("came come were are late early")
"""After a bare number: notes are counted (`37 came late`)."""
_SECONDS: Final = frozenset({"s", "sec", "secs", "second", "seconds"})
_LABELS: Final = dict.fromkeys(("beat", "beats"), Unit.BEAT_LABEL) | dict.fromkeys(BARS, Unit.BAR_LABEL)
_KEYWORDS: Final = {
    **dict.fromkeys(("tempo", "metronome", "click", "bpm", "speed", "pace"), Unit.BPM),
    **dict.fromkeys(("score", "scored", "scores"), Unit.POINTS),
    "grid": Unit.DIVISIONS,
}
_LINKS: Final = frozenset({"to", "at", "of", "is", "was", "=", ":", "around", "about", "near", "a"})
_SLOWEST: Final = 30
"""From here on a bare number after `at` or `to` can only be a tempo."""
_JOINTS: Final = frozenset({"-", "to", "and", "or", "/", ",", "until", "till", "through", "by"})
_HEDGES: Final = vocabulary("about around roughly nearly almost approximately some near ~ circa")
_BREAKS: Final = _JOINTS | vocabulary("of in on the a your per then for")
_BEAT_UNDERSTOOD: Final = vocabulary("a is comes came was late early too drags rushes and")
_OWN_UNIT: Final = frozenset({Unit.ORDINAL, Unit.NOTE_VALUE, Unit.FRACTION, Unit.BEAT_LABEL, Unit.BAR_LABEL})


def mentions(words: Words) -> list[Mention]:
    """Return the numbers of a text in order. Raises AiRejected for one that cannot be read."""
    found = [_mention(words.words, numeral) for numeral in numerals(words.words)]
    for place in range(len(found) - 2, -1, -1):
        found[place] = _with_unit_of_next(words.words, found[place], found[place + 1])
    for place in range(1, len(found)):
        found[place] = _with_label_of_last(words.words, found[place - 1], found[place])
    return found


def _mention(words: Sequence[str], numeral: Numeral) -> Mention:
    value, decimals, start, end, ordinal = numeral
    if ordinal:
        return _ordinal(words, Mention(value, 0, Unit.ORDINAL, start, end))
    unit, end = _unit_after(words, end)
    if unit is Unit.ORDINAL:
        return _ordinal(words, Mention(value, decimals, unit, start, end))
    if unit is Unit.NONE or (unit is Unit.EVENTS and _at(words, end) in {*_CAME, "-"}):  # `beat 3 late` counts no notes
        unit = _unit_before(words, start) or unit
    if unit is Unit.NONE and value >= _SLOWEST and words[max(0, start - 2) : start][-1:] in (["at"], ["to"]):
        unit = Unit.NONE if words[max(0, start - 2)] == "count" else Unit.BPM  # `steady at 104`, `push to 108`
    if _at(words, end) == "times" and start and words[start - 1] in POINTERS:
        unit = Unit.EVENTS  # `late five times`
    if unit is Unit.MS and words[end - 1] in _SECONDS:
        value, decimals = value * 1000, decimals - 3
    before = words[max(0, start - 2) : start]
    hedged = not _HEDGES.isdisjoint(before) or before in (["just", "under"], ["just", "over"])
    return Mention(value, decimals, unit, start, end, _sign(words, start), hedged)


def _ordinal(words: Sequence[str], number: Mention) -> Mention:
    after = _at(words, number.end)
    if after in ("beat", "beats"):
        return replace(number, unit=Unit.BEAT_LABEL, end=number.end + 1)
    if after in BARS:
        return replace(number, unit=Unit.BAR_LABEL, end=number.end + 1)
    return replace(number, unit=Unit.NOTE_VALUE) if number.value in (8, 16) else number


def _sign(words: Sequence[str], start: int) -> int:
    """Return -1 or +1 for an explicit sign; a dash after a word or a number is no sign."""
    before = words[start - 1] if start else ""
    if before in ("minus", "plus"):
        return -1 if before == "minus" else 1
    if before not in ("-", "+") or (start > 1 and words[start - 2][-1].isalnum()):
        return 0
    return -1 if before == "-" else 1


def _unit_after(words: Sequence[str], end: int) -> tuple[Unit, int]:
    """Return the unit that stands after a number, and the index after it."""
    index = end + 1 if _at(words, end) == "-" else end
    first = _at(words, index)
    if first == "per" and _at(words, index + 1) == "cent":
        return Unit.PERCENT, index + 2
    if _at(words, index + 1) == "per" and _at(words, index + 2) == "minute":
        return Unit.BPM, index + 3
    if first in _SECONDS:
        return Unit.MS, index + 1
    if first == "of" and _at(words, index + 1) == "them":
        return Unit.EVENTS, end
    if first in _UNITS:
        return _UNITS[first], index + 1
    return (Unit.EVENTS if first in _CAME else _noun_after(words[index : index + 3])), end


def _noun_after(after: Sequence[str]) -> Unit:
    """Return the unit of a noun that follows within three words (`four easy bars`)."""
    for word in after:
        if word in NOTES:
            return Unit.EVENTS
        if word in BARS:
            return Unit.BARS
        if word in _BREAKS or not word.isalpha():
            break
    return Unit.NONE


def _unit_before(words: Sequence[str], start: int) -> Unit:
    """Return the unit that a word before a bare number gives it (`beat 3`, `a tempo of 108`)."""
    place = start - 1 if start > 1 and words[start - 1] in ("#", "-") else start  # `beat #3`, `beat-3`
    before = words[place - 1] if place else ""
    if before in _LABELS:
        return _LABELS[before]
    index = start - 1
    while index >= max(0, start - 3) and words[index] in _LINKS:
        index -= 1
    return _KEYWORDS.get(words[index], Unit.NONE) if index >= 0 else Unit.NONE


def _with_unit_of_next(words: Sequence[str], one: Mention, following: Mention) -> Mention:
    """In a range or a list (`40 to 50 ms`) the unit stands once and holds for all."""
    between = words[one.end : following.start]
    if one.unit is not Unit.NONE or following.unit in _OWN_UNIT or not _is_joint(between):
        return one
    if following.unit is Unit.MS and words[following.end - 1] in _SECONDS:
        return replace(one, value=one.value * 1000, decimals=one.decimals - 3, unit=Unit.MS)
    return replace(one, unit=following.unit)


def _with_label_of_last(words: Sequence[str], last: Mention, one: Mention) -> Mention:
    """`beats 2 and 4`, `your fourth beat is late, your second early`"""
    if last.unit not in (Unit.BEAT_LABEL, Unit.BAR_LABEL):
        return one
    after = _at(words, one.end)
    understood = last.end < one.start and (after in _BEAT_UNDERSTOOD or not after.isalnum())  # not: `fix beat 3 first`
    listed = one.unit in (Unit.NONE, Unit.EVENTS) and _is_joint(words[last.end : one.start])
    return replace(one, unit=last.unit) if listed or (one.unit is Unit.ORDINAL and understood) else one


def _is_joint(between: Sequence[str]) -> bool:
    return 0 < len(between) <= 2 and _JOINTS.issuperset(between)


def _at(words: Sequence[str], index: int) -> str:
    return words[index] if index < len(words) else ""
