"""A `take.mid` dropped into a bundle of the running worker becomes `session.json`, and the cycle runs as ever."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sg_coach.cli import main
from sg_coach.contract import TAKE_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.files import Folder
from sg_coach.latency_book import read_book
from sg_coach.models import SessionRecord
from sg_coach.take import TakeReport
from sg_coach.take_files import analyse_files
from sg_hybrid.clock import SystemClock
from sg_hybrid.fs import run_blocking
from sg_hybrid.intake import DiskIntake
from sg_hybrid.latencies import LatencyNotes
from sg_hybrid.take_intake import MAX_TAKE_BYTES, analyse_take_file
from tests.conftest import FIXTURES
from tests.contracts.test_schemas import schema_accepts
from tests.fake_edges import session

from .test_worker_real import DAY, Place, until

CLIP = FIXTURES / "takes" / "clip_bossa"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def clip_in(place: Place, name: str = "clip_bossa") -> Path:
    """A generator's bundle without a take."""
    bundle = place.root / DAY / name
    return Path(shutil.copytree(CLIP, bundle, ignore=shutil.ignore_patterns(TAKE_FILE)))


def drop(bundle: Path, data: bytes = (CLIP / TAKE_FILE).read_bytes()) -> None:
    """Leave a take as a DAW does: written in place and closed."""
    (bundle / TAKE_FILE).write_bytes(data)


def name_device(bundle: Path, device: object) -> None:
    tags = document(bundle / "clip.tags.json")
    (bundle / "clip.tags.json").write_text(json.dumps(tags | {"device_id": device}))


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


@pytest.mark.parametrize("watcher", ["inotify", "portable"])
async def test_a_dropped_take_is_analysed_and_coached(place: Place, watcher: str) -> None:
    bundle = clip_in(place)
    async with place.worker(ai_enabled=False, watcher=watcher):
        drop(bundle)
        await until(lambda: (bundle / "manifest.json").exists())
    session, coaching = document(bundle / "session.json"), document(bundle / "clip.coach.json")
    assert schema_accepts("session_record_v1", session)
    assert session["latency_removed_ms"] == pytest.approx(22, abs=4)
    assert coaching["session_id"] == session["session_id"]
    assert not (bundle / "clip.error.json").exists()


async def test_a_take_that_waits_at_the_start_is_found(place: Place) -> None:
    bundle = clip_in(place)
    drop(bundle)
    assert DiskIntake([place.root]).scan() == [bundle]
    async with place.worker(ai_enabled=False):
        await until(lambda: (bundle / "manifest.json").exists())


def test_a_take_that_is_analysed_already_keeps_its_place_in_playing_order(place: Place) -> None:
    first, second = clip_in(place, "z_first"), clip_in(place, "a_second")
    for played, bundle in enumerate((first, second), 1):
        drop(bundle)
        os.utime(bundle / TAKE_FILE, (played, played))
    with Folder.open(first) as folder:  # a kill came after it
        assert analyse_take_file(folder)
    assert DiskIntake([place.root]).scan() == [first, second]


async def test_a_folder_with_nothing_but_a_take_is_a_bundle(place: Place) -> None:
    bundle = place.root / "my_take"
    bundle.mkdir()
    async with place.worker(ai_enabled=False):
        drop(bundle)
        await until(lambda: (bundle / "clip.coach.json").exists())
    assert document(bundle / "session.json")["program"] == {"kind": "live", "name": "my_take"}


async def test_an_improvisation_over_the_clip_is_measured_against_the_grid(place: Place) -> None:
    bundle = clip_in(place)
    data = bytearray((CLIP / TAKE_FILE).read_bytes())
    for at in range(len(data) - 2):
        if data[at] in (0x90, 0x80) and data[at + 2] in (80, 0):
            data[at + 1] = 30
    async with place.worker(ai_enabled=False):
        drop(bundle, bytes(data))
        await until(lambda: (bundle / "manifest.json").exists())
    assert document(bundle / "session.json")["total_events"] > 12


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MThd", "take.mid: ends in the middle"),
        (b"no midi at all, but long enough to be read", "take.mid: no Standard MIDI File"),
        (bytes(MAX_TAKE_BYTES + 1), "take.mid: too large"),
    ],
)
async def test_a_take_that_cannot_be_used_is_refused_and_mended_by_a_better_one(
    place: Place, data: bytes, words: str
) -> None:
    bundle = clip_in(place)
    async with place.worker(ai_enabled=False):
        drop(bundle, data)
        await until(lambda: (bundle / "clip.error.json").exists())
        assert words in document(bundle / "clip.error.json")["message"]
        assert not (bundle / "session.json").exists()
        drop(bundle)
        await until(lambda: (bundle / "clip.coach.json").exists() and not (bundle / "clip.error.json").exists())


@pytest.mark.parametrize("watcher", ["inotify", "portable"])
async def test_another_take_over_the_first_one_is_another_take(place: Place, watcher: str) -> None:
    bundle = clip_in(place)
    later = (CLIP / TAKE_FILE).read_bytes().replace(b"\x07\xa1\x20", b"\x07\xa1\x00")
    async with place.worker(ai_enabled=False, watcher=watcher):
        drop(bundle)
        await until(lambda: (bundle / "manifest.json").exists())
        first = (bundle / "session.json").read_bytes()
        drop(bundle, later)
        await until(lambda: (bundle / "session.json").read_bytes() != first)
        of_the_second = sha256_bytes((bundle / "session.json").read_bytes())
        await until(lambda: of_the_second in (bundle / "manifest.json").read_text())
    assert document(bundle / "session.json")["take_sha256"] == sha256_bytes(later)


