"""What goes wrong, and when: a timetable drawn from the seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

Trouble = Literal[
    "kill", "term", "term_twice", "freeze", "kill_service", "clock", "switch_off", "switch_on", "disk_full", "disk_free"
]

HOUR_S: Final = 3600.0
CLOCK_STEPS: Final = (0.0, 0.0, HOUR_S, -HOUR_S, 20.0, -20.0, -1.7e9)
"""Offsets of the wall clock in seconds; the last one leads into 1972."""

AT_ONCE_SHARE: Final = 0.25
"""Part of the ends that come wherever the worker is, in the middle of its start too."""

CALM: Final = ((0.25, 0.45), (0.72, 0.96))
"""Parts of the time in which the worker is left alive, so that its memory, files and threads can be seen to be flat."""

FULL: Final = ((0.14, 0.20), (0.60, 0.66))
"""Parts of the time in which the disk is full."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One trouble, at seconds from the start. `value`: an offset, a duration; of an end, how long the worker may work
    before it (seconds from when it is ready; negative: at once, ready or not)."""

    at: float
    what: Trouble
    value: float = 0.0


def timetable(seconds: float, seed: int) -> list[Event]:
    """Return the troubles of a soak, in order."""
    rng = random.Random(f"{seed}:troubles")
    pace = _pace(seconds)
    events = [
        *_every(rng, seconds, (1.5, 6.0 * max(pace, 0.5)), _end_of_life),
        *_every(rng, seconds, (10 * pace, 30 * pace), _service),
        *_every(rng, seconds, (8 * pace, 20 * pace), _clock),
        *_every(rng, seconds, (30 * pace, 60 * pace), _freeze),
        *_every(rng, seconds, (5 * pace, 15 * pace), _switch),
        *(event for part in FULL for event in _full(part, seconds)),
    ]
    return sorted(events)


def _pace(seconds: float) -> float:
    """Return how much shorter pauses and outages are in a soak of less than two minutes."""
    return min(1.0, seconds / 120)


def is_calm(at: float, seconds: float) -> bool:
    """Tell whether the worker is left alive at that moment."""
    return any(begin * seconds <= at < end * seconds for begin, end in CALM)


def _every(
    rng: random.Random,
    seconds: float,
    pause: tuple[float, float],
    draw: Callable[[random.Random, float, float], list[Event]],
) -> Iterator[Event]:
    at = rng.uniform(*pause)
    while at < seconds * 0.97:
        yield from draw(rng, at, seconds)
        at += rng.uniform(*pause)


def _end_of_life(rng: random.Random, at: float, seconds: float) -> list[Event]:
    if is_calm(at, seconds):
        return []
    kinds: tuple[Trouble, ...] = ("kill", "term", "term_twice")
    works = -1.0 if rng.random() < AT_ONCE_SHARE else rng.uniform(0.0, 8.0 * min(1.0, seconds / 60))
    return [Event(at, rng.choices(kinds, (5, 4, 1))[0], works)]


def _service(rng: random.Random, at: float, seconds: float) -> list[Event]:
    return [Event(at, "kill_service", rng.uniform(0.2, 2.0) * _pace(seconds))]


def _clock(rng: random.Random, at: float, _seconds: float) -> list[Event]:
    return [Event(at, "clock", rng.choice(CLOCK_STEPS))]


def _freeze(rng: random.Random, at: float, _seconds: float) -> list[Event]:
    return [Event(at, "freeze", rng.uniform(0.3, 2.0))]


def _switch(rng: random.Random, at: float, seconds: float) -> list[Event]:
    return [Event(at, "switch_off"), Event(at + rng.uniform(0.3, 1.5) * _pace(seconds), "switch_on")]


def _full(part: tuple[float, float], seconds: float) -> list[Event]:
    return [Event(part[0] * seconds, "disk_full"), Event(part[1] * seconds, "disk_free")]
