"""A clip on disk: whole or absent, durable, read back by others; the same request gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mido
import pytest

from sg_coach.files import Folder
from sg_coach.midi_file import read_midi
from sg_generator import bundle
from sg_generator.bundle import Written, clip_id_of, read_request, write_bundle, write_error_bundle
from sg_generator.engine import arrange
from sg_generator.errors import ErrorCode, GeneratorError, RegenerationFailed
from sg_generator.midi import files_of
from sg_generator.models import METERS, STYLE_NAMES, ClipRequest, Note, bar_ticks, request_from
from sg_hybrid.manifest import check_manifest

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, UTC)
FILES = {"clip.mid", "clip.comp.mid", "clip.bass.mid", "clip.tags.json", "clip.runlog.json", "manifest.json"}


def request(**fields: Any) -> ClipRequest:
    return request_from({"chords": ["Dm7", "G7", "Cmaj7/E"], "tempo_bpm": 132, "bars": 6, "seed": 5} | fields)


def write(root: Path, asked: ClipRequest | None = None, **options: Any) -> Written:
    asked = asked or request()
    return write_bundle(root, asked, arrange(asked), NOW, engine_version="test-1", **options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def load(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_bytes())


def test_a_bundle_has_all_its_files_private_and_nothing_beside_it(tmp_path: Path) -> None:
    made = write(tmp_path / "root")
    assert made.folder == tmp_path / "root" / "2026-02-04" / made.clip_id
    assert set(content(made.folder)) == FILES
    assert os.listdir(made.folder.parent) == [made.clip_id]
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}


def test_the_stable_fields_are_there(tmp_path: Path) -> None:
    made = write(tmp_path, request(session_id="s-1", key="C"), parent_clip_id="clip_before")
    tags = load(made.folder, "clip.tags.json")
    assert tags["clip_id"] == made.clip_id
    assert tags["created_at"] == "2026-02-04T12:34:56.789Z"
    assert (tags["chords"], tags["tempo_bpm"], tags["meter"]) == (["Dm7", "G7", "Cmaj7/E"], 132, "4/4")
    assert (tags["session_id"], tags["key"], tags["parent_clip_id"]) == ("s-1", "C", "clip_before")
    runlog = load(made.folder, "clip.runlog.json")
    assert runlog["clip_id"] == made.clip_id
    assert runlog["attempt_id"]
    assert (runlog["seed"], runlog["engine_version"], runlog["status"]) == (5, "test-1", "ok")


def test_the_manifest_is_valid_and_every_hash_matches(tmp_path: Path) -> None:
    made = write(tmp_path)
    manifest = load(made.folder, "manifest.json")
    assert check_manifest(manifest) == []
    listed = {entry["path"]: entry for entry in manifest["artifacts"]}
    assert set(listed) == FILES - {"manifest.json"}
    for name, entry in listed.items():
        data = (made.folder / name).read_bytes()
        assert entry["sha256"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert entry["bytes"] == len(data)


def test_the_same_request_twice_is_two_clips_with_the_same_music(tmp_path: Path) -> None:
    one, two = write(tmp_path), write(tmp_path)
    assert one.clip_id != two.clip_id
    first, second = content(one.folder), content(two.folder)
    assert {name for name in FILES if first[name] == second[name]} == {"clip.mid", "clip.comp.mid", "clip.bass.mid"}


def test_the_same_request_at_the_same_time_elsewhere_is_the_same_bytes(tmp_path: Path) -> None:
    assert content(write(tmp_path / "a").folder) == content(write(tmp_path / "b").folder)


def test_another_process_gives_the_same_bytes() -> None:
    script = (
        "import hashlib; from sg_generator.engine import arrange; from sg_generator.midi import files_of;"
        "from sg_generator.models import STYLE_NAMES, request_from;"
        "ask = lambda style: request_from({'chords': ['Dm7', 'G7 C'], 'tempo_bpm': 99.5, 'bars': 5, 'style': style});"
        "print([hashlib.sha256(data).hexdigest() for s in STYLE_NAMES for data in files_of(arrange(ask(s))).values()])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_many_writers_at_one_instant_get_a_clip_each(tmp_path: Path) -> None:
    made: list[Written] = []
    threads = [threading.Thread(target=lambda: made.append(write(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({one.clip_id for one in made}) == 8
    assert all(set(content(one.folder)) == FILES for one in made)


@pytest.fixture
def failing_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", no_space)


@pytest.mark.usefixtures("failing_rename")
def test_a_bundle_that_cannot_be_finished_is_absent(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path)
    assert os.listdir(tmp_path / "2026-02-04") == []


def test_a_full_disk_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    sync = os.fsync

    def failing(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        sync(fd)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path)
    assert os.listdir(tmp_path / "2026-02-04") == []


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from sg_generator import bundle
from sg_generator.engine import arrange
from sg_generator.models import request_from
bundle.os.rename = lambda *_, **__: os.kill(os.getpid(), 9)
asked = request_from({"chords": ["C"], "tempo_bpm": 100, "bars": 2})
bundle.write_bundle(Path(sys.argv[1]), asked, arrange(asked), datetime(2026, 2, 4, tzinfo=UTC), engine_version="x")
"""


