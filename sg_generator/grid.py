"""Where notes can stand in a bar of any meter, in any style. Pure.

A style's figures are written in its own beats (quarters; dotted quarters where it is in twelve). Another meter takes
beats of them: 3/4 the first three, 5/4 the last one twice, 2/4 and 6/8 half a bar at a time. In a compound meter two
eighths of a beat stand as in a shuffle (first and third of three), four sixteenths fall on the three eighths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sg_coach.models import Density, Meter, Syncopation

from .models import DENSITIES, bar_ticks, beat_ticks
from .styles import Style
from .swing import off_beat

_OWN_BEATS: Final = 4
_THIRD: Final = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a bar: `tick` from its start; `mark` is the figure's sign there."""

    tick: int
    mark: str
    on_beat: bool


def slots_of(figures: tuple[str, ...], meter: Meter, bar: int, ratio: float) -> tuple[Slot, ...]:
    """Return the places of bar number `bar` in a style's figures (one word a beat), swung by `ratio`."""
    return _slots(figures, meter, bar % (len(figures) * _own_beats(figures)), ratio)


@lru_cache(maxsize=1024)
def _slots(figures: tuple[str, ...], meter: Meter, bar: int, ratio: float) -> tuple[Slot, ...]:
    size = beat_ticks(meter)
    found: list[Slot] = []
    for beat, word in enumerate(_words(figures, meter, bar)):
        for place, tick in enumerate(_places(len(word), meter, ratio)):
            found.append(Slot(beat * size + tick, word[place], place == 0))
    return tuple(_merged(found))


def _own_beats(figures: tuple[str, ...]) -> int:
    return len(figures[0].split())


def _words(figures: tuple[str, ...], meter: Meter, bar: int) -> list[str]:
    """The beats of a bar, taken from figures of another length."""
    beats, own = bar_ticks(meter) // beat_ticks(meter), _own_beats(figures)
    if beats == 2 and own == _OWN_BEATS:
        words = figures[bar // 2 % len(figures)].split()
        return words[bar % 2 * 2 :][:2]
    words = figures[bar % len(figures)].split()
    return [words[min(beat, own - 1)] for beat in range(beats)]


def _places(count: int, meter: Meter, ratio: float) -> tuple[int, ...]:
    """Ticks of `count` places in a beat."""
    size = beat_ticks(meter)
    if meter.endswith("/8"):
        third = size // _THIRD
        return {2: (0, 2 * third), 3: (0, third, 2 * third), 4: (0, third, 2 * third, 2 * third)}[count]
    return (0, off_beat(size, ratio)) if count == 2 else tuple(size * place // count for place in range(count))


def _merged(slots: list[Slot]) -> list[Slot]:
    """Of two marks at one tick the stronger stays: the higher digit, or the letter."""
    best: dict[int, Slot] = {}
    for slot in slots:
        if slot.tick not in best or best[slot.tick].mark < slot.mark:
            best[slot.tick] = slot
    return [best[tick] for tick in sorted(best)]


_ON_SHARE: Final[dict[Syncopation, float]] = {"straight": 1.0, "light": 0.6, "heavy": 0.25}
"""Share of the chords that could stand on beats and do."""


def quota(style: Style, meter: Meter, density: Density, syncopation: Syncopation, bar: int) -> tuple[int, int]:
    """Return how many chords a bar has on beats and off them: more by density, further off the beat by syncopation."""
    beats = bar_ticks(meter) // beat_ticks(meter)
    in_halves = beats == 2
    beats = _own_beats(style.comp) if in_halves else beats
    wanted = _wanted(style, beats)[DENSITIES.index(density)]
    on = round(_ON_SHARE[syncopation] * min(wanted, beats))
    off = wanted - on
    return (_half(on, bar), _half(off, bar + 1)) if in_halves else (on, off)


def _wanted(style: Style, beats: int) -> list[int]:
    """Chords of a bar of so many beats, by density; at least two, each bucket more than the one before."""
    own = _own_beats(style.comp)
    counts = [1]
    for count in style.density:
        counts.append(max(counts[-1] + 1, count * beats // own))
    return counts[1:]


def _half(count: int, bar: int) -> int:
    """A half of a count: the odd one falls on even bars."""
    return (count + 1 - bar % 2) // 2
