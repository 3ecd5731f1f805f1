"""Takes of a clip: its own comping, played with a known error."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import mido

from .world import World

_TICKS = 9600
LATE_AND_EARLY_S = 0.09
"""So uneven that the coach finds fault with the timing, whatever else it finds."""


def played(world: World, clip: str, *, uneven_s: float = 0.0, seed: int = 1) -> bytes:
    """A MIDI file of the clip's comping, each stroke up to `uneven_s` seconds early or late."""
    notes = world.get(f"/clips/{clip}/notes")
    chance = Random(seed)
    errors = {note["time_s"]: chance.choice((-1, 0, 1)) * uneven_s for note in notes["tracks"]["comp"]}
    strokes = [(max(0.0, note["time_s"] + errors[note["time_s"]]), note["pitch"]) for note in notes["tracks"]["comp"]]
    return _midi(strokes, notes["tempo_bpm"], notes["meter"])


def few_notes(world: World, clip: str) -> bytes:
    """A MIDI file of the first two strokes of the clip's comping: too few to measure a timing."""
    notes = world.get(f"/clips/{clip}/notes")
    times = sorted({note["time_s"] for note in notes["tracks"]["comp"]})[:2]
    strokes = [(note["time_s"], note["pitch"]) for note in notes["tracks"]["comp"] if note["time_s"] in times]
    return _midi(strokes, notes["tempo_bpm"], notes["meter"])


def _midi(strokes: list[tuple[float, int]], tempo_bpm: float, meter: str) -> bytes:
    upper, lower = map(int, meter.split("/"))
    tempo = mido.bpm2tempo(tempo_bpm)
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=tempo))
    track.append(mido.MetaMessage("time_signature", numerator=upper, denominator=lower))
    before = 0
    for tick, message in sorted(_messages(strokes, tempo), key=lambda pair: pair[0]):
        track.append(message.copy(time=tick - before))
        before = tick
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
    file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _messages(strokes: list[tuple[float, int]], tempo: int) -> list[tuple[int, Any]]:
    messages = []
    for seconds, pitch in strokes:
        tick = round(mido.second2tick(seconds, _TICKS, tempo))
        messages.append((tick, mido.Message("note_on", note=pitch, velocity=80)))
        messages.append((tick + 400, mido.Message("note_off", note=pitch)))
    return messages
