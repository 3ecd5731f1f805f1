"""Claims about single beats and bars. Pure.

A beat has a figure only if the facts hold `error_by_beat_ms`; what lies between the beats, and a single bar, never has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from sg_hybrid.errors import AiRejected

from .directions import BEING, Direction
from .known import Known, rounds_to
from .numbers import BARS, Mention, Unit
from .words import ENDS, Words, vocabulary

_WORST: Final = vocabulary("latest weakest loosest worst widest largest biggest")
_BEST: Final = vocabulary("strongest steadiest tightest best cleanest smallest")
_JUDGING: Final = _WORST | _BEST | vocabulary("weak wide")
_TELLING: Final = (_JUDGING - {"weak"}) | vocabulary(  # `the weak beats` are those between the strong ones
    """
    was were lost losing missed slip slips slipped slipping wobble wobbles struggle struggles struggled trouble error
    errors needs stands rarely tend apart worse
    """
)
"""Words that make a claim of a clause, wherever they stand in it."""
_LACKING: Final = vocabulary("work attention care help practice repair fixing")
"""After `needs`: what is not as it should be. `Each bar needs a clear downbeat` only says how to play."""
_METHODS: Final = vocabulary("way ways bet results fix move step plan improvement approach exercise drill practice")
"""After `best`: how to practise, not how it was played."""
_WISHING: Final = vocabulary("until let make so that when where if keep have whether don't dont avoid")
_BETWEEN: Final = vocabulary("offbeat offbeats upbeat upbeats ands upstroke upstrokes downstroke downstrokes")
_NAMED: Final = {"downbeat": (1,), "downbeats": (1,), "backbeat": (2, 4), "backbeats": (2, 4)}
BEATS: Final = _BETWEEN | frozenset(_NAMED) | {"beat", "beats"}
"""Words for beats."""
_NAMING: Final = _BETWEEN | frozenset(_NAMED) | {"off", "and", "last"}
_OF_EACH: Final = vocabulary("both all each every")
_IN_A_LIST: Final = 3
"""So many words from one beat to the next at most: `beat 2 and beat 4`."""
_COMPARED: Final[Mapping[str, Callable[[float], float]]] = {
    "later": lambda error: error,
    "earlier": lambda error: -error,
    **dict.fromkeys(("further", "farther", "looser", "weaker", "wider", "worse", "shakier"), abs),
    **dict.fromkeys(("closer", "nearer", "tighter", "steadier", "cleaner", "better"), lambda error: -abs(error)),
}
"""What is the larger one of two beats' errors, by the word that compares them."""
_OTHERS: Final = vocabulary("any all others other rest")
_SUBJECTS: Final = frozenset({"it", "it's"})
_POINTING_BACK: Final = _SUBJECTS | {"that", "that's", "there", "which"}
_HELPING: Final = vocabulary("helps keeps gives lets makes stops will can")
"""After `it`: what to do is meant, not the beat."""
_AT_AN_END: Final = vocabulary("first last final opening closing")
_NTH: Final = _AT_AN_END | {"second"}
PARTS: Final = vocabulary("half section part phrase chorus")
"""After `first`, `second` or `last`: a part of the take, and no part of it was measured by itself."""
_ENDS_OF_A_TAKE: Final = vocabulary("end middle start beginning")
_TOWARD: Final = vocabulary("toward towards near in at from")
_AFTER_A_PLACE: Final = frozenset({"and", "in", "again", "every", "you", "you're"})
_BEFORE_A_NAME: Final = ENDS | {"the", "your", ","}
_DOES: Final = vocabulary("comes drags rushes lags lands sits runs")
_BETWEEN_BEATS: Final = 0
_LAST_BEAT: Final = -1
_LAST_OF_ALL: Final = 12
_LONGEST_LABEL: Final = 5
"""Words of what stands before a colon as a label, the colon among them: `Beats 2 and 4:`."""

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
            meant = _meant(beats[place], placed[place], direction) or _pointed_back(words, clause, numbers)
            meant = meant or _neighbour(beats, placed, place)
            _check_direction(meant.values(), direction, known)
            rest += [] if meant else [direction]
        told_of = beats[place] or _pointed_back(words, clause, numbers)
        _check_figures(words, clause, told_of, numbers, known)
        _check_comparison(words, clause, told_of, known)
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
    """`late on two`, `behind on 2 and 4`, `the two comes early`"""
    if one.unit is not Unit.NONE or not one.whole or not 1 <= one.value <= _LAST_OF_ALL:
        return False
    after = words.words[one.end] if one.end < len(words.words) else "."
    before = words.words[max(0, one.start - 3) : one.start]
    if (not before or before[-1] in _BEFORE_A_NAME) and after in _DOES:
        return True
    on = before[-1:] == ["on"] or (before[:1] == ["on"] and before[-1] == "and")
    return on and (after in _AFTER_A_PLACE or not after.isalnum())


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


def _pointed_back(words: Words, clause: range, numbers: Sequence[Mention]) -> Named:
    """`Watch beat 3, it slips`: return the beats of the clause before, if this one begins with a word for them."""
    begins, follows = words.words[clause.start], words.after(clause.start, 1)
    pointing = begins in _POINTING_BACK or (begins in ("your", "the") and not (_WORST | _BEST).isdisjoint(follows))
    last = words.clause_of(clause.start - 1) if clause.start else range(0)
    if words.words[last.stop - 1] == ":" and 0 < len(last) <= _LONGEST_LABEL:  # `Beat 2: late`
        return _beats_in(words, last, numbers)
    if clause.start == 0 or not pointing or not _HELPING.isdisjoint(follows):
        return {}
    new_sentence = words.words[clause.start - 1] in ENDS
    return (
        {} if new_sentence and begins not in _SUBJECTS else _beats_in(words, words.clause_of(clause.start - 1), numbers)
    )


