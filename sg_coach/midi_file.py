"""Reading Standard MIDI Files that somebody else wrote: bounded in time and memory, with clear errors.

The parser is `mido` (extra `midi`), loaded when a file is read. What it raises is translated here, and nowhere else.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from .errors import ExtraMissing, InvalidInput
from .take.notes import MAX_BPM, MAX_TAKE_MS, MIN_BPM, Note, Pulse, beats_in_bar, quarter_beats

MAX_MIDI_BYTES: Final = 1024 * 1024
"""Largest file that is read: more than 100,000 notes, a hundred times a long take."""

DEFAULT_TEMPO_US: Final = 500_000
"""Microseconds a quarter note where the file says nothing (Standard MIDI Files 1.0): 120 bpm."""

_MAX_TICKS: Final = 2**40
"""No take of two hours has so many ticks, and larger ones are no times."""

_MAX_HIGH_BYTES: Final = 1024
"""More bytes above 127 than this in a row are no text and no number; a number's cost grows with its square."""


@dataclass(frozen=True, slots=True)
class MidiTake:
    """What a file says: its notes in ms from its start, its tempo map, and the meter if there is one."""

    source: str
    notes: tuple[Note, ...]
    tempo: tuple[tuple[int, float, int], ...]
    """(tick, its ms, microseconds a quarter from there on), ascending; the first one is at 0."""
    ticks_a_quarter: int
    meter: str | None
    has_tempo: bool
    tracks: int = 0
    """Tracks that hold notes."""

    def ms_at(self, tick: float) -> float:
        """Return when a tick sounds."""
        start, ms, tempo_us = self.tempo[max(bisect_right(self.tempo, tick, key=_tick) - 1, 0)]
        return ms + (tick - start) * tempo_us / (1000 * self.ticks_a_quarter)

    def pulse(self, meter: str | None = None) -> Pulse:
        """Return the beats in whole bars, to the last note at least. Raises InvalidInput for a meter not measured."""
        chosen = meter or self.meter or "4/4"
        in_bar = beats_in_bar(chosen, self.source)
        step = self.ticks_a_quarter / quarter_beats(chosen)
        last = max((note.onset_ms for note in self.notes), default=0.0)
        beats = [0.0]
        while beats[-1] <= last or (len(beats) - 1) % in_bar or len(beats) < 2:
            beats.append(self.ms_at(len(beats) * step))
        return Pulse(tuple(beats), chosen)


def read_midi(data: bytes, source: str) -> MidiTake:
    """Return what a Standard MIDI File of type 0 or 1 holds; `source` names it in errors.

    Raises InvalidInput for anything else: truncated, type 2, SMPTE time, a tempo outside 10..1000 bpm, two tempo maps
    or meters, longer than two hours, larger than MAX_MIDI_BYTES. Raises ExtraMissing if mido is not installed.
    """
    if len(data) > MAX_MIDI_BYTES:
        raise InvalidInput(f"too large, the limit is {MAX_MIDI_BYTES} bytes", source=source)
    file = _parsed(data, source)
    if not file.tracks:
        raise InvalidInput("holds no track", source=source, remedy="export it again")
    if file.type not in (0, 1):
        remedy = "export the take as type 0 or 1"
        raise InvalidInput(f"type {file.type} (independent patterns) has no common time", source=source, remedy=remedy)
    if file.ticks_per_beat <= 0:
        raise InvalidInput("counts SMPTE frames, not beats", source=source, remedy="export it with ticks per beat")
    tracks = [list(_with_ticks(track)) for track in file.tracks]
    changes = _only_map(tracks, "set_tempo", "tempo maps", source)
    tempo = _tempo_map([(tick, message.tempo) for tick, message in changes], file.ticks_per_beat, source)
    meters = {
        f"{message.numerator}/{message.denominator}"
        for _, message in _only_map(tracks, "time_signature", "meters", source)
    }
    if len(meters) > 1:
        problem = f"changes its meter ({', '.join(sorted(meters))}); one meter is measured"
        raise InvalidInput(problem, source=source, remedy="cut the take where the meter changes")
    take = MidiTake(source, (), tempo, file.ticks_per_beat, next(iter(meters), None), bool(changes))
    strokes = sorted((tick, one.note, one.velocity) for track in tracks for tick, one in track if _is_stroke(one))
    last = max((track[-1][0] for track in tracks if track), default=0)
    if last > _MAX_TICKS or take.ms_at(last) > MAX_TAKE_MS:
        raise InvalidInput("lasts more than 2 hours", source=source, remedy="cut it")
    notes = tuple(Note(take.ms_at(tick), pitch, velocity) for tick, pitch, velocity in strokes)
    return replace(take, notes=notes, tracks=sum(any(_is_stroke(one) for _, one in track) for track in tracks))


class _Bounded(io.BytesIO):
    """A file whose numbers cannot grow for ever: the parser reads byte by byte, until one is below 128."""

    _high = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._high = self._high + 1 if size == 1 and data > b"\x7f" else 0
        if self._high > _MAX_HIGH_BYTES:
            raise OSError("a number without an end")
        return data


def _parsed(data: bytes, source: str) -> Any:
    try:
        import mido
    except ImportError as error:
        need = "MIDI files need the mido package; install it with: pip install sg-hybrid[midi]"
        raise ExtraMissing(need) from error
    try:
        return mido.MidiFile(file=_Bounded(data))
    except EOFError as error:
        raise InvalidInput("ends in the middle (truncated)", source=source, remedy="export it again") from error
    except Exception as error:  # the parser lets whatever its decoders meet pass through
        problem = f"no Standard MIDI File that can be read ({str(error)[:100] or type(error).__name__})"
        raise InvalidInput(problem, source=source, remedy="export it again") from error


def _with_ticks(track: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


def _is_stroke(message: Any) -> bool:
    return bool(message.type == "note_on" and message.velocity > 0)


def _only_map(tracks: Sequence[Sequence[tuple[int, Any]]], kind: str, what: str, source: str) -> list[tuple[int, Any]]:
    """Return the changes of one kind. Several tracks may hold them only if they say the same."""
    found = [changes for track in tracks if (changes := [(tick, one) for tick, one in track if one.type == kind])]
    plain = [[(tick, one.bytes()) for tick, one in changes] for changes in found]
    if any(one != plain[0] for one in plain[1:]):
        remedy = "keep the one of the first track"
        raise InvalidInput(f"two tracks hold {what} that differ", source=source, remedy=remedy)
    return found[0] if found else []


def _tempo_map(
    changes: Sequence[tuple[int, int]], ticks_a_quarter: int, source: str
) -> tuple[tuple[int, float, int], ...]:
    if changes and changes[-1][0] > _MAX_TICKS:
        raise InvalidInput("lasts more than 2 hours", source=source, remedy="cut it")
    for tick, tempo_us in changes:
        bpm = 60_000_000 / tempo_us if tempo_us else 0.0
        if not MIN_BPM <= bpm <= MAX_BPM:
            problem = f"a tempo of {bpm:g} bpm at tick {tick}; {MIN_BPM:g} to {MAX_BPM:g} are measured"
            raise InvalidInput(problem, source=source, field="tempo", remedy="correct the tempo map")
    known = dict([(0, DEFAULT_TEMPO_US), *changes])
    parts = [(0, 0.0, known[0])]
    for (start, before_us), (tick, tempo_us) in pairwise(known.items()):
        parts.append((tick, parts[-1][1] + (tick - start) * before_us / (1000 * ticks_a_quarter), tempo_us))
    return tuple(parts)


def _tick(part: tuple[int, float, int]) -> int:
    return part[0]
