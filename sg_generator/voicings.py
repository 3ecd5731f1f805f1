"""How a guitarist can hold a chord, and which hold is nearest. Pure.

Four notes where the chord has them, between LOWEST and HIGHEST, each on a string of its own in standard tuning, fretted
fingers within four frets. The bass plays the root, so what tells chords apart comes first: third, seventh, altered
notes, extensions; then root and fifth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise, product
from typing import Final

from .chords import Chord

LOWEST: Final = 48
HIGHEST: Final = 76
"""MIDI pitches C3 and E5: above the bass, below the melody. The instrument's own are 40 to 88."""

CENTRE: Final = 61.0
_STRINGS: Final = (40, 45, 50, 55, 59, 64)
_HIGHEST_FRET: Final = 14
_REACH: Final = 4
_NOTES: Final = 4
_WIDEST_GAP: Final = 12
_PULL: Final = 0.25
"""The pull to the centre: hardly felt within three semitones, stronger than any voice's movement beyond six."""

_EASY_SPAN: Final = 16
"""Holds wider than a tenth sound hollow: each semitone more weighs as one of movement."""

Voicing = tuple[int, ...]


@lru_cache(maxsize=4096)
def nearest(chord: Chord, last: Voicing, *, but: Voicing = ()) -> Voicing:
    """Return the way to hold `chord` that is nearest to `last` (empty: to the centre); not `but`, if there is another.

    `chord` is not silent.
    """
    options = holds_of(tuple(sorted(_chosen(chord.tones))), chord.root)
    return min(
        (hold for hold in options if hold != but), key=lambda hold: (_cost(hold, last), hold), default=options[0]
    )


def distance(one: Voicing, other: Voicing) -> float:
    """Return the mean movement of a voice from one hold to another, in semitones; both are ascending."""
    if len(one) == len(other):
        return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)
    more, fewer = (one, other) if len(one) > len(other) else (other, one)
    return sum(min(abs(pitch - near) for near in fewer) for pitch in more) / len(more)


def _cost(hold: Voicing, last: Voicing) -> float:
    away = abs(sum(hold) / len(hold) - CENTRE)
    wide = max(hold[-1] - hold[0] - _EASY_SPAN, 0)
    return _PULL * away * away + wide + (len(hold) * distance(hold, last) if last else 0.0)


def _chosen(tones: Sequence[int]) -> list[int]:
    """The tones to hold, as semitones above the root; at most four."""
    has_eleventh = 17 in tones and 4 in tones and 18 not in tones
    usable = [tone for tone in tones if not (has_eleventh and tone == 4)]
    return sorted(usable, key=_weight)[:_NOTES]


def _weight(tone: int) -> tuple[int, int]:
    """What a tone is worth: colours before what the bass has already."""
    if tone in (2, 3, 4, 5):
        return 0, tone
    if tone in (9, 10, 11):
        return 1, tone
    if tone in (6, 8):
        return 2, tone
    if tone > 12:
        return 3, -tone
    return 4, 7 - tone if tone == 7 else 1


@lru_cache(maxsize=2048)
def holds_of(tones: tuple[int, ...], root: int) -> tuple[Voicing, ...]:
    """Return every playable way to hold `tones` over `root`, or the smallest parts of them that can be held."""
    classes = list(dict.fromkeys((root + tone) % 12 for tone in tones))
    for wanted in _doublings(classes):
        holds = tuple(sorted(set(_spread(wanted))))
        if holds:
            return holds
    return _without_one(tones, root)


def _without_one(tones: tuple[int, ...], root: int) -> tuple[Voicing, ...]:
    """A cluster that no hand can hold loses its least telling note."""
    return holds_of(tuple(sorted(sorted(tones, key=_weight)[:-1])), root)


def _doublings(classes: list[int]) -> Iterator[list[list[int]]]:
    """Sets of pitch classes to try, together: a triad doubles one of its notes."""
    if len(classes) >= _NOTES:
        yield [classes]
    elif len(classes) == 1:
        yield [classes * 2]
    else:
        yield [[*classes, twice] for twice in classes]
    yield [classes]


def _spread(wanted: list[list[int]]) -> Iterator[Voicing]:
    for classes in wanted:
        choices = [range(LOWEST + (wish - LOWEST) % 12, HIGHEST + 1, 12) for wish in classes]
        for pitches in product(*choices):
            hold = tuple(sorted(pitches))
            if _sounds(hold) and is_playable(hold):
                yield hold


def _sounds(hold: Voicing) -> bool:
    """No unison, no hole, no semitone at the bottom or on top of another."""
    gaps = [high - low for low, high in pairwise(hold)]
    return all(0 < gap <= _WIDEST_GAP for gap in gaps) and not any(a == b == 1 for a, b in pairwise(gaps))


def is_playable(hold: Voicing) -> bool:
    """Whether a hand can hold the pitches (ascending) on a guitar in standard tuning."""
    return any(_fits(hold, strings) for strings in combinations(_STRINGS, len(hold)))


def _fits(hold: Voicing, strings: Sequence[int]) -> bool:
    frets = [pitch - string for pitch, string in zip(hold, strings, strict=True)]
    fretted = [fret for fret in frets if fret]
    in_range = all(0 <= fret <= _HIGHEST_FRET for fret in frets)
    return in_range and (not fretted or max(fretted) - min(fretted) <= _REACH)
