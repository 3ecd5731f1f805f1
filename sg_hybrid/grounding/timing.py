"""Whether what a text says about late and early agrees with the facts, for the take as a whole. Pure.

The mean and the p95 error have no direction. What has one: `late_events`, and the signed error of each beat (late is
positive), which `beats` looks at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from sg_hybrid.errors import AiRejected

from .beats import BEATS, PARTS, check_beats
from .directions import POINTERS, Direction, directions
from .known import Known, rounds_to
from .numbers import BARS, Mention, Unit
from .shares import is_in_words
from .words import Words, vocabulary

_SOME: Final = vocabulary("some few sometimes occasional occasionally several often couple")
_ALL: Final = vocabulary("all every each always most mostly consistently constantly everything")
_TIMES: Final = {"once": 1, "twice": 2}
_COUNT_LINKS: Final = vocabulary("of out /")
_NO_AMOUNT: Final = frozenset({Unit.EVENTS, Unit.NONE, Unit.BEAT_LABEL, Unit.BAR_LABEL, Unit.ORDINAL})
_QUANTIFIER: Final = r"\b(?:all|every|everything|each|always|perfectly|both)\b"
_VERB: Final = r"\b(?:was|were|is|are|came|landed|sat)\b"
_ALL_RIGHT: Final = re.compile(
    rf"(?:{_QUANTIFIER}[^.!?;]{{0,40}}{_VERB}|{_VERB}[^.!?;]{{0,10}}{_QUANTIFIER})"
    r"[^.!?;]{0,15}\b(?:(?P<time>on time|in time)|on the (?:beat|click|grid)|in place)\b"
)
_WISHED: Final = re.compile(r"\b(?:until|so that|let|make|when|if)\b")
_WITHOUT: Final = re.compile(r"\byou (?:\w+ ){1,6}without (?:a |any )?(?:single )?late\b")
_NEARLY_ALL: Final = 99.5
"""Percent that a player calls all."""
_RIGHT_PLACES: Final = vocabulary("time place beat click grid")
_TRIGGERS: Final = POINTERS | BEATS | BARS | PARTS
_OF_A_PLACE: Final = frozenset({Unit.MS, Unit.BAR_LABEL})


def check_timing(words: Words, numbers: Sequence[Mention], known: Known) -> None:
    """Raise AiRejected if a text claims a timing that the facts do not show."""
    if not _RIGHT_PLACES.isdisjoint(words.vocabulary):
        _check_all_right(words.text, known)
    if _TRIGGERS.isdisjoint(words.vocabulary) and not any(one.unit in _OF_A_PLACE for one in numbers):
        return
    claim = _WITHOUT.search(words.text)
    if claim and not _WISHED.search(words.text, 0, claim.end()) and known.number("late_events") != 0:
        raise AiRejected("the facts do not say that nothing was late")
    found = directions(words)
    counted = [one for one in found if _is_counted(words, numbers, one, known)]
    for direction in found:
        _check_amount(words, numbers, direction, known)
    for sentence in words.sentences:
        claimed = [one for one in found if one.index in sentence and one not in counted]
        for direction in check_beats(words, sentence, numbers, claimed, known):
            _check_whole(words, direction, known)


def _check_all_right(text: str, known: Known) -> None:
    claim = _ALL_RIGHT.search(text)
    if claim is None or _WISHED.search(text, 0, claim.end()):
        return
    late, on_grid = known.number("late_events"), known.number("notes_on_grid_pct")
    right = late == 0 if claim["time"] else (on_grid or 0) >= _NEARLY_ALL
    if not right:
        raise AiRejected("the facts do not say that all of it was in place")


# Numbers with a direction


def _is_counted(words: Words, numbers: Sequence[Mention], direction: Direction, known: Known) -> bool:
    """Whether a direction belongs to a count (`37 of 412 notes came late`). Raises AiRejected for a wrong count."""
    clause = words.clause_of(direction.index)
    shares = [pair for pair in pairwise(numbers) if is_in_words(words, *pair, known)]  # `one in five`: checked already
    numbers = [one for one in numbers if not any(one in pair for pair in shares)]
    counts = [one for one in numbers if clause.start <= one.start < direction.index and _counts_notes(words, one)]
    counts += [one for one in numbers if one.unit is Unit.EVENTS and _follows(words, one, direction.index)]
    late = known.number("late_events")
    if _TIMES.get("".join(words.after(direction.index, 1)), late) != late:
        raise AiRejected("not the number of late notes")
    if not counts:
        return False
    if direction.sign < 0 or late is None:
        raise AiRejected("a count of early notes, which is not measured")
    if words.words[counts[0].start - 1 : counts[0].start + 1] == ["not", "one"]:
        counts[0] = replace(counts[0], value=0)
    if counts[0].value != late or any(one.value not in (late, known.number("total_events")) for one in counts):
        raise AiRejected(f"not the number of late notes ({counts[0].value:g})")
    return True


def _follows(words: Words, one: Mention, index: int) -> bool:
    """`late five times`, `late on five notes`"""
    return one.start > index and words.words[index + 1 : one.start] in ([], ["on"])


def _counts_notes(words: Words, one: Mention) -> bool:
    if one.unit is Unit.EVENTS:
        return True
    after = words.words[one.end : one.end + 2]
    return one.unit is Unit.NONE and after[0] in _COUNT_LINKS and after != ["out", "at"]  # `the odd one out at 11 ms`


def _check_amount(words: Words, numbers: Sequence[Mention], direction: Direction, known: Known) -> None:
    """`12 ms late` needs a beat that is 12 ms late; `two bars late` needs what nobody measured."""
    signed = [ms for ms in known.beat_errors if ms * direction.sign > 0]
    for one in numbers:
        if one.unit in _NO_AMOUNT or not _belongs(words, one, direction.index):
            continue
        if one.unit is not Unit.MS or not rounds_to(one.value, one.decimals, signed, hedged=one.hedged):
            raise AiRejected(f"no fact says {one.value:g} {one.unit} {direction.name}")


def _belongs(words: Words, one: Mention, index: int) -> bool:
    """`12 ms (too, or so) late`, `late by (about) 12 ms`"""
    if 0 <= index - one.end <= (2 if one.unit is Unit.MS else 0):
        return index in words.clause_of(one.start) and "and" not in words.words[one.end : index]
    between = words.words[index + 1 : one.start]
    return 0 < len(between) <= 3 and "by" in between


# The take as a whole


def _check_whole(words: Words, direction: Direction, known: Known) -> None:
    shown = _denial_is_shown if direction.denied else _is_shown
    if not shown(words, direction, known):
        raise AiRejected(f"the facts do not say {'that nothing was ' if direction.denied else ''}{direction.name}")


def _denial_is_shown(_words: Words, direction: Direction, known: Known) -> bool:
    if any(ms * direction.sign > 0 for ms in known.beat_errors):
        return False
    return known.number("late_events") == 0 if direction.sign > 0 else bool(known.beat_errors)


def _is_shown(words: Words, direction: Direction, known: Known) -> bool:
    near = {*words.before(direction.index, 7), *words.after(direction.index, 4)}
    late = known.number("late_events") or 0 if direction.sign > 0 else 0
    signed = [ms * direction.sign for ms in known.beat_errors]
    if not _SOME.isdisjoint(near):
        return late > 0 or any(ms > 0 for ms in signed)
    if not _ALL.isdisjoint(near):
        return all(ms > 0 for ms in signed) if signed else late * 2 > (known.number("total_events") or 0)
    return sum(signed) > 0 if signed else late > 0
