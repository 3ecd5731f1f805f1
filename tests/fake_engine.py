"""An engine of two notes a bar, for what is not about music: SG_ENGINE=tests.fake_engine."""

from __future__ import annotations

import sys

from sg_generator.errors import GeneratorError, UnreadableChord
from sg_generator.models import Arrangement, ChordChange, ClipRequest, Note, bar_ticks

ENGINE_VERSION = "fake-1"


def arrange(request: ClipRequest) -> Arrangement:
    """A fifth in the comping and its root in the bass, on each bar's first beat; some chords are refused."""
    for place, chord in enumerate(request.chords):
        if chord == "unreadable":
            raise UnreadableChord("cannot be read", field=f"chords[{place}]", remedy="write it as Dm7")
        if chord == "impossible":
            raise GeneratorError("nobody can play this")
        if chord == "stumble":
            raise ZeroDivisionError("an engine's own bug")
        if chord == "leave":
            sys.exit("an engine that ends the program")
    bar = bar_ticks(request.meter)
    starts = [number * bar for number in range(request.bars)]
    chords = [request.chords[number % len(request.chords)] for number in range(request.bars)]
    return Arrangement(
        comp=tuple(Note(start, pitch, 240, 80) for start in starts for pitch in (60, 67)),
        bass=tuple(Note(start, 36, 480, 90) for start in starts),
        changes=tuple(ChordChange(start, chord) for start, chord in zip(starts, chords, strict=True)),
        tempo_bpm=request.tempo_bpm,
        meter=request.meter,
        bars=request.bars,
        style=request.style_name,
        swing_ratio=1.0,
        comp_program=27,
        bass_program=33,
    )
