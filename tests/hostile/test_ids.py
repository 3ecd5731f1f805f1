"""ID: what stands where a name should, in a bundle and in the queue at once."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from sg_coach.errors import InvalidInput
from sg_coach.jsontext import to_json_bytes
from sg_hybrid.queue_entry import entry_name
from sg_hybrid.spool import DiskSpool
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import addendum, context, names, query, queued

from .place import DAY, GOOD_SESSION, Place, is_coached, refusal

REFUSED = {
    "ID-01-empty": "",
    "ID-02-dot": ".",
    "ID-03-dot-dot": "..",
    "ID-04-parent-path": "../../etc/passwd",
    "ID-05-absolute": "/etc/passwd",
    "ID-06-slash": "a/b",
    "ID-07-backslash": "a\\b",
    "ID-08-nul": "a\0b",
    "ID-09-trailing-newline": "clip_x\n",
    "ID-10-esc": "a\x1b[31m",
    "ID-11-239-characters": "a" * 239,
    "ID-12-128-two-byte-characters": "é" * 128,
    "ID-13-leading-dot": ".hidden",
    "ID-16-option": "-rf",
    "ID-18-nfd": unicodedata.normalize("NFD", "clip_é"),
    "ID-19-fullwidth-dots": "\uff0e\uff0e",
    "ID-20-bidi": "clip_\u202ex",
    "ID-22-number": 5,
    "ID-22-null": None,
    "ID-22-list": ["clip_x"],
    "ID-25-percent-encoded": "%2e%2e%2fx",
    "ID-26-root-of-root": "~root",
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_clip_id_is_refused_in_a_bundle_and_put_aside_in_the_queue(value: Any, tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle(files={"clip.tags.json": json.dumps({"clip_id": value}).encode()})
    entry = queued("clip_x", EPOCH).model_dump(mode="json") | {"clip_id": value}
    (place.pending / entry_name("clip_x")).write_text(json.dumps(entry))
    os.utime(place.pending / entry_name("clip_x"), (1, 1))
    before = everything(tmp_path)

    await place.drain()

    assert refusal(bundle).startswith("clip.tags.json: clip_id: ")
    assert "clip_id" in place.rejected()
    assert not is_coached(bundle)
    assert outside(everything(tmp_path) - before, place) == set()
    if isinstance(value, str):
        with pytest.raises(InvalidInput, match="clip_id"):
            entry_name(value)


async def test_id_21_lone_surrogate(tmp_path: Path) -> None:
    """Tags that are no JSON of ours name nobody: the folder's name holds."""
    place = Place(tmp_path)
    bundle = place.bundle(files={"clip.tags.json": b'{"clip_id": "\\ud800"}'})
    (place.pending / entry_name("clip_x")).write_bytes(b'{"clip_id": "\\ud800"}')
    os.utime(place.pending / entry_name("clip_x"), (1, 1))

    await place.drain()

    assert json.loads((bundle / "clip.coach.json").read_bytes())["clip_id"] == "clip_x"
    assert "lone surrogate" in place.rejected()


@pytest.mark.parametrize("value", ["x.tmp", "x_ai_addendum.json"], ids=["ID-14-x.tmp", "ID-15-x_ai_addendum.json"])
async def test_an_odd_but_safe_id_lives_the_whole_life(value: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle(files={"clip.tags.json": json.dumps({"clip_id": value}).encode()})
    await place.drain()
    assert json.loads((bundle / "clip.coach.json").read_bytes())["clip_id"] == value

    root, clock = tmp_path / "other_queue", FakeClock(frozen=True)
    spool = await DiskSpool.open(root, clock)
    await spool.put(addendum(value), context(value))
    await spool.recover(lambda _bundle, _digest: False)
    assert names(root, "pending") == [f"{value}_ai_addendum.json"]
    await spool.refresh()
    claim = await spool.claim(query(), bundle)
    assert claim is not None
    await spool.finish(claim)
    assert names(root, "applied") == [f"{value}_ai_addendum.json"]


async def test_id_17_two_that_differ_by_case(tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundles = [place.bundle(name) for name in ("clip_x", "CLIP_X")]

    await place.drain()

    assert [json.loads((bundle / "clip.coach.json").read_bytes())["clip_id"] for bundle in bundles] == [
        "clip_x",
        "CLIP_X",
    ]


SESSIONS: dict[str, Any] = {
    "ID-22-number": 5,
    "ID-22-null": None,
    "ID-22-list": [],
    "ID-23-no-uuid": "g001",
    "ID-24-braced": "{550e8400-e29b-41d4-a716-446655440000}",
}


@pytest.mark.parametrize("value", SESSIONS.values(), ids=SESSIONS.keys())
async def test_a_session_id_that_is_none_is_named(value: Any, tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle(files={"session.json": to_json_bytes(GOOD_SESSION | {"session_id": value})})

    await place.drain()

    assert refusal(bundle).startswith("session.json: session_id: not a UUID")


async def test_id_24_upper_case_is_the_same_session(tmp_path: Path) -> None:
    place = Place(tmp_path)
    upper = str(GOOD_SESSION["session_id"]).upper()
    bundle = place.bundle(files={"session.json": to_json_bytes(GOOD_SESSION | {"session_id": upper})})

    await place.drain()

    assert json.loads((bundle / "clip.coach.json").read_bytes())["session_id"] == GOOD_SESSION["session_id"]


async def test_id_27_two_bundles_with_one_id(tmp_path: Path) -> None:
    """Each is coached by its own facts; neither takes anything from the other."""
    place = Place(tmp_path)
    tags = {"clip.tags.json": b'{"clip_id": "clip_one"}'}
    loose = {"session.json": to_json_bytes(GOOD_SESSION | {"notes_on_grid_ratio": 0.5})}
    bundles = [
        place.bundle("clip_x", tags),
        place.bundle("clip_y", tags | loose),
        place.bundle("clip_x", day="2026-02-05"),
    ]

    await place.drain()

    scores = [json.loads((bundle / "clip.coach.json").read_bytes())["score"] for bundle in bundles]
    assert scores == [85, 60, 85]
    assert all(is_coached(bundle) for bundle in bundles)


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def outside(paths: set[Path], place: Place) -> set[Path]:
    """What lies neither in the bundle, nor beside it (the healthy take, the day's index), nor in the queue."""
    day = place.root / DAY
    return {path for path in paths if day not in path.parents and place.queue not in (path, *path.parents)}
