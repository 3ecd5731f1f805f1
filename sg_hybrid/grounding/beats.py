"""Claims about single beats and bars. Pure.

A beat has a figure only if the facts hold `error_by_beat_ms`; what lies between the beats, and a single bar, never has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sg_hybrid.errors import AiRejected

from .directions import BEING, Direction
from .known import Known, rounds_to
from .numbers import Mention, Unit
from .words import Words, vocabulary

_JUDGING: Final = vocabulary("weakest strongest weak steadiest tightest loosest worst best cleanest wide widest")
_WISHING: Final = vocabulary("until let make so that when where if keep have whether")
_BETWEEN: Final = vocabulary("offbeat offbeats upbeat upbeats ands")
_NAMED: Final = {"downbeat": (1,), "downbeats": (1,), "backbeat": (2, 4), "backbeats": (2, 4)}
BEATS: Final = _BETWEEN | frozenset(_NAMED) | {"beat", "beats"}
"""Words for beats."""
_NAMING: Final = _BETWEEN | frozenset(_NAMED) | {"off", "and", "last"}
_POINTING_BACK: Final = frozenset({"it", "that", "there", "which"})
_AFTER_A_PLACE: Final = frozenset({"and", "in", "again", "every"})
_BETWEEN_BEATS: Final = 0
_LAST_BEAT: Final = -1
_LAST_OF_ALL: Final = 12

Named = Mapping[float, int]
"""Beats of the bar (from 1; _BETWEEN_BEATS, _LAST_BEAT) by the place of the word that names them."""


def check_beats(
    words: Words, sentence: range, numbers: Sequence[Mention], directions: Sequence[Direction], known: Known
) -> list[Direction]:
    """Return those directions of a sentence that are about no single beat.

    Raises AiRejected for a claim about a beat or a bar that the facts do not show.
    """
    _check_bars(words, sentence, numbers, directions)
    clauses = words.clauses(sentence)
    beats = [_beats_in(words, clause, numbers) for clause in clauses]
    placed = [[one for one in directions if one.index in clause] for clause in clauses]
    rest = []
    for place, clause in enumerate(clauses):
        for direction in placed[place]:
            meant = _meant(beats[place], placed[place], direction) or _neighbour(words, clause, beats, placed, place)
            _check_direction(meant.values(), direction, known)
            rest += [] if meant else [direction]
        _check_figures(words, clause, list(beats[place].values()), numbers, known)
    return rest


# Which beats are meant


def _beats_in(words: Words, clause: range, numbers: Sequence[Mention]) -> Named:
    """Return the beats that a clause names."""
    found: dict[float, int] = {
        float(one.start): round(one.value)
        for one in numbers
        if one.start in clause and (one.unit is Unit.BEAT_LABEL or _is_beat_by_place(words, one))
    }
    for index in clause:
        if words.words[index] in _NAMING:
            found |= _named_at(words, index)
    return found


def _named_at(words: Words, index: int) -> Named:
    word, after = words.words[index], words.after(index, 2)
    if word in _NAMED:
        return {index + place / 10: beat for place, beat in enumerate(_NAMED[word])}
    if word in _BETWEEN or (word == "off" and after == ["-", "beat"]):
        return {index: _BETWEEN_BEATS}
    if word == "and" and after[:1] == ["of"] and words.before(index, 1) == ["the"]:
        return {index: _BETWEEN_BEATS}
    return {index: _LAST_BEAT} if word == "last" and after[:1] == ["beat"] else {}


def _is_beat_by_place(words: Words, one: Mention) -> bool:
    """`late on two`, `behind on 2 and 4`"""
    if one.unit is not Unit.NONE or not one.whole or not 1 <= one.value <= _LAST_OF_ALL:
        return False
    after = words.words[one.end] if one.end < len(words.words) else "."
    return words.words[one.start - 1 : one.start] == ["on"] and (after in _AFTER_A_PLACE or not after.isalnum())


def _meant(beats: Named, directions: Sequence[Direction], direction: Direction) -> Named:
    """Return those beats of a clause that a direction is about: `beat 2 is early and beat 4 late`."""
    if len(directions) < 2 or len(beats) < 2:
        return beats
    turns = [one.index for one in directions]
    place = turns.index(direction.index)
    before = min(beats) < turns[0]
    low = [-1, *turns][place] if before else direction.index
    high = direction.index if before else [*turns, max(beats) + 1][place + 1]
    return {index: beat for index, beat in beats.items() if low < index < high} or beats


def _neighbour(
    words: Words, clause: range, beats: Sequence[Named], placed: Sequence[Sequence[Direction]], place: int
) -> Named:
    """`On beat two, you are late`: return the beats of a clause beside it, if that one claims nothing itself."""
    if place and beats[place - 1] and words.words[clause.start] in _POINTING_BACK:
        return beats[place - 1]
    for other in (place - 1, place + 1):
        if 0 <= other < len(beats) and beats[other] and not placed[other]:
            return beats[other]
    return {}


# What is claimed about them


def _check_direction(beats: Iterable[int], direction: Direction, known: Known) -> None:
    for beat in beats:
        error = _error_of(beat, known)
        if error is None:
            raise AiRejected("a claim about a beat that was not measured")
        if (error * direction.sign > 0) is direction.denied:
            raise AiRejected(f"this beat is not {direction.name}" if not direction.denied else "this beat is")


def _error_of(beat: int, known: Known) -> float | None:
    measured = known.beats
    if beat == _LAST_BEAT:
        return measured[-1] if measured else None
    return measured[beat - 1] if 1 <= beat <= len(measured) else None


def _check_figures(words: Words, clause: range, beats: Sequence[int], numbers: Sequence[Mention], known: Known) -> None:
    """A size or a judgement of a beat needs that beat's own figure."""
    sizes = [one for one in numbers if one.unit is Unit.MS and one.start in clause]
    if not beats or not (sizes or _is_judged(words, clause)):
        return
    errors = [error for beat in beats if (error := _error_of(beat, known)) is not None]
    if len(errors) < len(beats):
        raise AiRejected("a claim about a beat that was not measured")
    if sizes and not any(rounds_to(one.value, one.decimals, errors, hedged=one.hedged) for one in sizes):
        raise AiRejected("not the error of this beat")


def _is_judged(words: Words, clause: range) -> bool:
    """`beat two is loose`, but not `until beat two is settled`."""
    return any(words.words[index] in BEATS and _is_claimed(words, index, words.after(index, 4)) for index in clause)


def _is_claimed(words: Words, index: int, after: Sequence[str]) -> bool:
    return _WISHING.isdisjoint(words.before(index, 6)) and not (BEING | _JUDGING).isdisjoint(after)


def _check_bars(words: Words, sentence: range, numbers: Sequence[Mention], directions: Sequence[Direction]) -> None:
    for one in numbers:
        if one.unit is not Unit.BAR_LABEL or one.start not in sentence:
            continue
        if directions or _is_claimed(words, one.start, words.after(one.end - 1, 4)):
            raise AiRejected("a claim about a bar: nothing was measured for a single bar")