async def test_the_latency_of_a_take_is_remembered_by_device(place: Place, tmp_path: Path) -> None:
    book = tmp_path / "data" / "latency.json"
    first, second, unnamed = (clip_in(place, f"clip_{name}") for name in "abc")
    name_device(first, "sg-000142")
    name_device(second, "sg-000143")
    async with place.worker(ai_enabled=False, latency_book=book):
        for bundle in (first, second, unnamed):
            drop(bundle)
        await until(lambda: all((bundle / "manifest.json").exists() for bundle in (first, second, unnamed)))
    devices = read_book(book).devices
    assert sorted(devices) == ["sg-000142", "sg-000143"]
    [noted] = devices["sg-000142"]
    session = document(first / "session.json")
    assert (session["device_id"], session["latency_removed_ms"]) == ("sg-000142", noted.latency_ms)
    assert noted.latency_ms == pytest.approx(22, abs=4)


async def test_the_book_is_the_one_that_the_player_looks_into(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    bundle = clip_in(place)
    name_device(bundle, "sg-7")
    async with place.worker(ai_enabled=False):
        drop(bundle)
        await until(lambda: (tmp_path / "data" / "sgc" / "latency.json").exists())
    capsys.readouterr()
    assert main(["latency"]) == 0
    assert capsys.readouterr().out.startswith("sg-7: +2")


async def test_a_take_waits_for_no_book(place: Place, tmp_path: Path) -> None:
    """Somebody holds the book's lock: the hint is out and durable all the same, and nothing is forgotten."""
    bundle = clip_in(place)
    name_device(bundle, "sg-7")
    book = tmp_path / "latency.json"
    async with place.worker(ai_enabled=False, latency_book=book):
        with Folder.open(tmp_path) as folder, folder.lock():
            drop(bundle)
            await until(lambda: (bundle / "manifest.json").exists())
            assert not book.exists()
        await until(book.exists)
    assert list(read_book(book).devices) == ["sg-7"]


@pytest.mark.parametrize("broken", ["nonsense", "folder"])
async def test_a_book_that_cannot_be_written_costs_no_take_anything(place: Place, tmp_path: Path, broken: str) -> None:
    book = tmp_path / "latency.json"
    if broken == "folder":
        book.mkdir()
    else:
        book.write_text("nonsense")
    bundles = [clip_in(place, f"clip_{number}") for number in range(2)]
    with capture_logs() as logs:
        async with place.worker(ai_enabled=False, latency_book=book):
            for bundle in bundles:
                name_device(bundle, "sg-7")
                drop(bundle)
                await until((bundle / "manifest.json").exists)
    said = [line for line in logs if line["event"] == "latency_not_noted"]
    assert said
    assert all(str(book) in line["error"] and line["devices"] == ["sg-7"] for line in said)
    assert not any((bundle / "clip.error.json").exists() for bundle in bundles)


async def test_nobodys_hint_waits_while_a_take_is_analysed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another clip's cycle begins and ends while the analysis of a take is held up in its thread."""
    go = threading.Event()

    def held(take: bytes, **more: Any) -> TakeReport:
        assert go.wait(20)
        return analyse_files(take, **more)

    monkeypatch.setattr("sg_hybrid.take_intake.analyse_files", held)
    bundle = clip_in(place)
    async with place.worker(ai_enabled=False):
        drop(bundle)
        other = place.play("clip_other")
        await until((other / "manifest.json").exists)
        assert not (bundle / "session.json").exists()
        go.set()
        await until((bundle / "manifest.json").exists)


@pytest.mark.parametrize("device", ["", "sg\x1b[2J", "\ud800", 7, None])
def test_a_device_without_a_name_that_can_be_printed_is_not_known(tmp_path: Path, device: object) -> None:
    (tmp_path / "clip.tags.json").write_text(json.dumps({"device_id": device}))
    drop(tmp_path)
    told: list[SessionRecord] = []
    with Folder.open(tmp_path) as folder:
        assert analyse_take_file(folder, told.append)
        assert analyse_take_file(folder, told.append)
    assert [session.device_id for session in told] == [None]


async def test_random_notes_have_no_latency(tmp_path: Path) -> None:
    notes = LatencyNotes(SystemClock(), lambda call: call(), tmp_path / "book.json")
    known = session(device_id="sg-7", latency_removed_ms=70.0)
    for changes in ({"timing_measurable": False}, {"device_id": None, "timing_measurable": True}, {}):
        await run_blocking(notes.analysed, known.model_copy(update=changes))
    await notes.flush()
    assert not (tmp_path / "book.json").exists()


def test_a_session_that_somebody_wrote_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path)
    (tmp_path / "session.json").write_text("{}")
    with Folder.open(tmp_path) as folder:
        assert analyse_take_file(folder)
    assert (tmp_path / "session.json").read_text() == "{}"


def test_without_a_take_there_is_nothing_to_do(tmp_path: Path) -> None:
    with Folder.open(tmp_path) as folder:
        assert not analyse_take_file(folder)
    assert list(tmp_path.iterdir()) == []


def test_tags_that_cannot_be_read_count_as_absent(tmp_path: Path) -> None:
    drop(tmp_path)
    (tmp_path / "clip.tags.json").write_text("{")
    with Folder.open(tmp_path) as folder:
        assert analyse_take_file(folder)
    assert document(tmp_path / "session.json")["program"]["name"] == tmp_path.name
