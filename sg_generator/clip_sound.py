"""The sound of a clip in seconds, read back from its MIDI files: what a player of the page schedules. Pure."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import mido

from sg_coach.midi_file import DEFAULT_TEMPO_US, MidiTake, read_midi
from sg_coach.untrusted import shown

from .answers import ChordAt, SoundNote

_DIGITS: Final = 5
"""Times are told to 10 microseconds: a quarter of an audio sample."""

_LONGEST: Final = 40
"""Longest chord symbol, in characters."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The notes of one file in order of time, its chord changes, tempo (quarter notes a minute) and meter."""

    notes: tuple[SoundNote, ...]
    chords: tuple[ChordAt, ...]
    tempo_bpm: float
    meter: str


def sound_of(data: bytes, source: str) -> Sound:
    """Return what a Standard MIDI File sounds like; `source` names it in errors. Raises InvalidInput."""
    map_ = read_midi(data, source)  # refuses whatever cannot be measured, so nothing below meets a surprise
    tracks = mido.MidiFile(file=io.BytesIO(data)).tracks
    tempo_us = map_.tempo[0][2] if map_.has_tempo else DEFAULT_TEMPO_US
    meter = map_.meter or "4/4"
    return Sound(_notes(tracks, map_), _chords(tracks, map_, meter), round(60_000_000 / tempo_us, 3), meter)


def _chords(tracks: Iterable[Any], map_: MidiTake, meter: str) -> tuple[ChordAt, ...]:
    """The markers: a generator sets one where a chord begins."""
    count, unit = map(int, meter.split("/"))
    beat = map_.ticks_a_quarter * 4 / unit
    found: list[ChordAt] = []
    for track in tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "marker":
                bar, rest = divmod(tick, beat * count)
                at = round(map_.ms_at(tick) / 1000, _DIGITS)
                place = round(rest / beat + 1, 3)
                found.append(ChordAt(bar=int(bar) + 1, beat=place, time_s=at, symbol=_text(message.text)))
    return tuple(found)


def _text(latin: str) -> str:
    """The parser takes bytes for Latin-1; ours are UTF-8, and whatever they are, they are shown."""
    return shown(latin.encode("latin-1").decode("utf-8", "replace"), _LONGEST)


def _notes(tracks: Iterable[Any], map_: MidiTake) -> tuple[SoundNote, ...]:
    found: list[SoundNote] = []
    for number, track in enumerate(tracks):
        sounding: defaultdict[tuple[int, int, int], deque[tuple[int, int]]] = defaultdict(deque)
        tick = 0
        for message in track:
            tick += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = (number, message.channel, message.note)
            if message.type == "note_on" and message.velocity:
                sounding[key].append((tick, message.velocity))
            elif sounding[key]:
                found.append(_sound(map_, message.note, *sounding[key].popleft(), tick))
        found += [_sound(map_, key[2], on, velocity, tick) for key, open_ in sounding.items() for on, velocity in open_]
    return tuple(sorted(found, key=lambda note: (note.time_s, note.pitch)))


def _sound(map_: MidiTake, pitch: int, on: int, velocity: int, off: int) -> SoundNote:
    begin, end = map_.ms_at(on) / 1000, map_.ms_at(off) / 1000
    return SoundNote(
        time_s=round(begin, _DIGITS), duration_s=round(end - begin, _DIGITS), pitch=pitch, velocity=velocity
    )
