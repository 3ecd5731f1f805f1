"""The take analyser: a take of 32 bars, cost linear in the notes, memory flat a note."""

from __future__ import annotations

import io
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from random import Random
from uuid import UUID

import mido

from benchmarks.table import Row, at_most, below, known
from sg_coach.contract import TAKE_FILE
from sg_coach.midi_file import read_midi
from sg_coach.models import ProgramRef, ProgramType
from sg_coach.take import Context, Note, Pulse, analyse_take
from sg_coach.take_files import analyse_files

BPM = 120
TICKS = 480
Take = tuple[Pulse, list[Note], list[Note]]
Action = Callable[[], object]
CONTEXT = Context(
    session_id=UUID("00000000-0000-0000-0000-00000000f006"), program=ProgramRef(kind=ProgramType.LIVE, name="made up")
)


def run() -> list[Row]:
    notes_of_a_take = 1_000
    small, large = _notes(notes_of_a_take), _notes(100 * notes_of_a_take)
    rows = [
        below("analyse 1,000 notes against their clip", _ms(lambda: _against_clip(*small)), "ms", 50),
        below("analyse 1,000 notes against the grid", _ms(lambda: _against_grid(*small)), "ms", 50),
        below("the same with reading both MIDI files", _ms(_files(*small)), "ms", 100),
    ]
    for name, analyse in (("clip", _against_clip), ("grid", _against_grid)):
        rows += _growth(name, partial(analyse, *small), partial(analyse, *large), notes_of_a_take)
    rows.append(_reading(small))
    return rows


def _growth(name: str, small: Action, large: Action, count: int) -> list[Row]:
    """What a note costs in a take that is a hundred times as long."""
    us, us_large = _ms(small) / count * 1000, _ms(large, runs=3) / (100 * count) * 1000
    memory, memory_large = _peak(small) / count, _peak(large) / (100 * count)
    return [
        at_most(f"a note against the {name}, of 100,000", us_large, "µs", "of 1,000", us, 3),
        at_most(f"memory a note against the {name}, of 100,000", memory_large, "B", "of 1,000", memory, 1.5),
    ]


def _notes(count: int) -> Take:
    """A part of eighths with chords, and a take of it: 20 ms late, a spread of 12 ms, 5 % dropped, 5 % wrong."""
    chance = Random(count)
    expected: list[Note] = []
    time_ms = 0.0
    while len(expected) < count:
        root = 40 + chance.randrange(24)
        pitches = (root, root + 4, root + 7) if chance.random() < 0.3 else (root,)
        expected += [Note(time_ms, pitch) for pitch in pitches]
        time_ms += 125.0 * chance.choice((1, 1, 1, 2))
    played = [
        Note(max(note.onset_ms + 20 + chance.gauss(0, 12), 0), note.pitch + (chance.random() < 0.05))
        for note in expected
        if chance.random() > 0.05
    ]
    # The limit of two hours is the product's; here the notes count.
    beats = tuple(60_000 / BPM * number for number in range(int(time_ms / (60_000 / BPM)) + 5))
    return Pulse(beats, "4/4"), expected, played


def _against_clip(pulse: Pulse, expected: list[Note], played: list[Note]) -> object:
    return analyse_take(played, pulse, CONTEXT, expected)


def _against_grid(pulse: Pulse, _expected: list[Note], played: list[Note]) -> object:
    return analyse_take(played, pulse, CONTEXT)


def _files(_pulse: Pulse, expected: list[Note], played: list[Note]) -> Action:
    take, clip = _midi(played), _midi(expected)
    return lambda: analyse_files(take, name="made up", clip=clip)


def _reading(take: Take) -> Row:
    """Most of the time with files is the MIDI parser's."""
    data = _midi(take[2])
    ours = _ms(lambda: read_midi(data, TAKE_FILE))
    theirs = _ms(lambda: mido.MidiFile(file=io.BytesIO(data)))
    return known("read take.mid into notes", ours, "ms", "mido alone", theirs)


def _midi(notes: list[Note]) -> bytes:
    file = mido.MidiFile(ticks_per_beat=TICKS)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BPM))])
    file.tracks.append(track)
    now = 0
    for note in sorted(notes):
        tick = round(note.onset_ms * TICKS * BPM / 60_000)
        track.append(mido.Message("note_on", note=note.pitch, time=tick - now))
        track.append(mido.Message("note_on", note=note.pitch, velocity=0, time=0))
        now = tick
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _ms(action: Action, runs: int = 9) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def _peak(action: Action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
