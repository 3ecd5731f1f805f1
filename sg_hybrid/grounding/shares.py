"""Shares of the notes: percentages, `37 of 412`, `three out of four`, `half of your notes`. Pure.

The facts hold two: how many notes sit on the grid, and how many strokes met the clave. They say what was right, so a
share of what was missed or early stands in no fact. Of late notes the count stands there and no percentage, but a share
in words may be told (`one in five`): it is that count of all notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import dropwhile
from typing import Final

from sg_hybrid.errors import AiRejected

from .known import Known, rounds_to
from .numbers import NOTES, Mention, Unit
from .words import Words, vocabulary

_SUBJECTS: Final = {"clave": "clave_hit_pct", "grid": "notes_on_grid_pct"}
_WRONG: Final = vocabulary("missed miss misses missing off outside wrong astray failed dropped")
_DIRECTIONS: Final = vocabulary("late early behind ahead rushed dragged")
_LATE: Final = vocabulary("late behind")
_NOT_LATE: Final = vocabulary("not never weren't wasn't aren't isn't neither nor without clave grid")
_EXPLAINING: Final = vocabulary(", - ( : that that's is about roughly nearly almost some or so")
_STOPS: Final = frozenset({".", "!", "?", ";", ",", "percent", "%"})
_PAIRED: Final = frozenset(
    {
        *(("of",), ("out", "of"), ("of", "your"), ("of", "the"), ("of", "all"), ("of", "all", "your"), ("/",)),
        *(("out", "of", "your"), ("out", "of", "the"), ("in",), ("from",)),
    }
)
_COUNTED: Final = (Unit.NONE, Unit.EVENTS)
_COUNTED_WORDS: Final = NOTES | {"late"}
_WHOLE: Final = 100
_MOST: Final = 95
_ABOUT: Final = 5.0
"""How far a share in words may be from the percentage that it stands for."""
_LARGE: Final = 8
"""A whole above it is no handful."""
_FRACTION: Final = re.compile(
    r"\b(?:(?P<count>a|one|two|three|four) )?(?P<part>half|halves|thirds?|quarters?|fourths?|fifths?|tenths?)"
    r" (?:of )?(?:all )?(?:of )?(?:your|them|those|these|what you)\b"
)
_PART_WORDS: Final = vocabulary("half halves third thirds quarter quarters fourth fourths fifth fifths tenth tenths")
_PARTS: Final = {"hal": 2, "thi": 3, "qua": 4, "fou": 4, "fif": 5, "ten": 10}
_COUNTS: Final = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4}


def check_percent(words: Words, one: Mention, known: Known) -> None:
    """Raise AiRejected unless a percentage stands in the facts, about the same thing."""
    clause = words.clause_of(one.start)
    if one.value == _MOST and "within" in words.words[clause.start : clause.stop]:
        return  # that is what the p95 says; its milliseconds are checked by themselves
    shares = _shares(words, one.start, one.end, known)
    if one.sign or not rounds_to(one.value, one.decimals, shares, hedged=one.hedged):
        raise AiRejected(f"a percentage that stands in no fact ({one.value:g} %)")


def check_late_count(words: Words, one: Mention, known: Known) -> None:
    """Raise AiRejected if a number of notes is given for what was missed (`you missed 37 notes`)."""
    clause = words.clause_of(one.start)
    said = words.words[clause.start : clause.stop]
    counted = one.value > _LARGE and one.value in known.numbers("late_events", "total_events")
    if (counted and not _WRONG.isdisjoint(said)) or words.words[one.start - 1 : one.start] == ["missed"]:
        raise AiRejected(f"a count of missed notes, which is not measured ({one.value:g})")


def check_fractions(words: Words, known: Known) -> None:
    """Raise AiRejected for `half of your notes` if no fact is near; `half of the notes` claims nothing."""
    if _PART_WORDS.isdisjoint(words.vocabulary):
        return
    for found in _FRACTION.finditer(words.text):
        percent = _WHOLE * _COUNTS[found["count"] or "a"] / _PARTS[found["part"][:3]]
        rest = Words(words.text[found.end() :])
        if not any(abs(percent - share) <= _ABOUT for share in _shares_in_words(rest, 0, 0, known)):
            raise AiRejected(f"a share that stands in no fact ({found.group()})")


def pair_fits(words: Words, one: Mention, whole: Mention, known: Known) -> bool:
    """Return whether two numbers are a share of the facts together; False leaves each of them to its own check.

    Raises AiRejected for a share that is none.
    """
    between = tuple(dropwhile(_COUNTED_WORDS.__contains__, words.words[one.end : whole.start]))
    if between not in _PAIRED or one.unit is Unit.PERCENT:  # `61 % of 412 notes`: two facts, not a share of them
        return False
    if between == ("/",) and _is_meter(one, whole, known):
        return True
    if whole.value > _LARGE and whole.value in known.numbers("total_events"):
        return _or_refused(_is_late_share(words, one, whole, known), one, whole)
    if whole.value == _WHOLE:
        shares = [*_shares(words, one.start, whole.end, known), *known.numbers("score")]
        return _or_refused(rounds_to(one.value, one.decimals, shares), one, whole)
    if between == ("/",) or (between[0] in ("out", "in") and one.unit is Unit.NONE and whole.unit in _COUNTED):
        return _or_refused(_is_near(words, one, whole, known), one, whole)
    return False


def is_in_words(words: Words, one: Mention, whole: Mention, known: Known) -> bool:
    """Return whether two numbers are a share of any notes (`one in five`), and no count of this take's notes."""
    between = words.words[one.end : whole.start]
    in_words = between[:1] in (["in"], ["out"]) and tuple(between) in _PAIRED
    return in_words and whole.value != known.number("total_events")