def test_a_killed_writer_leaves_no_bundle_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert ended.returncode == -9
    (left,) = os.listdir(tmp_path / "2026-02-04")
    assert left.startswith(".")
    made = write(tmp_path)
    assert os.listdir(tmp_path / "2026-02-04") == [made.clip_id]


def test_what_somebody_still_writes_is_left_alone(tmp_path: Path) -> None:
    with Folder.make_private(tmp_path / "2026-02-04") as day, bundle._stage(day, "clip_" + "0" * 20) as stage:
        write(tmp_path)
        assert stage.path.is_dir()


def test_an_error_bundle_says_why_there_is_no_clip(tmp_path: Path) -> None:
    made = write_error_bundle(
        tmp_path, {"chords": ["Hm"]}, ErrorCode.VALIDATION_ERROR, "chords[0] 'Hm': …", NOW, engine_version="test-1"
    )
    assert set(content(made.folder)) == {"clip.error.json", "clip.runlog.json", "manifest.json"}
    error = load(made.folder, "clip.error.json")
    assert error["error_code"] == "VALIDATION_ERROR"
    assert error["clip_id"] == made.clip_id
    assert load(made.folder, "clip.runlog.json")["status"] == "failed"
    assert check_manifest(load(made.folder, "manifest.json")) == []


def test_the_request_is_read_back_from_the_tags(tmp_path: Path) -> None:
    asked = request(style="bossa", density_bucket="dense", syncopation_bucket="heavy", session_id="s", key="C")
    assert read_request(write(tmp_path, asked).folder) == asked
    plain = request()
    assert read_request(write(tmp_path, plain).folder) == plain.model_copy(update={"style": "swing"})


def test_tags_of_another_writer_are_enough(tmp_path: Path) -> None:
    tags = {"clip_id": "x", "created_at": "…", "chords": ["C", "F"], "tempo_bpm": 100, "meter": "3/4"}
    (tmp_path / "clip.tags.json").write_text(json.dumps(tags))
    read = read_request(tmp_path)
    assert (read.chords, read.bars, read.meter, read.style_name) == (("C", "F"), 2, "3/4", "waltz")


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "not there"), ("{", "not JSON"), ('{"chords": ["C"]}', "tempo_bpm: missing"), ("[]", "top level")],
)
def test_unusable_tags_are_named(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "clip.tags.json").write_text(text)
    with pytest.raises(RegenerationFailed, match=rf"clip\.tags\.json: .*{problem}"):
        read_request(tmp_path)