def _neighbour(beats: Sequence[Named], placed: Sequence[Sequence[Direction]], place: int) -> Named:
    """`On beat two, you are late`: return the beats of a clause beside it, if that one claims nothing itself."""
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


def _check_figures(words: Words, clause: range, beats: Named, numbers: Sequence[Mention], known: Known) -> None:
    """A size or a judgement of a beat needs that beat's own figure."""
    sizes = [one for one in numbers if one.unit is Unit.MS and one.start in clause]
    if not beats or not (sizes or _is_judged(words, clause)):
        return
    errors = [error for beat in beats.values() if (error := _error_of(beat, known)) is not None]
    if len(errors) < len(beats):
        raise AiRejected("a claim about a beat that was not measured")
    fitting = [any(rounds_to(one.value, one.decimals, [error], hedged=one.hedged) for one in sizes) for error in errors]
    if sizes and not (all(fitting) if _are_one_list(words, clause, beats) else any(fitting)):
        raise AiRejected("not the error of this beat")
    if len(set(errors)) == 1:
        _check_extreme(_told(words, clause), abs(errors[0]), known)


def _check_comparison(words: Words, clause: range, beats: Named, known: Known) -> None:
    """`beat 2 is later than beat 4`, `beat 2 lies further off than any other` hold for the errors of those beats."""
    said = words.words[clause.start : clause.stop]
    than = clause.start + said.index("than") if "than" in said else clause.start
    how = next((_COMPARED[word] for word in reversed(said[: than - clause.start]) if word in _COMPARED), None)
    ahead = [_error_of(beat, known) for place, beat in beats.items() if place < than]
    if how is None or not ahead or not _WISHING.isdisjoint(words.before(than, 12)):
        return
    behind = [_error_of(beat, known) for place, beat in beats.items() if place > than]
    if not behind and not _OTHERS.isdisjoint(words.words[than : than + 4]):
        behind = [error for error in known.beats if error is not None and error not in ahead]
    if any(one is None or other is None or how(one) <= how(other) for one in ahead for other in behind):
        raise AiRejected("another order of the beats than was measured")


def _are_one_list(words: Words, clause: range, beats: Named) -> bool:
    """`beats 2 and 4 are 11 ms late`: what is said is said of each; not: `beat 2 by 3 ms and late on beat 4`."""
    places = sorted(beats)
    return not _OF_EACH.isdisjoint(words.words[clause.start : clause.stop]) or all(
        later - sooner <= _IN_A_LIST for sooner, later in pairwise(places)
    )


def _check_extreme(told: frozenset[str], size: float, known: Known) -> None:
    """The worst of the beats, and the best, are facts too."""
    sizes = [abs(error) for error in known.beat_errors]
    if (size < max(sizes) and not _WORST.isdisjoint(told)) or (size > min(sizes) and not _BEST.isdisjoint(told)):
        raise AiRejected("another beat is the best or the worst one")


def _is_judged(words: Words, clause: range) -> bool:
    """`beat two is loose`, `you missed beat two`, but not `until beat two is settled`."""
    if _told(words, clause):
        return True
    return any(words.words[index] in BEATS and _is_claimed(words, index, words.after(index, 4)) for index in clause)


def _told(words: Words, clause: range) -> frozenset[str]:
    """Return the words that make a claim of a clause; none if it only wishes."""
    told = (index for index in clause if words.words[index] in _TELLING and _tells(words, index))
    return frozenset(words.words[index] for index in told if _WISHING.isdisjoint(words.before(index, 6)))


def _tells(words: Words, index: int) -> bool:
    """`beat 2 needs work`, but not `the downbeat needs a soft attack` or `the best way to settle beat 2`."""
    if words.words[index] == "needs":
        return not _LACKING.isdisjoint(words.after(index, 4))
    return words.words[index] != "best" or _METHODS.isdisjoint(words.after(index, 1))


def _is_claimed(words: Words, index: int, after: Sequence[str]) -> bool:
    return _WISHING.isdisjoint(words.before(index, 6)) and not (BEING | _JUDGING).isdisjoint(after)


def _check_bars(words: Words, sentence: range, numbers: Sequence[Mention], directions: Sequence[Direction]) -> None:
    for one in numbers:
        if one.unit is Unit.BAR_LABEL and one.start in sentence:
            _refuse_claim(words, one.start, one.end - 1, directions)
    for index in sentence:
        in_bars = words.words[index] in BARS and not _AT_AN_END.isdisjoint(words.before(index, 2))  # `first two bars`
        in_part = words.words[index] in PARTS and not _NTH.isdisjoint(words.before(index, 1))
        in_part |= words.words[index] in _ENDS_OF_A_TAKE and _toward(words.before(index, 2))
        if in_bars or in_part:
            clause = words.clause_of(index)
            _refuse_claim(words, index, index, [one for one in directions if one.index in clause])


def _toward(before: Sequence[str]) -> bool:
    """`towards the end`"""
    return before[-1:] == ["the"] and not _TOWARD.isdisjoint(before)


def _refuse_claim(words: Words, start: int, end: int, directions: Sequence[Direction]) -> None:
    if directions or _told(words, words.clause_of(start)) or _is_claimed(words, start, words.after(end, 4)):
        raise AiRejected("a claim about a bar or a part of the take: nothing was measured for it by itself")
