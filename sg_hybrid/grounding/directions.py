"""Words that claim late or early. Pure.

`Play a little earlier` and `lean forward` claim late too: that is why one should. What is warned of (`do not rush`),
what is asked (`early or late?`) and what means another time (`late in the take`, `early on`, `look ahead`) claims
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .words import Words, vocabulary

_LATE: Final = vocabulary(
    """
    late behind drag drags dragged dragging lag lags lagged lagging trail trails trailed trailing delayed tardy
    lateness belated sluggish
    """
)
_EARLY: Final = vocabulary(
    """
    early ahead rush rushes rushed rushing hurry hurries hurried hurrying anticipate anticipates anticipated
    anticipating premature prematurely
    """
)
_PUSHES: Final = vocabulary("push pushes pushed pushing")
_SHIFTS: Final = vocabulary("earlier later")
_DEGREES: Final = vocabulary("little bit touch hair slightly tad fraction shade just even ms somewhat milliseconds")
_PLACES: Final = vocabulary("beat click grid pulse time clave one")
_STRETCHES: Final = vocabulary(
    "take round phrase song session practice exercise form chorus loop pattern part game week day"
)
_LOOKING: Final = vocabulary("go look looking think thinking plan hear listen read feel stay")
_LEAVING: Final = vocabulary("leave left idea feeling meaning")
_LANDING: Final = vocabulary("land landing come coming fall falling arrive arriving hit hitting enter entering")
BEING: Final = vocabulary(
    """
    is are was were sits sit sat lies lie lay comes came falls fell runs ran drifts drifted wobbles wobbled feels
    felt sounds sounded swings swung varies lands landed wanders suffers slips slipped
    """
)
"""Verbs that say how something is."""
_BEING_SHORT: Final = vocabulary("you're they're it's that's we're come play")
_LEANING: Final = vocabulary("lay laid laying lie lean leaning sit sitting push pushing")
_LEANS: Final = {"back": -1, "forward": 1}
_RESTING: Final = vocabulary("listen relax breathe enjoy watch")
_OTHERS: Final = vocabulary("soon before after front") | _LEANS.keys()

POINTERS: Final = _LATE | _EARLY | _PUSHES | _SHIFTS | _OTHERS
"""Words that may claim a direction."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A claim of late (+1) or early (-1) at one word, and whether it is denied (`nothing came late`)."""

    index: int
    sign: int
    denied: bool = False

    @property
    def name(self) -> str:
        return "late" if self.sign > 0 else "early"


def directions(words: Words) -> list[Direction]:
    """Return the directions that a text claims, in order."""
    if POINTERS.isdisjoint(words.vocabulary):
        return []
    pointed = ((index, _sign_of(words, index)) for index, word in enumerate(words.words) if word in POINTERS)
    return [
        Direction(index, sign, words.is_denied(index))
        for index, sign in pointed
        if sign and not words.is_warned_of(index)
    ]


def _sign_of(words: Words, index: int) -> int:
    """Return +1 for a word that claims late, -1 for early, 0 for none of both."""
    word = words.words[index]
    if word in _SHIFTS:
        return _shift(words, index)
    if word in _LATE:
        return 0 if _is_another_time(words, index) else 1
    if word in _EARLY:
        return 0 if _is_another_time(words, index) else -1
    if word in _PUSHES:
        after = words.after(index, 2)
        return -1 if after[:1] == ["ahead"] or (after[:1] in (["the"], ["your"]) and _is_place(after[1:])) else 0
    return _phrase(words, index, word)


def _phrase(words: Words, index: int, word: str) -> int:
    after = words.after(index, 3)
    if word in _LEANS:
        return 0 if _LEANING.isdisjoint(words.before(index, 2)) or _rests(words, index) else _LEANS[word]
    if word == "soon":
        return -1 if words.before(index, 1) == ["too"] else 0
    if word == "front":
        return -1 if after[:2] == ["of", "the"] and _is_place(after[2:]) else 0
    landing = not (BEING | _LANDING).isdisjoint(words.before(index, 3))
    if landing and after[:1] in (["the"], ["each"], ["every"]) and _is_place(after[1:]):
        return 1 if word == "after" else -1
    return 0


def _rests(words: Words, index: int) -> bool:
    """`sit back and listen` tells of the chair."""
    linked = words.words[index + 1 : index + 2] in (["and"], [","])
    return linked and words.before(index, 1) != ["lay"] and not _RESTING.isdisjoint(words.words[index + 2 : index + 3])


def _is_place(words: list[str]) -> bool:
    return bool(words) and words[0] in _PLACES


def _shift(words: Words, index: int) -> int:
    """`a little earlier` is how to play what is late; `earlier than the click` is how it was."""
    sign = 1 if words.words[index] == "earlier" else -1
    after = words.after(index, 3)
    if after[:2] in (["than", "beat"], ["than", "any"], ["than", "the"]) and not _PLACES.intersection(after[2:3]):
        return 0  # of two beats: `beats` compares them
    if after[:1] == ["than"] and not _PLACES.isdisjoint(after):
        return -sign
    return sign if not _DEGREES.isdisjoint(words.before(index, 2)) else 0


def _is_for(words: list[str]) -> bool:
    """`too early to the bar`, and not `too early to tell`"""
    return words[:1] in (["the"], ["each"], ["every"], ["your"])


def _is_another_time(words: Words, index: int) -> bool:
    word, before, after = words.words[index], words.before(index, 2), words.after(index, 4)
    if word in ("rush", "hurry"):
        return before[-1:] == ["no"]
    if after[:1] == ["enough"] or (before[-1:] == ["too"] and after[:1] == ["to"] and not _is_for(after[1:2])):
        return True
    if after[:1] in (["in"], ["on"], ["into"], ["at"]) and (BEING | _BEING_SHORT).isdisjoint(words.before(index, 4)):
        return not _STRETCHES.isdisjoint(after) or (after[0] == "on" and not "".join(after[1:2]).isalnum())
    if word == "ahead":
        return not _LOOKING.isdisjoint(before[-1:]) or ("bars" in before and after[:1] != ["of"])
    return word == "behind" and not _LEAVING.isdisjoint(before)
