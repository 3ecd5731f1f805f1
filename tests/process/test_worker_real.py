"""The whole worker on real disk and sockets, with the local simulator as the AI: where each reply ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from sg_hybrid import layout
from sg_hybrid.bundle_check import check_bundle
from sg_hybrid.bundle_reader import read_bundle
from sg_hybrid.compose import HybridWorker
from sg_hybrid.drained import Drained
from sg_hybrid.errors import QueueHeld
from sg_hybrid.layout import _status
from sg_hybrid.settings import Settings
from sg_hybrid.simulator import Call, Fault, Outcome, error, serve
from tests.fake_edges import session
from tests.late_replies import put_file, queued

DAY = "2026-02-04"
NAMESPACE = UUID("550e8400-e29b-41d4-a716-446655440000")


class Place:
    """A bundle root and a queue, and an AI whose answers are chosen by the tempo of the take."""

    def __init__(self, folder: Path) -> None:
        self.root, self.queue = folder / "bundles", folder / "queue"
        self.root.mkdir()
        self.outcomes: dict[float, Outcome] = {}

    def answer(self, call: Call) -> Outcome:
        return next((outcome for bpm, outcome in self.outcomes.items() if bpm in call.facts.values()), Outcome())

    @asynccontextmanager
    async def worker(self, *, watch: bool = True, **changes: Any) -> AsyncIterator[HybridWorker]:
        async with serve(self.answer) as simulator:
            settings: dict[str, Any] = {
                "ai_enabled": True,
                "anthropic_api_key": "test-key",
                "anthropic_base_url": simulator.base_url,
                "queue_dir": self.queue,
                "bundle_roots": (self.root,),
                "sweep_interval_s": 0.1,
                "grace_s": 1.0,
            }
            async with HybridWorker(Settings(**(settings | changes)), watch=watch) as worker:
                if settings["ai_enabled"]:
                    await worker.ai_ready()
                yield worker

    def play(self, clip: str, bpm: float = 100.0, session_of: str = "one", **changes: Any) -> Path:
        """Leave a take as an instrument does: whole, by a rename."""
        bundle = self.root / DAY / clip
        bundle.mkdir(parents=True, exist_ok=True)
        record = session(bpm=bpm, session_id=uuid5(NAMESPACE, session_of), **changes)
        (bundle / ".session.json.part").write_text(record.model_dump_json())
        (bundle / ".session.json.part").rename(bundle / "session.json")
        return bundle

    def pending(self) -> dict[str, Any]:
        """What `ls pending/` shows; temporaries begin with a dot."""
        return {path.name: json.loads(path.read_bytes()) for path in (self.queue / "pending").glob("[!.]*")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def whole_after(seconds: float) -> Outcome:
    """A reply that comes all at once, so that no part of it is earlier than the rest."""
    return Outcome(seconds, first_token_s=seconds)


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.005)


def source_of(bundle: Path) -> str | None:
    try:
        found: str | None = json.loads((bundle / "manifest.json").read_bytes()).get("coaching_source")
    except FileNotFoundError:
        return None
    return found


async def test_each_reply_ends_where_its_time_says(place: Place) -> None:
    """A deadline of 1.5 s, so that a busy machine does not decide the race."""
    delays = {101.0: 0.0, 102.0: 0.5, 103.0: 0.8, 104.0: 1.55, 105.0: 2.5, 106.0: 4.5}
    place.outcomes = {bpm: whole_after(delay) for bpm, delay in delays.items()}
    async with place.worker(prepare=False, reply_deadline_ms=1500):
        bundles = {bpm: place.play(f"clip_{bpm:.0f}", bpm, session_of=str(bpm)) for bpm in delays}
        await until(lambda: len(place.pending()) == 3)
        in_time = [bundles[bpm] for bpm, delay in delays.items() if delay < 1.5]
        await until(lambda: all(source_of(bundle) == "hybrid" for bundle in in_time))
    for bpm, delay in delays.items():
        bundle, entry = bundles[bpm], place.pending().get(f"clip_{bpm:.0f}_ai_addendum.json")
        assert (bundle / "clip.coach.json").exists()
        assert (bundle / "clip.ai_coach.json").exists() == (delay < 1.5), delay
        assert (entry is not None) == (delay >= 1.5), delay
        assert source_of(bundle) == ("hybrid" if delay < 1.5 else "deterministic")
        if entry is not None:
            assert entry["queued"] is True
            assert entry["queued_at_utc"]


@pytest.mark.parametrize(
    "outcome",
    [
        error(401),
        error(529, "60"),
        Outcome(fault=Fault.GARBAGE),
        Outcome(fault=Fault.HTML),
        Outcome(fault=Fault.RESET, cut_at=300),
        Outcome(fault=Fault.HANG),
    ],
    ids=["refused", "busy", "garbage", "html", "reset", "hang"],
)
async def test_a_bad_ai_leaves_a_deterministic_bundle(place: Place, outcome: Outcome) -> None:
    place.outcomes = {101.0: outcome}
    async with place.worker(give_up_after_s=1.0, grace_s=2.0):
        bundle = place.play("clip_a", 101.0)
        await until(lambda: source_of(bundle) is not None)
    assert source_of(bundle) == "deterministic"
    assert not (bundle / "clip.ai_coach.json").exists()
    assert place.pending() == {}


async def test_the_next_take_of_the_session_gets_the_late_tip_once(place: Place) -> None:
    place.outcomes = {101.0: whole_after(0.8), 102.0: error(401)}
    async with place.worker():
        place.play("clip_a", 101.0)
        await until(lambda: bool(place.pending()))
        tip = place.pending()["clip_a_ai_addendum.json"]
        second = place.play("clip_b", 102.0)
        await until(lambda: (place.queue / "applied" / "clip_a_ai_addendum.json").exists())
        third = place.play("clip_c", 102.0)
        await until(lambda: source_of(third) is not None)
    assert json.loads((second / "clip.ai_coach.queued.json").read_bytes()) == tip
    assert source_of(second) == "hybrid"
    assert not (third / "clip.ai_coach.queued.json").exists()
    assert place.pending() == {}
    view = read_bundle(second)
    assert not getattr(view, "problems", ())


async def test_what_nobody_needs_expires(place: Place) -> None:
    place.outcomes = {101.0: whole_after(0.6)}
    async with place.worker(spool_ttl_s=1.0):
        place.play("clip_a", 101.0)
        await until(lambda: bool(place.pending()))
        await until(lambda: not place.pending())
    assert list((place.queue / "context").iterdir()) == []


async def test_with_the_ai_off_nothing_is_asked_and_the_sdk_is_not_needed(place: Place) -> None:
    async with place.worker(ai_enabled=False, watch=False) as worker:
        report = await worker.coach_clip(str(place.play("clip_a")))
    assert report.ai_status == "disabled"
    assert source_of(place.root / DAY / "clip_a") == "deterministic"


async def test_switching_while_it_runs_takes_effect_at_once(place: Place) -> None:
    from sg_hybrid.clock import SystemClock
    from sg_hybrid.switch import set_mode

    async with place.worker(watch=False) as worker:
        assert (await worker.coach_clip(place.play("clip_a"))).ai_status in ("success", "timeout")
        set_mode(place.queue, "off", SystemClock().now())
        assert (await worker.coach_clip(place.play("clip_b"))).ai_status == "disabled"
        set_mode(place.queue, "on", SystemClock().now())
        assert (await worker.coach_clip(place.play("clip_c"))).ai_status in ("success", "timeout")


async def test_takes_from_before_the_start_are_coached_in_playing_order(place: Place) -> None:
    bundles = [place.play(f"clip_{n}", 100.0, timing_p95_error_ms=p95) for n, p95 in enumerate((60.0, 40.0, 10.0))]
    for n, bundle in enumerate(bundles):
        os.utime(bundle / "session.json", ns=(n * 10**9, n * 10**9))
    async with place.worker(ai_enabled=False):
        await until(lambda: all(source_of(bundle) for bundle in bundles))
    trends = [json.loads((bundle / "clip.coach.json").read_bytes())["score_trend"] for bundle in bundles]
    assert trends == [None, 15.0, 25.5]


async def test_a_restart_writes_nothing_new_and_a_session_goes_on(place: Place) -> None:
    first = place.play("clip_a", timing_p95_error_ms=60.0)
    async with place.worker(ai_enabled=False):
        await until(lambda: source_of(first) is not None)
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    async with place.worker(ai_enabled=False):
        second = place.play("clip_b", timing_p95_error_ms=10.0)
        await until(lambda: source_of(second) is not None)
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before
    assert json.loads((second / "clip.coach.json").read_bytes())["score_trend"] == 30.0
    entries = json.loads((place.root / DAY / "session.index.json").read_bytes())["entries"]
    assert [entry["clip_id"] for entry in entries] == ["clip_a", "clip_b"]


async def test_a_half_written_take_is_coached_when_it_is_whole(place: Place) -> None:
    bundle = place.root / DAY / "clip_a"
    bundle.mkdir(parents=True)
    whole = session().model_dump_json()
    (bundle / "session.json").write_text(whole[:100])
    async with place.worker(ai_enabled=False):
        await until((bundle / "clip.error.json").exists)
        (bundle / "session.json").write_text(whole)
        await until(lambda: source_of(bundle) is not None)
        await until(lambda: not (bundle / "clip.error.json").exists())


async def test_both_layouts_are_coached(place: Place) -> None:
    ota = place.root / "ota_bundle__clip_o"
    ota.mkdir()
    (ota / "session.json").write_text(session().model_dump_json())
    async with place.worker(ai_enabled=False):
        clip = place.play("clip_a")
        await until(lambda: bool(source_of(ota) and source_of(clip)))
    assert json.loads((ota / "clip.coach.json").read_bytes())["clip_id"] == "clip_o"


async def test_a_second_worker_on_the_queue_says_who_holds_it(place: Place) -> None:
    async with place.worker(ai_enabled=False):
        with pytest.raises(QueueHeld, match=str(os.getpid())):
            async with place.worker(ai_enabled=False):
                pytest.fail("two workers on one queue")


async def test_a_worker_that_is_drained_leaves_nothing_waiting(place: Place) -> None:
    place.outcomes = {101.0: whole_after(0.8)}
    bundle = place.play("clip_a", 101.0)
    async with serve(place.answer) as simulator:
        settings = Settings(
            ai_enabled=True,
            anthropic_api_key=SecretStr("test-key"),
            anthropic_base_url=simulator.base_url,
            queue_dir=place.queue,
            bundle_roots=(place.root,),
        )
        async with HybridWorker(settings, watch=False) as worker:
            assert await worker.drain() == Drained(looked_at=1)
            assert source_of(bundle) == "deterministic"
            assert list(place.pending()) == ["clip_a_ai_addendum.json"]


async def test_a_drain_tells_of_folders_that_the_system_does_not_show(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    coached, closed = (place.play(name, session_of=name) for name in ("clip_a", "clip_b"))
    (closed.parent / "elsewhere").symlink_to(closed)

    def look(path: str) -> os.stat_result | None:
        if path.startswith(str(closed)):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return _status(path)

    monkeypatch.setattr(layout, "_status", look)
    async with place.worker(ai_enabled=False, watch=False) as worker:
        assert await worker.drain() == Drained(looked_at=1, failed=[closed])
    assert source_of(coached) == "deterministic"


async def test_a_manifest_that_is_corrected_while_the_reply_is_awaited_is_seen(place: Place) -> None:
    bundle = place.root / DAY / "clip_a"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text("{")
    place.outcomes[session().bpm] = whole_after(5.0)
    async with place.worker(rescan_interval_s=0.05):
        place.play("clip_a", session_of="clip_a")
        await until((bundle / "clip.error.json").exists)
        (bundle / "manifest.json").write_text("{}")
        await until(lambda: not (bundle / "clip.error.json").exists(), 5.0)
    assert check_bundle(bundle) == ()


async def test_a_take_beside_a_manifest_that_cannot_be_read_is_coached_once_that_is_corrected(place: Place) -> None:
    bundle = place.root / DAY / "clip_a"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text("{")
    async with place.worker(ai_enabled=False, rescan_interval_s=0.05):
        place.play("clip_a", session_of="clip_a")
        hint = bundle / "clip.coach.json"
        await until((bundle / "clip.error.json").exists)
        await anyio.sleep(0.3)  # a rescan may have met the take while it was coached
        written = hint.stat().st_mtime_ns
        await anyio.sleep(0.3)
        assert hint.stat().st_mtime_ns == written, "as long as nothing changes, nothing is written again"
        (bundle / "manifest.json").write_text("{}")
        await until(lambda: not (bundle / "clip.error.json").exists())
    assert check_bundle(bundle) == ()


async def test_bundles_that_are_taken_away_as_soon_as_their_hint_is_there_leave_no_cycle(place: Place) -> None:
    def play_and_take_away(bundle: Path) -> None:
        place.play(bundle.name, session_of=bundle.name)
        end = time.monotonic() + 5
        while not (bundle / "clip.coach.json").exists() and time.monotonic() < end:
            pass
        shutil.rmtree(bundle, ignore_errors=True)

    async with place.worker(ai_enabled=False) as worker:
        for number in range(10):
            bundle = place.root / DAY / f"clip_{number}"
            bundle.mkdir(parents=True)
            await anyio.sleep(0.02)
            await anyio.to_thread.run_sync(play_and_take_away, bundle)
        with anyio.fail_after(5):
            await worker._worker.quiet()


async def test_the_log_tells_what_a_start_found_and_how_the_queue_was_left(place: Place) -> None:
    put_file(place.queue, queued("clip_a", "2026-02-04T11:00:00Z"), folder="claimed")
    put_file(place.queue, queued("clip_b", "2026-02-04T11:00:00Z"))
    place.queue.chmod(0o700)
    with capture_logs() as logs:
        async with place.worker(ai_enabled=False, watch=False) as worker:
            await worker.drain()
    told = {event["event"]: event for event in logs}
    assert told["queue_recovered"]["rejected"] == 1
    assert {key: told["stopped"][key] for key in ("waiting", "expired", "rejected")} == {
        "waiting": 0,
        "expired": 1,
        "rejected": 1,
    }


async def test_tips_prepared_while_the_player_plays_are_in_time(place: Place) -> None:
    place.outcomes = {101.0: Outcome(1.0)}
    prepared, played = place.queue / "prepared", list[Path]()

    def shown(bundle: Path) -> bool:
        return (bundle / "clip.ai_coach.json").exists()

    def has_its_late_reply() -> bool:
        return f"{played[-1].name}_ai_addendum.json" in place.pending()

    async with place.worker():
        while not played or (not shown(played[-1]) and len(played) < 3):  # again if the machine was busy just then
            clip = f"clip_{len(played)}"
            (place.root / DAY / clip).mkdir(parents=True)
            tags = {"clip_id": clip, "style": "salsa", "tempo_bpm": 108, "meter": "4/4"}
            (place.root / DAY / clip / "clip.tags.json").write_text(json.dumps(tags))
            await until(lambda: prepared.is_dir() and len(list(prepared.glob("*.json"))) == 9)
            played.append(place.play(clip, 101.0, session_of=clip))
            await until(has_its_late_reply)
    bundle = played[-1]
    assert source_of(bundle) == "hybrid"
    artifacts = json.loads((bundle / "manifest.json").read_bytes())["artifacts"]
    assert [entry["origin"] for entry in artifacts if entry["artifact_id"] == "ai_coach"] == ["prepared"]
    addendum = json.loads((bundle / "clip.ai_coach.json").read_bytes())
    assert 450 <= addendum["ai_latency_ms"] < 500
    assert addendum["model_id"].startswith("simulator:")
    today = next(iter(json.loads((place.queue / "usage.json").read_bytes())["days"].values()))
    assert (today["live_calls"], today["prepared"], today["live"]) == (len(played), 1, 0)
    assert today["prepare_calls"] >= 9


async def test_without_preparing_no_tip_is_prepared(place: Place) -> None:
    async with place.worker(prepare=False):
        bundle = place.root / DAY / "clip_a"
        bundle.mkdir(parents=True)
        (bundle / "clip.tags.json").write_text('{"style": "salsa"}')
        place.play("clip_b")
        await until(lambda: source_of(place.root / DAY / "clip_b") == "hybrid")
    assert list((place.queue / "prepared").iterdir()) == []
