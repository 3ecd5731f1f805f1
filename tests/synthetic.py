"""Takes that were never played: a part, and a take of it with a known latency, spread, drops and wrong notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from sg_coach.models import ProgramRef, ProgramType
from sg_coach.take import Context, Note, Pulse
from sg_coach.take.notes import steady_pulse

CONTEXT = Context(
    session_id=UUID("00000000-0000-0000-0000-00000000f006"), program=ProgramRef(kind=ProgramType.LIVE, name="made up")
)


@dataclass(frozen=True)
class Made:
    """A take, and what is known about it: the error that each stroke was given, after the latency."""

    pulse: Pulse
    expected: list[Note]
    played: list[Note]
    errors: list[float]
    note_errors: list[float]
    """The same of each note: a chord counts as often as it has notes."""
    beat_errors: list[float]
    """The same of each event on a beat: a chord begins with its first string."""


def part(pulse: Pulse, strokes: int, chance: Random, *, chords: bool, off_beat: float = 0.5) -> list[list[Note]]:
    """Strokes on eighths of the beat, one in five left out; a stroke is a note or a chord of three."""
    made: list[list[Note]] = []
    places = [(beat, half) for beat in range(len(pulse.beats_ms) - 1) for half in (0.0, off_beat)]
    for beat, half in places:
        if len(made) == strokes:
            break
        if chance.random() < 0.2:
            continue
        start, end = pulse.beats_ms[beat : beat + 2]
        root = 40 + chance.randrange(24)
        pitches = (root, root + 4, root + 7) if chords and chance.random() < 0.4 else (root,)
        made.append([Note(start + half * (end - start), pitch) for pitch in pitches])
    return made


def take_of(
    part: Sequence[Sequence[Note]],
    pulse: Pulse,
    chance: Random,
    *,
    latency: float,
    spread: float,
    dropped: float = 0.0,
    wrong: float = 0.0,
) -> Made:
    """A stroke of the hand has one error; strings come up to 3 ms apart."""
    played: list[Note] = []
    errors: list[float] = []
    note_errors: list[float] = []
    beat_errors: list[float] = []
    beats = set(pulse.beats_ms)
    for stroke in part:
        error = max(-2.5 * spread, min(2.5 * spread, chance.gauss(0, spread)))
        if chance.random() < dropped:
            continue
        errors.append(error)
        for note in stroke:
            note_errors.append(error + chance.uniform(-1.5, 1.5))
            pitch = note.pitch + chance.choice((1, 2, -1)) if chance.random() < wrong else note.pitch
            played.append(Note(note.onset_ms + latency + note_errors[-1], pitch))
        if stroke[0].onset_ms in beats:
            beat_errors.append(min(note_errors[-len(stroke) :]))
    return Made(pulse, [note for stroke in part for note in stroke], played, errors, note_errors, beat_errors)


def made(
    seed: int,
    *,
    bpm: float,
    meter: str = "4/4",
    strokes: int = 400,
    latency: float = 0.0,
    spread: float = 12.0,
    chords: bool = False,
    dropped: float = 0.0,
    wrong: float = 0.0,
    off_beat: float = 0.5,
) -> Made:
    chance = Random(seed)
    beats = strokes * 0.75 + 16
    pulse = steady_pulse(bpm, meter, beats * 60_000 / bpm)
    strokes_of = part(pulse, strokes, chance, chords=chords, off_beat=off_beat)
    return take_of(strokes_of, pulse, chance, latency=latency, spread=spread, dropped=dropped, wrong=wrong)


def random_notes(seed: int, bpm: float, count: int = 400) -> tuple[Pulse, list[Note]]:
    """Notes at random times, at about the rate of eighths."""
    chance = Random(seed)
    length = count * 30_000 / bpm
    pulse = steady_pulse(bpm, "4/4", length)
    return pulse, [Note(chance.uniform(0, length), 40 + chance.randrange(24)) for _ in range(count)]
