"""MIDI files that others wrote, and files that somebody made to hurt."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_coach import InvalidInput
from sg_coach.midi_file import MAX_MIDI_BYTES, read_midi

TEMPO = b"\x00\xff\x51\x03\x07\xa1\x20"
"""120 bpm."""

END = b"\x00\xff\x2f\x00"


def smf(*tracks: bytes, kind: int = 1, ticks: int = 480, end: bytes = END) -> bytes:
    chunks = b"".join(b"MTrk" + struct.pack(">L", len(track + end)) + track + end for track in tracks)
    return b"MThd" + struct.pack(">LHHH", 6, kind, len(tracks), ticks) + chunks


def track(*messages: mido.Message | mido.MetaMessage) -> bytes:
    file = mido.MidiFile(type=0)
    file.tracks.append(mido.MidiTrack(messages))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_notes_stand_where_the_tempo_map_puts_them() -> None:
    data = track(
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.Message("note_on", note=60, velocity=90, time=480),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=480),
        mido.Message("note_off", note=60),
        mido.Message("note_on", note=62, velocity=10, time=240),
        mido.Message("note_on", note=62, velocity=0, time=100),
    )
    take = read_midi(data, "take.mid")
    assert [(note.onset_ms, note.pitch, note.velocity) for note in take.notes] == [(500, 60, 90), (1500, 62, 10)]
    assert take.pulse().beats_ms == (0, 500, 1000, 2000, 3000)
    assert take.has_tempo


def test_without_tempo_and_meter_the_formats_defaults_hold() -> None:
    take = read_midi(smf(b"\x00\x90\x3c\x40"), "take.mid")
    assert (take.meter, take.has_tempo) == (None, False)
    assert take.pulse().beats_ms == (0, 500, 1000, 1500, 2000)


def test_running_status_is_read() -> None:
    take = read_midi(smf(b"\x00\x90\x3c\x40\x60\x3e\x40\x60\x3c\x00"), "take.mid")
    assert [note.pitch for note in take.notes] == [60, 62]


def test_a_meter_is_read_and_counts_eighths() -> None:
    take = read_midi(smf(TEMPO + b"\x00\xff\x58\x04\x06\x03\x24\x08" + b"\x00\x90\x3c\x40"), "take.mid")
    assert take.meter == "6/8"
    assert take.pulse().beats_ms[:3] == (0, 250, 500)


READ = """
import sys
from pathlib import Path
from sg_coach import InvalidInput
from sg_coach.midi_file import read_midi
try:
    read_midi(Path(sys.argv[1]).read_bytes(), "take.mid")
except InvalidInput:
    pass
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory before exec
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
"""

NOTE = b"\x00\x90\x3c\x40"
FAR = b"\xff\xff\xff\x7f\x90\x3c\x40"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "truncated"),
        (b"RIFF" + bytes(40), "no Standard MIDI File"),
        (smf(TEMPO + NOTE)[:-3], "truncated"),
        (smf(TEMPO + NOTE)[:20], "truncated"),
        (smf(NOTE, kind=2), "type 2"),
        (smf(NOTE, kind=9), "type 9"),
        (smf(NOTE, ticks=0xE728), "SMPTE"),
        (smf(NOTE, ticks=0), "SMPTE"),
        (smf(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE), "tempo of 0 bpm at tick 0"),
        (smf(b"\x00\xff\x51\x03\x00\x00\x01" + NOTE), "tempo of 6e\\+07 bpm"),
        (smf(b"\x00\xff\x51\x03\xff\xff\xff" + NOTE), "tempo of 3.57"),
        (smf(TEMPO, b"\x00\xff\x51\x03\x06\xa1\x20" + NOTE), "two tracks hold tempo maps that differ"),
        (smf(b"\x00\xff\x58\x04\x04\x02\x18\x08\x60\xff\x58\x04\x03\x02\x18\x08"), r"changes its meter \(3/4, 4/4\)"),
        (smf(FAR * 200), "more than 2 hours"),
        (smf(b"\xff" * 2000 + b"\x7f\x90\x3c\x40"), "a number without an end"),
        (smf(b"\x00\x3c\x40"), "running status"),
        (smf(b"\x00\x90\x3c\xf0"), "data byte"),
        (smf(b"\x00\xff\x51\x01\x07"), "can be read"),
        (b"MThd" + struct.pack(">LHHH", 6, 1, 65535, 480), "no track"),
        (bytes(MAX_MIDI_BYTES + 1), "too large"),
    ],
)
def test_hostile_files_are_refused_with_one_clear_line(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        read_midi(data, "take.mid")
    assert str(refused.value).startswith("take.mid: ")
    assert "\n" not in str(refused.value)


def test_a_meter_that_is_not_measured_is_refused_when_beats_are_asked_for() -> None:
    take = read_midi(smf(b"\x00\xff\x58\x04\x07\x03\x18\x08" + NOTE), "take.mid")
    with pytest.raises(InvalidInput, match="7/8 is not measured"):
        take.pulse()


def test_two_equal_tempo_maps_are_one() -> None:
    assert read_midi(smf(TEMPO, TEMPO + NOTE), "take.mid").has_tempo


@pytest.mark.parametrize(
    "flood",
    [
        b"\x00\xc0\x01" + b"\x00\x01" * 520_000,
        b"\x00\x90\x3c\x40" + b"\x00\x3c\x40" * 340_000,
        (b"\xff" * 1000 + b"\x7f\x90\x3c\x40") * 1000,
    ],
    ids=["programs", "notes", "numbers"],
)
def test_the_largest_file_is_read_or_refused_in_bounded_memory(flood: bytes, tmp_path: Path) -> None:
    file = tmp_path / "take.mid"
    file.write_bytes(smf(flood[: MAX_MIDI_BYTES - 100]))
    ran = subprocess.run([sys.executable, "-c", READ, file], capture_output=True, text=True, check=True, timeout=60)
    assert int(ran.stdout) < 400 * 1024


@given(st.binary(max_size=300), st.integers(0, 40))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(noise: bytes, place: int) -> None:
    whole = smf(TEMPO + NOTE * 5)
    for data in (noise, whole[:place] + noise + whole[place:], smf(noise)):
        with contextlib.suppress(InvalidInput):
            take = read_midi(data, "take.mid")
            assert all(note.onset_ms >= 0 and 0 <= note.pitch < 128 for note in take.notes)
