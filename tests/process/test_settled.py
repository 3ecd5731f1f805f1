"""After a start only what needs a cycle gets one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sg_hybrid.bundle import DiskBundles
from sg_hybrid.history import ScoreHistory
from sg_hybrid.layout import Walk

from .test_bundle import CLOCK, addendum, coach, make_bundle, put_take

Change = Callable[[Path], object]


def asked(scores: ScoreHistory) -> DiskBundles:
    return DiskBundles(CLOCK, lambda call: None, admitted=scores.has)


@pytest.fixture
async def settled(tmp_path: Path) -> Path:
    """A bundle as a finished cycle leaves it, with its entry in the session index."""
    bundle = make_bundle(tmp_path / "2026-02-04" / "clip_a")
    (bundle / "clip.tags.json").write_text('{"clip_id": "clip_a"}')
    coached = await coach(asked(ScoreHistory()), bundle)
    await asked(ScoreHistory()).attach(coached, addendum(), "live")
    scores = ScoreHistory()
    scores.place(coached.take, lambda _before: coached.coaching)
    assert await scores.flush()
    return bundle


async def test_a_take_that_stands_as_it_should_is_left_out(settled: Path) -> None:
    other = make_bundle(settled.parent / "clip_b")
    assert await asked(ScoreHistory()).unsettled_by_session([settled, other]) == [[other]]


async def test_what_needs_a_cycle_stays_with_its_session(settled: Path) -> None:
    other = make_bundle(settled.parent / "clip_b")
    (settled / "clip.coach.json").unlink()
    assert await asked(ScoreHistory()).unsettled_by_session([settled, other]) == [[settled, other]]


def _forget(bundle: Path, artifact_id: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["artifacts"] = [entry for entry in manifest["artifacts"] if entry["artifact_id"] != artifact_id]
    (bundle / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda bundle: put_take(bundle, total_events=77), id="a new take"),
        pytest.param(lambda bundle: (bundle / "session.json").write_text("{"), id="a take that cannot be read"),
        pytest.param(lambda bundle: (bundle / "session.json").unlink(), id="no take any more"),
        pytest.param(lambda bundle: (bundle / "clip.coach.json").unlink(), id="no coach file"),
        pytest.param(lambda bundle: (bundle / "clip.coach.json").write_text("{}"), id="a torn coach file"),
        pytest.param(lambda bundle: (bundle / "manifest.json").unlink(), id="no manifest"),
        pytest.param(lambda bundle: (bundle / "manifest.json").write_text("["), id="a broken manifest"),
        pytest.param(lambda bundle: _forget(bundle, "coach"), id="a coach file that is not listed"),
        pytest.param(lambda bundle: _forget(bundle, "ai_coach"), id="a tip that is not listed"),
        pytest.param(lambda bundle: (bundle / "clip.error.json").write_text("{}"), id="an error that is left"),
        pytest.param(lambda bundle: (bundle / ".clip.coach.json.1-2.tmp").touch(), id="a temporary that is left"),
        pytest.param(lambda bundle: (bundle / "clip.tags.json").write_text('{"clip_id": "b"}'), id="two clip ids"),
        pytest.param(lambda bundle: (bundle.parent / "session.index.json").unlink(), id="no entry in the index"),
        pytest.param(lambda bundle: os.rename(bundle, f"{bundle}.there"), id="no folder"),
    ],
)
async def test_what_is_not_as_it_should_be_needs_a_cycle(settled: Path, change: Change) -> None:
    change(settled)
    assert await asked(ScoreHistory()).unsettled_by_session([settled]) == [[settled]]


async def test_a_record_of_an_older_take_file_needs_a_cycle(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "2026-02-04" / "clip_a", take_sha256="sha256:" + "0" * 64)
    scores = ScoreHistory()
    coached = await coach(asked(scores), bundle)
    scores.place(coached.take, lambda _before: coached.coaching)
    assert await asked(scores).unsettled_by_session([bundle]) == []
    (bundle / "take.mid").write_bytes(b"another take")
    assert await asked(scores).unsettled_by_session([bundle]) == [[bundle]]


async def test_a_record_of_the_instrument_stands_beside_any_take_file(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "2026-02-04" / "clip_a")
    scores = ScoreHistory()
    coached = await coach(asked(scores), bundle)
    scores.place(coached.take, lambda _before: coached.coaching)
    (bundle / "take.mid").write_bytes(b"some take")
    assert await asked(scores).unsettled_by_session([bundle]) == []


async def test_a_look_tells_what_was_coached_most_likely(settled: Path) -> None:
    walk = Walk([str(settled.parent.parent)], lambda _path, _kind: None, lambda _path, _why: None)
    now = settled.stat().st_mtime

    def looks_coached() -> bool:
        (take,) = walk.day(str(settled.parent), watch=False)
        return take.coached

    def coached(take_s: float, manifest_s: float, index_s: float) -> bool:
        os.utime(settled / "session.json", (now + take_s, now + take_s))
        os.utime(settled / "manifest.json", (now + manifest_s, now + manifest_s))
        os.utime(settled.parent / "session.index.json", (now + index_s, now + index_s))
        return looks_coached()

    assert coached(0, 1, 10)
    assert not coached(2, 1, 10), "a new take came since"
    assert not coached(0, 9, 10), "it may have come too late for the index"
    (settled.parent / "session.index.json").rename(settled.parent / "away")
    assert not looks_coached(), "there is no index"
