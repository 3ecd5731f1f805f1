"""A `take.mid` dropped into a bundle of the running worker becomes `session.json`, and the cycle runs as ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sg_coach.contract import TAKE_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.files import Folder
from sg_hybrid.intake import DiskIntake
from sg_hybrid.take_intake import MAX_TAKE_BYTES, analyse_take_file
from tests.conftest import FIXTURES
from tests.contracts.test_schemas import schema_accepts

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