def _is_meter(one: Mention, whole: Mention, known: Known) -> bool:
    """`4/4` if that is the meter; `1/8` as a note value"""
    written = f"{one.value:g}/{whole.value:g}"
    return written == known.meter or written in ("1/2", "1/4", "1/8", "1/16")


def _is_late_share(words: Words, one: Mention, whole: Mention, known: Known) -> bool:
    after = _up_to_stop(words.words[whole.end :])
    about_late = _DIRECTIONS.isdisjoint(after) or "late" in after or "behind" in after
    return one.value in known.numbers("late_events") and about_late and _WRONG.isdisjoint(after)


def _is_near(words: Words, one: Mention, whole: Mention, known: Known) -> bool:
    if whole.value <= 0 or whole.value < one.value:
        return False
    tolerance = min(_WHOLE / 2 * 10.0**-one.decimals / whole.value, _ABOUT)
    percent = _WHOLE * one.value / whole.value
    return any(abs(percent - share) <= tolerance for share in _shares_in_words(words, one.start, whole.end, known))


def _or_refused(fits: bool, one: Mention, whole: Mention) -> bool:
    if not fits:
        raise AiRejected(f"a share that stands in no fact ({one.value:g} of {whole.value:g})")
    return True


def _shares_in_words(words: Words, start: int, end: int, known: Known) -> list[float]:
    """Return what `_shares` does, and the share of the late notes for what is said of those."""
    said = _up_to_stop(words.words[end:]) or _said_before(words, start)
    pointed = [word for word in said if word in _DIRECTIONS]
    if not pointed or not _LATE.issuperset(pointed) or not (_NOT_LATE.isdisjoint(said) and _WRONG.isdisjoint(said)):
        return _shares(words, start, end, known)
    late, total = known.number("late_events"), known.number("total_events")
    return [_WHOLE * late / total] if late is not None and total else []


def _said_before(words: Words, start: int) -> list[str]:
    """Return the clause before a share that explains it (`18 notes came late, that's one in five`)."""
    before = dropwhile(_EXPLAINING.__contains__, reversed(words.words[:start]))
    return _up_to_stop(before)


def _shares(words: Words, start: int, end: int, known: Known) -> list[float]:
    """Return the percentages that a share between `start` and `end` can be about; none if it is about what missed."""
    after = _up_to_stop(words.words[end:])
    if not _WRONG.isdisjoint(after):
        return []
    subject = _first(after, _SUBJECTS)
    if not _DIRECTIONS.isdisjoint(after[: after.index(subject)] if subject else after):
        return []
    subject = subject or _first(_up_to_stop(reversed(words.words[:start])), _SUBJECTS)
    return known.numbers(*([_SUBJECTS[subject]] if subject else _SUBJECTS.values()))


def _up_to_stop(words: Iterable[str]) -> list[str]:
    """Return the words up to the end of the clause or the next number."""
    kept: list[str] = []
    for word in words:
        if word in _STOPS or word[0].isdecimal():
            break
        kept.append(word)
    return kept


def _first(words: Iterable[str], wanted: Mapping[str, str]) -> str | None:
    return next((word for word in words if word in wanted), None)