def test_a_clip_id_depends_on_request_instant_and_turn() -> None:
    ids = {clip_id_of({"a": 1}, NOW), clip_id_of({"a": 2}, NOW), clip_id_of({"a": 1}, NOW, 1)}
    assert len(ids) == 3
    assert clip_id_of({"a": 1}, NOW) in ids


# The files as others read them


def opened(data: bytes) -> Any:
    return mido.MidiFile(file=io.BytesIO(data))


@pytest.mark.parametrize("meter", METERS)
def test_the_files_open_elsewhere_with_tempo_meter_names_and_programs(meter: str) -> None:
    asked = request(meter=meter, chords=["Dm7", "G7♭9", "C△7"])
    made = arrange(asked)
    files = files_of(made)
    assert set(files) == {"clip.mid", "clip.comp.mid", "clip.bass.mid"}
    for name, tracks in (
        ("clip.mid", ["Comping", "Bass"]),
        ("clip.comp.mid", ["Comping"]),
        ("clip.bass.mid", ["Bass"]),
    ):
        file = opened(files[name])
        assert (file.type, file.ticks_per_beat) == (1, 480)
        assert [track.name for track in file.tracks[1:]] == tracks
        head = {message.type: message for message in file.tracks[0]}
        assert mido.tempo2bpm(head["set_tempo"].tempo) == pytest.approx(132, abs=0.001)
        assert f"{head['time_signature'].numerator}/{head['time_signature'].denominator}" == meter
        assert {sum(message.time for message in track) for track in file.tracks} == {6 * bar_ticks(asked.meter)}
        programs = [m.program for track in file.tracks for m in track if m.type == "program_change"]
        assert len(programs) == len(tracks)


def test_markers_stand_at_the_chord_changes() -> None:
    made = arrange(request(chords=["Dm7 G7", "C", "C"], bars=3))
    tick, found = 0, []
    for message in opened(files_of(made)["clip.mid"]).tracks[0]:
        tick += message.time
        if message.type == "marker":
            found.append((tick, message.text))
    assert found == [(0, "Dm7"), (960, "G7"), (1920, "C")]


def test_markers_are_utf_8_also_from_many_threads() -> None:
    made = arrange(request(chords=["C△7", "G♭7"], bars=2))
    found: list[dict[str, bytes]] = []
    threads = [threading.Thread(target=lambda: found.extend(files_of(made) for _ in range(5))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({files["clip.mid"] for files in found}) == 1
    assert "C△7".encode() in found[0]["clip.mid"]
    assert "G♭7".encode() in found[0]["clip.bass.mid"]


@pytest.mark.parametrize(
    "note", [Note(0, 128, 10, 80), Note(0, 60, 0, 80), Note(-1, 60, 10, 80), Note(0, 60, 10, 0), Note(0, 60, 10**6, 9)]
)
def test_a_note_that_no_file_can_hold_is_refused(note: Note) -> None:
    with pytest.raises(GeneratorError, match="the engine made a note that cannot be written"):
        files_of(replace(arrange(request()), comp=(note,)))


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_note_ends_and_all_of_them_are_in_the_file(style: str) -> None:
    made = arrange(request(style=style))
    for name, notes in (("clip.comp.mid", made.comp), ("clip.bass.mid", made.bass)):
        sounding: dict[int, int] = {}
        found, tick = [], 0
        for message in opened(files_of(made)[name]).tracks[1]:
            tick += message.time
            if message.type != "note_on":
                continue
            if message.velocity:
                assert message.note not in sounding
                sounding[message.note] = tick
            else:
                found.append((sounding.pop(message.note), message.note, tick))
        assert sounding == {}
        assert sorted(found) == sorted((note.start, note.pitch, note.end) for note in notes)


def test_the_coach_reads_the_comping_as_a_reference() -> None:
    made = arrange(request())
    take = read_midi(files_of(made)["clip.comp.mid"], "clip.comp.mid")
    assert len(take.notes) == len(made.comp)
    assert take.meter == "4/4"
