"""A take that came over HTTP, as the bytes of `take.mid`. Pure.

The notes' times are kept to a tick of a 9600th of a quarter note (0.05 ms at 120 bpm), in the clip's own tempo and
meter, so that the file lies on the clip in any DAW.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any, Final

import mido

from sg_coach.errors import InvalidInput
from sg_coach.midi_file import read_midi

from .bodies import Take, TakeNote
from .errors import InvalidRequest

MAX_TAKE_BYTES: Final = 256 * 1024
"""Largest `take.mid`: what the worker analyses."""

_TICKS: Final = 9600
_CHANNEL: Final = 0


def take_bytes(take: Take, *, tempo_bpm: float, meter: str) -> bytes:
    """Return the Standard MIDI File of a take. `tempo_bpm` is quarter notes a minute.

    Raises InvalidRequest naming the field and the problem.
    """
    if (take.notes is None) == (take.midi_base64 is None):
        raise InvalidRequest("one of notes and midi_base64 is needed", field="take")
    data = _decoded(take.midi_base64) if take.midi_base64 else _midi(take.notes or (), tempo_bpm, meter)
    if len(data) > MAX_TAKE_BYTES:
        raise InvalidRequest(f"{len(data)} bytes, the limit is {MAX_TAKE_BYTES}", field="take")
    _check_playable(data)
    return data


def _check_playable(data: bytes) -> None:
    try:
        notes = read_midi(data, "").notes
    except InvalidInput as error:
        raise InvalidRequest(str(error), field="take") from error
    if not notes:
        raise InvalidRequest("holds no note", field="take", remedy="play at least one")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"not base 64: {error}", field="take.midi_base64") from error


def _midi(notes: tuple[TakeNote, ...], tempo_bpm: float, meter: str) -> bytes:
    numerator, denominator = map(int, meter.split("/"))
    track = mido.MidiTrack()
    tempo_us = round(60_000_000 / tempo_bpm)
    track.append(mido.MetaMessage("set_tempo", tempo=tempo_us))
    track.append(mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator))
    before = 0
    for tick, message in sorted(_messages(notes, _TICKS * 1_000_000 / tempo_us), key=lambda pair: pair[0]):
        track.append(message.copy(time=tick - before))
        before = tick
    file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
    file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _messages(notes: tuple[TakeNote, ...], ticks_a_second: float) -> list[tuple[int, Any]]:
    """Note ons and offs with their ticks, each on before its own off."""
    messages: list[tuple[int, Any]] = []
    for note in notes:
        on = round(note.time_s * ticks_a_second)
        off = max(round((note.time_s + note.duration_s) * ticks_a_second), on + 1)
        common: Mapping[str, Any] = {"channel": _CHANNEL, "note": note.pitch}
        messages.append((on, mido.Message("note_on", velocity=note.velocity, **common)))
        messages.append((off, mido.Message("note_off", velocity=0, **common)))
    return messages
