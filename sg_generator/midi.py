"""An arrangement as Standard MIDI Files: tempo, meter, track names, programs, a marker at each chord change. Pure.

Three files of type 1: everything, the comping alone, the bass alone. Each begins with a track of the tempo map; all
tracks end with the last bar, so that a file loops in any DAW. The encoder is `mido`; a part is encoded once, and the
file of both parts is put together from the chunks of the other two.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sg_coach.contract import BASS_FILE, CLIP_FILE, COMP_FILE

from .errors import GeneratorError
from .models import TICKS_PER_BEAT, Arrangement, Note

if TYPE_CHECKING:
    from mido import MidiTrack


COMP_CHANNEL: Final = 0
BASS_CHANNEL: Final = 1

_HEADER: Final = struct.Struct(">4sLHHH")
_CHUNK: Final = struct.Struct(">4sL")


def files_of(arrangement: Arrangement) -> dict[str, bytes]:
    """Return the content of `clip.mid`, `clip.comp.mid` and `clip.bass.mid`: the same arrangement, the same bytes.

    Raises GeneratorError for a note that cannot be written.
    """
    head = _tempo_map(arrangement)
    total = arrangement.bars * arrangement.bar_ticks
    _check((*arrangement.comp, *arrangement.bass), total)
    comp = _part("Comping", COMP_CHANNEL, arrangement.comp_program, arrangement.comp, total)
    bass = _part("Bass", BASS_CHANNEL, arrangement.bass_program, arrangement.bass, total)
    comp_file, bass_file = _encoded([head, comp]), _encoded([head, bass])
    both = [*_chunks(comp_file), _chunks(bass_file)[1]]
    clip = _HEADER.pack(b"MThd", 6, 1, len(both), TICKS_PER_BEAT) + b"".join(both)
    return {CLIP_FILE: clip, COMP_FILE: comp_file, BASS_FILE: bass_file}


def _tempo_map(arrangement: Arrangement) -> MidiTrack:
    from mido import MetaMessage, MidiTrack, bpm2tempo

    count, unit = map(int, arrangement.meter.split("/"))
    clicks = 36 if unit == 8 and count % 3 == 0 else 24
    track = MidiTrack(
        [
            MetaMessage("track_name", name=f"{arrangement.style} {arrangement.tempo_bpm:g} bpm"),
            MetaMessage("set_tempo", tempo=bpm2tempo(arrangement.tempo_bpm)),
            MetaMessage("time_signature", numerator=count, denominator=unit, clocks_per_click=clicks),
        ]
    )
    before = 0
    for change in arrangement.changes:
        track.append(MetaMessage("marker", text=_as_utf8(change.symbol), time=change.tick - before))
        before = change.tick
    return _ended(track, arrangement.bars * arrangement.bar_ticks - before)


def _part(name: str, channel: int, program: int, notes: Iterable[Note], total: int) -> MidiTrack:
    from mido import Message, MetaMessage, MidiTrack

    track = MidiTrack(
        [MetaMessage("track_name", name=name), Message("program_change", channel=channel, program=program)]
    )
    # At one tick an old note ends before the next begins: else a repeated note would be cut off at once.
    strokes = [(note.start, 1, note.pitch, note.velocity) for note in notes]
    strokes += [(note.end, 0, note.pitch, 0) for note in notes]
    before = 0
    for tick, _, pitch, velocity in sorted(strokes):
        # Checked already, all at once, in `_check`; mido's checks take as long as all the rest.
        track.append(
            Message("note_on", skip_checks=True, channel=channel, note=pitch, velocity=velocity, time=tick - before)
        )
        before = tick
    return _ended(track, total - before)


def _check(notes: Iterable[Note], total: int) -> None:
    """Raise GeneratorError for a note that no file can hold: another engine may have made it."""
    for note in notes:
        if not (0 <= note.pitch < 128 and 0 < note.velocity < 128 and 0 <= note.start < note.end <= total):
            raise GeneratorError(f"the engine made a note that cannot be written: {note}, in a clip of {total} ticks")


def _ended(track: MidiTrack, rest: int) -> MidiTrack:
    from mido import MetaMessage

    track.append(MetaMessage("end_of_track", time=rest))
    return track


def _as_utf8(text: str) -> str:
    """A text whose Latin-1 bytes are the UTF-8 of `text`.

    The package keeps the charset of a file in a global, so a file with its own would not be safe from another thread.
    """
    return text.encode("utf-8").decode("latin-1")


def _encoded(tracks: list[MidiTrack]) -> bytes:
    from mido import MidiFile

    out = io.BytesIO()
    MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, tracks=tracks).save(file=out)
    return out.getvalue()


def _chunks(file: bytes) -> list[bytes]:
    """Return the tracks of a file, each with its own head, as the format frames them."""
    chunks, place = [], _HEADER.size
    while place < len(file):
        _, length = _CHUNK.unpack_from(file, place)
        chunks.append(file[place : place + _CHUNK.size + length])
        place += _CHUNK.size + length
    return chunks
