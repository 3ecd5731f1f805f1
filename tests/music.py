"""Looking at arrangements as a musician and as a synthesizer would: what is wrong with one, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sg_generator.engine import arrange, played_spans
from sg_generator.models import Arrangement, ClipRequest, Note, beat_ticks, request_from
from sg_generator.voicings import distance, is_playable

GUITAR = (40, 88)
"""E2 to E6."""

BASS = (28, 55)
"""E1 to G3."""

MAX_NOTES = 6
OCTAVE = 12


def clip(*chords: str, bars: int = 8, tempo: float = 120, **fields: Any) -> tuple[ClipRequest, Arrangement]:
    request = request_from({"chords": list(chords), "tempo_bpm": tempo, "bars": bars, **fields})
    return request, arrange(request)


def faults(request: ClipRequest, arrangement: Arrangement) -> list[str]:
    """Everything that is wrong with an arrangement of `request`; empty if nothing is."""
    return [
        *_broken_notes("comp", arrangement.comp, GUITAR, arrangement),
        *_broken_notes("bass", arrangement.bass, BASS, arrangement),
        *_missing_roots(request, arrangement),
        *_bad_holds(arrangement),
        *_notes_in_silence(request, arrangement),
        *(f"comp: bar {bar + 1} is bar {bar}" for bar in equal_bars(arrangement.comp, arrangement)),
        *_wide_leaps(arrangement),
        *(f"bass: bar {bar + 1} is bar {bar}" for bar in equal_bars(arrangement.bass, arrangement)),
    ]


def _broken_notes(part: str, notes: Sequence[Note], span: tuple[int, int], arrangement: Arrangement) -> list[str]:
    total = arrangement.bars * arrangement.bar_ticks
    found = [] if list(notes) == sorted(notes, key=lambda note: note.start) else [f"{part}: not in order of time"]
    sounding: dict[int, int] = {}
    for note in notes:
        if not span[0] <= note.pitch <= span[1]:
            found.append(f"{part}: {note} out of range")
        if note.start < 0 or note.length <= 0 or note.end > total or not 1 <= note.velocity <= 127:
            found.append(f"{part}: {note} is no note of this clip")
        if sounding.get(note.pitch, 0) > note.start:
            found.append(f"{part}: {note} begins while it sounds")
        sounding[note.pitch] = note.end
    return found


def _missing_roots(request: ClipRequest, arrangement: Arrangement) -> list[str]:
    pitches = {note.start: note.pitch for note in arrangement.bass}
    spans = [span for span in played_spans(request, arrangement.swing_ratio) if not span.chord.is_silent]
    return [
        f"bass: no root of {span.chord.symbol} at tick {span.start}"
        for span in spans
        if pitches.get(span.start, -1) % 12 != span.chord.bass
    ]


def _wide_leaps(arrangement: Arrangement) -> list[str]:
    return [
        f"bass: {abs(two.pitch - one.pitch)} semitones from {one} to {two}"
        for one, two in pairwise(arrangement.bass)
        if abs(two.pitch - one.pitch) > OCTAVE
    ]


def _bad_holds(arrangement: Arrangement) -> list[str]:
    return [
        f"comp: nobody can hold {hold}"
        for hold in holds(arrangement.comp)
        if len(hold) > MAX_NOTES or not is_playable(hold)
    ]


def _notes_in_silence(request: ClipRequest, arrangement: Arrangement) -> list[str]:
    silences = [span for span in played_spans(request, arrangement.swing_ratio) if span.chord.is_silent]
    return [
        f"{note} sounds in the silence at {span.start}"
        for span in silences
        for note in (*arrangement.comp, *arrangement.bass)
        if note.start < span.end and note.end > span.start
    ]


def holds(comp: Sequence[Note]) -> list[tuple[int, ...]]:
    """The chords of a comping, in order of time."""
    found: dict[int, list[int]] = defaultdict(list)
    for note in comp:
        found[note.start].append(note.pitch)
    return [tuple(sorted(found[tick])) for tick in sorted(found)]


def movements(comp: Sequence[Note]) -> list[float]:
    """How far a voice moves from chord to chord, in semitones."""
    return [distance(one, other) for one, other in pairwise(holds(comp))]


def equal_bars(notes: Sequence[Note], arrangement: Arrangement) -> list[int]:
    """The bars (from 0) that are the bar before once more: same places, same pitches."""
    size = arrangement.bar_ticks
    bars: list[set[tuple[int, int]]] = [set() for _ in range(arrangement.bars)]
    for note in notes:
        bars[note.start // size].add((note.start % size, note.pitch))
    return [number for number in range(1, len(bars)) if bars[number] and bars[number] == bars[number - 1]]


def density(arrangement: Arrangement) -> float:
    """Chords a bar."""
    return len({note.start for note in arrangement.comp}) / arrangement.bars


def syncopation(arrangement: Arrangement) -> float:
    """The share of the chords that stand off the beat."""
    places = {note.start for note in arrangement.comp}
    return sum(tick % beat_ticks(arrangement.meter) != 0 for tick in places) / len(places)
