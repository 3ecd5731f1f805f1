"""Whether the numbers of a text stand in the facts, each with its unit. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sg_hybrid.errors import AiRejected

from .beats import BEATS
from .known import Known, rounds_to
from .numbers import Mention, Unit, mentions
from .numerals import has_number, readable
from .shares import check_fractions, check_late_count, check_percent, pair_fits
from .words import Words, vocabulary

MAX_COUNT: Final = 8
"""Largest count that needs no fact: bars to loop, times to repeat, notes to play."""
_SHORTEST_LABEL: Final = 4
_CALLED: Final = {
    "timing_mean_ms": vocabulary("average averaged averages averaging mean typical typically"),
    "timing_p95_ms": vocabulary("widest worst loosest farthest furthest largest biggest outliers p95 within"),
}
_OF_ALL_NOTES: Final = re.compile(r"\b(?:all|every|each|none)(?: \w+){0,2} (?:notes?|chords?|strokes?|strums?)\b")
_NAMING_A_BEAT: Final = frozenset({Unit.BEAT_LABEL, Unit.ORDINAL, Unit.NONE})


def with_readable_numbers(words: Words, known: Known) -> Words:
    """Return a text as `check_amounts` reads it. Raises AiRejected for a number that has no readable form."""
    if not has_number(words):
        return words
    text = readable(_without_label(words.text, known))
    return words if text is words.text else Words(text)


def check_amounts(words: Words, known: Known) -> list[Mention]:
    """Return the numbers of a text. Raises AiRejected if one of them does not stand in the facts."""
    check_fractions(words, known)
    if not has_number(words):
        return []
    found, place = mentions(words), 0
    while place < len(found):
        place += _check_at(words, found, place, known)
    return found


def _without_label(text: str, known: Known) -> str:
    """A program's name may hold digits (`blues_12bar`); they say nothing about the take."""
    label = known.label
    named = len(label) >= _SHORTEST_LABEL and label in text and any(map(str.isdecimal, label))
    return text.replace(label, "it") if named else text


def _check_at(words: Words, found: Sequence[Mention], place: int, known: Known) -> int:
    """Check the number at `place`, or it and the next one if they are a pair; return how many were checked."""
    one = found[place]
    if place + 1 < len(found) and pair_fits(words, one, found[place + 1], known):
        return 2
    if one.unit is Unit.EVENTS:
        check_late_count(words, one, known)
    if one.unit is Unit.PERCENT:
        check_percent(words, one, known)
    elif one.unit is Unit.MS:
        _check_ms(words, one, _beat_errors(words, found, known), known)
    elif not _FITS[one.unit](one, known):
        raise AiRejected(f"a number that stands in no fact ({one.value:g} {one.unit})".replace(" )", ")"))
    return 1


def _beat_errors(words: Words, found: Sequence[Mention], known: Known) -> list[float]:
    """Return the errors of the beats (ms); none for a text that names no beat (`beat 3`, `the third`, `on two`)."""
    named = not BEATS.isdisjoint(words.vocabulary) or any(one.unit in _NAMING_A_BEAT for one in found)
    return known.beat_errors if named else []


def _check_ms(words: Words, one: Mention, beats: Sequence[float], known: Known) -> None:
    """What is called an average is the mean, what is called wide is the p95; what has a sign is a beat's."""
    if one.sign:
        facts = [ms for ms in beats if ms * one.sign > 0]
    else:
        clause = words.clause_of(one.start)
        said = words.words[clause.start : clause.stop]
        if "within" in said and _OF_ALL_NOTES.search(" ".join(said)):
            raise AiRejected("how far the last of the notes was off, which is not measured")
        names = [name for name, called in _CALLED.items() if not called.isdisjoint(said)]
        facts = [*known.numbers(*(names or _CALLED)), *beats]
    if not rounds_to(one.value, one.decimals, facts, hedged=one.hedged):
        raise AiRejected(f"a time that stands in no fact ({one.value:g} ms)")


def _fits_bpm(one: Mention, known: Known) -> bool:
    """The tempo of the take, that of the next round, or the step between them."""
    delta, following = known.tempo_delta, known.next_bpm
    if one.sign:
        return rounds_to(one.value, one.decimals, [] if delta is None or delta * one.sign < 0 else [delta])
    facts = (known.number("bpm"), following, delta)
    return rounds_to(one.value, one.decimals, [bpm for bpm in facts if bpm is not None])


def _fits_points(one: Mention, known: Known) -> bool:
    if one.sign:
        return rounds_to(
            one.value, one.decimals, [trend for trend in known.numbers("score_trend") if trend * one.sign >= 0]
        )
    return rounds_to(one.value, one.decimals, known.numbers("score", "score_trend"), hedged=one.hedged)


def _is_small(one: Mention) -> bool:
    return one.whole and one.value <= MAX_COUNT and not one.sign


def _fits_count(*names: str) -> Callable[[Mention, Known], bool]:
    """A small count, or one of the named facts."""

    def fits(one: Mention, known: Known) -> bool:
        if one.sign or _is_small(one):
            return not one.sign
        return rounds_to(one.value, one.decimals, known.numbers(*names), hedged=one.hedged)

    return fits


def _fits_beat(one: Mention, known: Known) -> bool:
    return one.whole and 1 <= one.value <= max(known.beats_in_a_bar, len(known.beats))


def _fits_bar(one: Mention, known: Known) -> bool:
    return one.whole and 1 <= one.value <= (known.number("bars") or MAX_COUNT)


def _fits_bare(one: Mention, known: Known) -> bool:
    return _is_small(one) or (one.value < 1 and one.decimals > 0 and _fits_ratio(one, known))


def _fits_ratio(one: Mention, known: Known) -> bool:
    """0.61 is 61 %; 0.02 may also be how much harder the next round is."""
    difficulty = known.difficulty_delta or 0.0
    deltas = [difficulty] if difficulty * (one.sign or difficulty) >= 0 else []
    ratios = [] if one.sign else [percent / 100 for percent in known.numbers("notes_on_grid_pct", "clave_hit_pct")]
    return rounds_to(one.value, one.decimals, ratios + deltas)


_FITS: Final[Mapping[Unit, Callable[[Mention, Known], bool]]] = MappingProxyType(
    {
        Unit.NONE: _fits_bare,
        Unit.BPM: _fits_bpm,
        Unit.POINTS: _fits_points,
        Unit.EVENTS: _fits_count("late_events", "total_events"),
        Unit.BARS: _fits_count("bars"),
        Unit.DIVISIONS: _fits_count("grid"),
        Unit.BEATS: _fits_count(),
        Unit.BEAT_LABEL: _fits_beat,
        Unit.BAR_LABEL: _fits_bar,
        Unit.ORDINAL: _fits_count(),
        Unit.NOTE_VALUE: lambda _one, _known: True,
        Unit.FRACTION: _fits_count(),
        Unit.FOREIGN: lambda _one, _known: False,
    }
)
