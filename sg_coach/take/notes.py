"""Notes, beats and events: what the measures of a take are made of. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from sg_coach.errors import InvalidInput

CHORD_MS: Final = 35.0
"""Onsets within so many ms of the first one are one event: a strummed chord."""

DOUBLE_TRIGGER_MS: Final = 10.0
"""Nobody strikes one key twice within so many ms; a pickup reports it. It also bounds how dense a take can be."""

MIN_BPM: Final = 10.0
MAX_BPM: Final = 1000.0
MAX_TAKE_MS: Final = 2 * 60 * 60 * 1000.0
"""Longest take, in ms: two hours."""

_BEATS: Final = {"2/4": 2, "3/4": 3, "4/4": 4, "5/4": 5, "6/8": 6, "12/8": 12}


class Note(NamedTuple):
    """One note that was played or is expected; `pitch` and `velocity` are MIDI's 0..127."""

    onset_ms: float
    pitch: int
    velocity: int = 64


@dataclass(frozen=True, slots=True)
class Pulse:
    """The beats of a take: ascending times in ms, the first one is the first beat of bar 1.

    In x/8 meters a beat is an eighth. Beats need not be even: a tempo map, or beats that somebody tapped.
    """

    beats_ms: tuple[float, ...]
    meter: str

    def __post_init__(self) -> None:
        """Raises InvalidInput for a meter that is not measured, or for fewer than two beats in ascending order."""
        beats_in_bar(self.meter)
        if len(self.beats_ms) < 2 or any(b <= a for a, b in pairwise(self.beats_ms)):
            raise InvalidInput("at least two beats in ascending order are needed", field="beats_ms")

    @property
    def beats_a_bar(self) -> int:
        """Beats in one bar."""
        return _BEATS[self.meter]

    @property
    def bpm(self) -> float:
        """Quarter notes a minute, the mean over the take."""
        mean_ms = (self.beats_ms[-1] - self.beats_ms[0]) / (len(self.beats_ms) - 1)
        return 60_000 / (mean_ms * quarter_beats(self.meter))

    def beat_at(self, ms: float) -> int:
        """Number of the beat that `ms` lies in, held within the beats that have an end."""
        return min(max(bisect_right(self.beats_ms, ms) - 1, 0), len(self.beats_ms) - 2)

    def window(self, first_bar: int, bars: int) -> tuple[int, int]:
        """Return the beats [first, last) of some bars; the first bar of a take is 0."""
        return first_bar * self.beats_a_bar, (first_bar + bars) * self.beats_a_bar


def beats_in_bar(meter: str, source: str = "") -> int:
    """Return the beats of one bar. Raises InvalidInput for a meter that is not measured."""
    if meter not in _BEATS:
        raise InvalidInput(f"{meter} is not measured; there are: {', '.join(_BEATS)}", source=source, field="meter")
    return _BEATS[meter]


def quarter_beats(meter: str) -> int:
    """How many beats a quarter note has: 2 in x/8 meters, else 1."""
    return 2 if meter.endswith("/8") else 1


def steady_pulse(bpm: float, meter: str, until_ms: float) -> Pulse:
    """Return even beats at `bpm` (quarter notes a minute), in whole bars, until `until_ms` at least.

    Raises InvalidInput for a tempo outside 10..1000 or a take of more than two hours.
    """
    if not MIN_BPM <= bpm <= MAX_BPM:
        raise InvalidInput(f"{bpm:g} bpm is no tempo; {MIN_BPM:g} to {MAX_BPM:g} are measured", field="bpm")
    if until_ms > MAX_TAKE_MS:
        raise InvalidInput(f"the take lasts {until_ms / 3_600_000:.1f} hours; at most 2 are measured")
    beat_ms = 60_000 / bpm / quarter_beats(meter)
    in_a_bar = beats_in_bar(meter)
    bars = int(max(until_ms, 0) / beat_ms / in_a_bar) + 1
    return Pulse(tuple(beat_ms * number for number in range(bars * in_a_bar + 1)), meter)


def events_of(onsets_ms: Iterable[float], within_ms: float = CHORD_MS) -> list[float]:
    """Return the onsets of events: what comes within `within_ms` of an event's first onset belongs to it."""
    events: list[float] = []
    for onset in sorted(onsets_ms):
        if not events or onset - events[-1] > within_ms:
            events.append(onset)
    return events


def chords_of(notes: Sequence[Note], within_ms: float = CHORD_MS) -> list[int]:
    """Return the number of the event that each note belongs to; `notes` are in order of onset."""
    numbers: list[int] = []
    first = float("-inf")
    for note in notes:
        if note.onset_ms - first > within_ms:
            first = note.onset_ms
            numbers.append(numbers[-1] + 1 if numbers else 0)
        else:
            numbers.append(numbers[-1])
    return numbers


def in_order(notes: Iterable[Note]) -> list[Note]:
    """Return notes by onset, then pitch, each key's double triggers (within 10 ms) taken as one."""
    last: dict[int, float] = {}
    kept: list[Note] = []
    for note in sorted(notes):
        if note.onset_ms - last.get(note.pitch, float("-inf")) > DOUBLE_TRIGGER_MS:
            last[note.pitch] = note.onset_ms
            kept.append(note)
    return kept
