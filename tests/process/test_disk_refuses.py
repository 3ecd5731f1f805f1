"""What neither a crash nor a disk that refuses may leave behind. Each was found by `tests/faults`."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from sg_coach.coach_policy import evaluate_session
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing, apply_progression_policy
from sg_coach.session_index import append_entries, read_entries
from sg_hybrid.bundle import DiskBundles
from sg_hybrid.history import ScoreHistory
from sg_hybrid.intake import DiskIntake
from sg_hybrid.models import AiAddendum, Coached, Take
from sg_hybrid.queue_folders import make_queue
from sg_hybrid.settings import Settings
from sg_hybrid.spool_recovery import recover
from sg_hybrid.switch import Switch, set_mode
from tests.fake_edges import session
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import addendum, put_file, queued
from tests.process.spools import failing

CLOCK = FakeClock(frozen=True)
NOW = "2026-02-04T12:34:56.789Z"
STALE = ".x.json.1-1.tmp"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "2026-02-04" / "clip_a"
    path.mkdir(parents=True)
    (path / "session.json").write_text(session().model_dump_json())
    return path


def decide(take: Take, before: Standing | None = None) -> Coached:
    evaluation = evaluate_session(take.session)
    coaching = apply_progression_policy(
        evaluation, clip_id=take.clip_id, created_at_utc=NOW, ema_before=before.average if before else None
    )
    return Coached(take, evaluation, coaching, CLOCK.monotonic())


async def coach(bundle: Path) -> Coached:
    return await DiskBundles(CLOCK, lambda call: call()).coach(bundle, decide, lambda _coached: None)


def live(bundle: Path) -> AiAddendum:
    return addendum(bundle.name)


def listed(bundle: Path) -> list[str]:
    return [entry["path"] for entry in json.loads((bundle / "manifest.json").read_bytes())["artifacts"]]


# Temporaries of the dead


@pytest.mark.parametrize("times", [1, 2], ids=["new", "as it stands"])
async def test_a_cycle_removes_what_a_dead_one_left_in_the_bundle(bundle: Path, times: int) -> None:
    for _ in range(times):
        (bundle / STALE).write_bytes(b"{")
        await coach(bundle)
    assert not (bundle / STALE).exists()


async def test_a_refused_take_leaves_no_temporary_either(bundle: Path) -> None:
    (bundle / "session.json").write_bytes(b"{")
    (bundle / STALE).write_bytes(b"{")
    with pytest.raises(Exception, match=r"session\.json"):
        await coach(bundle)
    assert not (bundle / STALE).exists()


async def test_a_day_is_tidied_with_its_first_take(tmp_path: Path) -> None:
    (tmp_path / STALE).write_bytes(b"{")
    history = ScoreHistory()
    place(history, tmp_path, "a")
    assert (tmp_path / STALE).exists(), "the hint does not wait for it"
    assert await history.flush()
    assert not (tmp_path / STALE).exists()


def test_a_start_tidies_the_queues_own_folder(tmp_path: Path) -> None:
    make_queue(tmp_path / "queue")
    (tmp_path / "queue" / STALE).write_bytes(b"{")
    assert recover(tmp_path / "queue", lambda _bundle, _digest: False).temporaries == 1
    assert not (tmp_path / "queue" / STALE).exists()


# Names of new folders


def test_the_names_of_a_new_queues_folders_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safe: list[tuple[str, list[str]]] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        safe.append((os.readlink(f"/proc/self/fd/{fd}"), sorted(os.listdir(fd))))

    monkeypatch.setattr(os, "fsync", fsync)
    root = tmp_path / "new" / "queue"
    make_queue(root)
    assert (str(tmp_path), ["new"]) in safe
    assert (str(root.parent), ["queue"]) in safe
    assert safe[-1] == (str(root), ["applied", "claimed", "context", "pending", "rejected"])
    make_queue(root)
    assert safe[-1] == (str(root), ["applied", "claimed", "context", "pending", "rejected"]), "a killed start's, too"


# A crash between two steps


async def test_the_error_of_a_corrected_take_goes_at_the_next_start(bundle: Path) -> None:
    await coach(bundle)
    error = {"error_code": "VALIDATION_ERROR", "message": "session.json: bpm: 0", "clip_id": "clip_a"}
    (bundle / "clip.error.json").write_text(json.dumps(error))
    await coach(bundle)
    assert not (bundle / "clip.error.json").exists()


@pytest.mark.parametrize(("waits", "stays"), [("clip_a", False), ("clip_b", True)])
def test_a_requeue_that_was_cut_short_leaves_one_reply(tmp_path: Path, waits: str, stays: bool) -> None:
    root = tmp_path / "queue"
    make_queue(root)
    put_file(root, queued(waits, "2026-02-04T12:40:00.000Z"))
    rejected = put_file(root, queued("clip_a", NOW), folder="rejected")
    why = rejected.with_name(rejected.name + ".why")
    why.write_text("a reason\n")
    recover(root, lambda _bundle, _digest: False)
    assert (rejected.exists(), why.exists()) == (stays, stays)


def test_another_reply_of_the_clip_stays_rejected(tmp_path: Path) -> None:
    root = tmp_path / "queue"
    make_queue(root)
    put_file(root, queued("clip_a", NOW, coaching_tip="Another."))
    rejected = put_file(root, queued("clip_a", NOW), folder="rejected")
    recover(root, lambda _bundle, _digest: False)
    assert rejected.exists()


# A rename that worked, and the fsync of its folder that did not


@pytest.mark.parametrize("step", [1, 2], ids=["the file", "its manifest"])
async def test_a_reply_that_was_not_attached_stands_nowhere(
    bundle: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    coached = await coach(bundle)
    syncs = failing_syncs(monkeypatch, bundle, lambda count: count == step)
    with pytest.raises(OSError, match="No space"):
        await DiskBundles(CLOCK, lambda call: call()).attach(coached, live(bundle), "live")
    assert len(syncs) > step
    assert not (bundle / "clip.ai_coach.json").exists()
    assert listed(bundle) == ["clip.coach.json"]


async def test_a_reply_that_cannot_be_taken_back_is_shown(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coached = await coach(bundle)
    failing_syncs(monkeypatch, bundle, lambda count: count >= 2)
    # Attached, and not, as an error would have it, queued as well.
    await DiskBundles(CLOCK, lambda call: call()).attach(coached, live(bundle), "live")
    monkeypatch.undo()
    await coach(bundle)
    assert listed(bundle) == ["clip.coach.json", "clip.ai_coach.json"]


def failing_syncs(monkeypatch: pytest.MonkeyPatch, folder: Path, fails: Callable[[int], bool]) -> list[int]:
    """Let fsyncs of the folder fail by their number, from 1; return the numbers so far."""
    from sg_coach.files import Folder

    counted: list[int] = []
    real = Folder.sync

    def sync(self: Folder) -> None:
        if self.path == folder:
            counted.append(len(counted) + 1)
            if fails(counted[-1]):
                raise OSError(errno.ENOSPC, "No space left on device")
        real(self)

    monkeypatch.setattr(Folder, "sync", sync)
    return counted


async def test_an_entry_of_the_index_is_not_written_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = ScoreHistory()
    place(history, tmp_path, "a")
    failing_syncs(monkeypatch, tmp_path, lambda count: count == 1)
    assert not await history.flush()
    place(history, tmp_path, "b")
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b"]


def test_appending_again_leaves_out_what_is_there(tmp_path: Path) -> None:
    one, two = ({"clip_id": clip, "input_sha256": "sha256:0", "n": n} for n, clip in enumerate("ab"))
    append_entries(tmp_path, [one], again=True)
    append_entries(tmp_path, [one, two], again=True)
    append_entries(tmp_path, [one, two], again=True)
    assert read_entries(tmp_path) == [one, two]


# Too many open files, for a moment


def place(history: ScoreHistory, day: Path, clip: str) -> CoachingDeterministic:
    take = Take(day / clip, clip, f"sha256:{clip}", session())
    return history.place(take, lambda before: decide(take, before).coaching)


async def before_a_restart(day: Path) -> None:
    history = ScoreHistory()
    place(history, day, "a")
    assert await history.flush()


async def test_an_index_that_opens_at_the_second_try_gives_its_trend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await before_a_restart(tmp_path)
    failed = failing(monkeypatch, "open", errno.EMFILE, about=tmp_path.name)
    assert place(ScoreHistory(), tmp_path, "b").score_trend == 0.0
    assert len(failed) == 1


async def test_an_index_that_does_not_open_costs_the_trend_and_no_entry_is_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await before_a_restart(tmp_path)
    history = ScoreHistory()
    with monkeypatch.context() as patch:
        failing(patch, "open", errno.EMFILE, times=4, about=tmp_path.name)
        assert place(history, tmp_path, "a").score_trend is None  # the restart's look at an old take
        place(history, tmp_path, "b")
    assert place(history, tmp_path, "c").score_trend is not None
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b", "c"]


def test_a_switch_that_cannot_be_read_now_counts_as_off_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    values: dict[str, Any] = {"ai_enabled": True, "anthropic_api_key": "sk-key", "queue_dir": queue}
    gate = Switch(queue, Settings(**values, bundle_roots=(tmp_path / "bundles",)))
    set_mode(queue, "on", EPOCH)
    failing(monkeypatch, "open", errno.EMFILE, times=2, about="queue")
    states = [gate.state() for _ in range(3)]
    assert [state.enabled for state in states] == [False, False, True]
    assert "cannot be read now" in states[0].why


@pytest.mark.skipif(sys.platform != "linux", reason="takes are answered where they are noticed on Linux only")
async def test_a_take_that_failed_where_it_was_noticed_comes_again(bundle: Path) -> None:
    (bundle / "session.json").unlink()
    intake = DiskIntake((bundle.parent.parent,), rescan_interval_s=0.05)
    failed: list[Path] = []

    def fail(noticed: Path) -> bool:
        intake.forget(noticed)  # as a cycle does that meets a refusing disk
        failed.append(noticed)
        return True

    intake.answer_at_once(fail)
    async with intake.watch() as batches:
        (bundle.parent.parent / "part").write_text(session().model_dump_json())
        (bundle.parent.parent / "part").rename(bundle / "session.json")
        with anyio.fail_after(10):
            batch = await anext(batches)
    assert failed == [bundle]
    assert list(batch) == [bundle]
