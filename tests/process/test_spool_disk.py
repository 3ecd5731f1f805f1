"""The queue on a real disk: who may use it, what time does to it, what a disk that refuses does."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.timestamps import utc_text
from sg_hybrid.ports import Spool
from sg_hybrid.queue_folders import FOLDERS
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_moves import NewEntry, place_all, take
from sg_hybrid.spool_recovery import Recovered
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import BUNDLE, addendum, context, names, put_file, query, queued
from tests.process.spools import ENTRY, LONG_AGO, NOW, failing, opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(frozen=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
async def spool(root: Path, clock: FakeClock) -> DiskSpool:
    return await opened(root, clock)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# Who may use it


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


async def test_everything_is_private_whatever_the_umask(umask: int, root: Path, clock: FakeClock) -> None:
    spool = await opened(root / "below" / "here", clock)
    for clip_id in ("clip_a", "clip_b", "clip_c"):
        await spool.put(addendum(clip_id), context(clip_id))
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.finish(claim)
    assert await spool.claim(query(), BUNDLE) is not None
    (root / "below/here/pending/bad_ai_addendum.json").write_bytes(b"{")
    os.utime(root / "below/here/pending/bad_ai_addendum.json", LONG_AGO)
    await spool.refresh()

    found = list(root.rglob("*"))
    assert {mode_of(path) for path in [root, *found] if path.is_dir()} == {0o700}
    files = [path for path in found if path.is_file() and path.name != "bad_ai_addendum.json"]
    assert {mode_of(path) for path in files} == {0o600}
    assert {path.parent.name for path in files} == set(FOLDERS)


def is_file(path: Path) -> None:
    path.write_text("")


def is_symlink(path: Path) -> None:
    path.with_name("elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.with_name("elsewhere"))


def is_open_to_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def is_somebody_elses(path: Path) -> None:
    path.mkdir(mode=0o700)
    try:
        os.chown(path, 4711, 4711)
    except PermissionError:
        pytest.skip("only root can give a folder away")


SPOILT = [is_file, is_symlink, is_open_to_all, is_somebody_elses]


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("where", ["", *FOLDERS])
async def test_a_queue_that_cannot_be_trusted_is_refused(
    where: str, spoil: Callable[[Path], None], root: Path, clock: FakeClock
) -> None:
    if where:
        root.mkdir(mode=0o700)
    spoil(root / where)

    with pytest.raises(UnsafePath, match=str(root / where)):
        await DiskSpool.open(root, clock)


@pytest.mark.parametrize("spoil", SPOILT)
async def test_a_folder_that_is_swapped_while_the_worker_runs_is_refused(
    spoil: Callable[[Path], None], root: Path, spool: DiskSpool
) -> None:
    shutil.rmtree(root / "pending")
    spoil(root / "pending")

    with pytest.raises(UnsafePath, match="pending"):
        await spool.put(addendum(), context())
    with pytest.raises(UnsafePath, match="pending"):
        await spool.refresh()


async def test_a_folder_that_is_removed_while_the_worker_runs_is_made_again(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum(), context())
    shutil.rmtree(root / "pending")
    shutil.rmtree(root / "context")

    assert (await spool.refresh()).gone == 1
    await spool.put(addendum(), context())

    assert await spool.claim(query(), BUNDLE) is not None


# Time


async def test_with_an_unset_clock_nothing_that_was_there_is_applied_until_the_clock_is_set(
    root: Path, clock: FakeClock
) -> None:
    clock.set_wall(datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    for clip_id, seconds in (("clip_a", 10), ("clip_b", 290), ("clip_c", 400)):
        put_file(
            root, queued(clip_id, utc_text(datetime.fromtimestamp(EPOCH.timestamp() - seconds, UTC))), context(clip_id)
        )
    root.chmod(0o700)
    spool = await opened(root, clock)

    assert spool.snapshot().age_unknown == 3
    assert await spool.claim(query(), BUNDLE) is None
    assert await spool.expire_due() == 0

    clock.set_wall(EPOCH)
    assert await spool.expire_due() == 1
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    assert claim.context.clip_id == "clip_a"
    clock.advance(10.001)
    assert await spool.expire_due() == 1


async def test_with_a_clock_that_is_never_set_what_was_there_expires_nevertheless(root: Path, clock: FakeClock) -> None:
    clock.set_wall(datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    put_file(root, queued("clip_a", NOW), context())
    root.chmod(0o700)
    spool = await opened(root, clock)

    clock.advance(300)
    assert await spool.expire_due() == 0
    clock.advance(0.001)
    assert await spool.expire_due() == 1


async def test_an_expiry_is_one_log_event_with_the_clip_and_takes_the_context_along(
    root: Path, spool: DiskSpool, clock: FakeClock
) -> None:
    with capture_logs() as queued_logs:
        await spool.put(addendum(), context())
    clock.advance(301)

    with capture_logs() as logs:
        assert await spool.expire_due() == 1

    assert logs[0]["queued_at_utc"] == queued_logs[0]["queued_at_utc"]
    assert [(event["event"], event["clip"], event["reason"]) for event in logs] == [("reply_expired", "clip_a", "ttl")]
    assert names(root, "pending") == names(root, "context") == []
    assert spool.snapshot().expired == 1


def put_backlog(root: Path) -> set[str]:
    """Put more expired entries in than one batch removes; return their clips."""
    clips = {f"clip_{number:04}" for number in range(1200)}
    for clip_id in clips:
        put_file(root, queued(clip_id, "2026-02-04T11:00:00Z"), context(clip_id))
    root.chmod(0o700)
    return clips


async def test_a_backlog_expires_in_few_log_events_that_name_every_clip(root: Path, clock: FakeClock) -> None:
    clips = put_backlog(root)
    spool = await opened(root, clock)

    with capture_logs() as logs:
        assert await spool.expire_due() == 1200

    assert len(logs) == 3
    assert {clip for event in logs for clip in event["clips"]} == clips
    assert names(root, "pending") == names(root, "context") == []


async def test_of_a_backlog_nothing_is_forgotten_while_the_folder_cannot_be_trusted(
    root: Path, clock: FakeClock
) -> None:
    put_backlog(root)
    spool = await opened(root, clock)
    (root / "pending").chmod(0o777)
    with pytest.raises(UnsafePath, match="pending"):
        await spool.expire_due()
    assert spool.waiting == len(names(root, "pending")) == 1200

    (root / "pending").chmod(0o700)
    assert await spool.expire_due() == 1200


async def test_of_a_backlog_only_what_the_disk_refuses_to_remove_waits_on(
    root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_backlog(root)
    spool = await opened(root, clock)
    with monkeypatch.context() as patch:
        failing(patch, "unlink", errno.EROFS, about="clip_0700_ai_addendum.json")
        assert await spool.expire_due() == 1199

    assert names(root, "pending") == ["clip_0700_ai_addendum.json"]
    assert await spool.expire_due() == 1


async def test_a_time_in_the_future_is_logged(root: Path, spool: DiskSpool) -> None:
    put_file(root, queued("clip_a", "2026-02-04T18:00:00Z"), context())

    with capture_logs() as logs:
        await spool.refresh()

    assert [event["event"] for event in logs] == ["queued_in_the_future"]


async def test_no_start_gives_an_entry_from_the_future_a_new_life(root: Path, clock: FakeClock) -> None:
    path = put_file(root, queued("clip_a", "9999-02-04T18:00:00Z"), context())
    os.utime(path, (EPOCH.timestamp(), EPOCH.timestamp()))
    root.chmod(0o700)
    clock.advance(200)
    first = await opened(root, clock)
    assert await first.expire_due() == 0

    clock.advance(101)
    again = await opened(root, clock)
    assert await again.claim(query(), BUNDLE) is None
    assert await again.expire_due() == 1


async def test_what_somebody_takes_out_leaves_a_log_event(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum(), context())
    (root / "pending" / ENTRY).unlink()

    with capture_logs() as logs:
        await spool.refresh()

    assert [(event["event"], event["clips"]) for event in logs] == [("replies_taken_out", ["clip_a"])]


async def test_a_superseded_reply_leaves_a_log_event(spool: DiskSpool) -> None:
    await spool.put(addendum(), context())

    with capture_logs() as logs:
        await spool.put(addendum(coaching_tip="Newer."), context())

    events = [(event["event"], event.get("reason")) for event in logs]
    assert events == [("reply_expired", "superseded"), ("reply_queued", None)]
    assert spool.snapshot().superseded == 1


async def test_a_reply_that_is_given_back_when_a_newer_one_waits_leaves_a_log_event(
    root: Path, spool: DiskSpool
) -> None:
    await spool.put(addendum(coaching_tip="Old."), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.put(addendum(coaching_tip="New."), context())

    with capture_logs() as logs:
        await spool.give_back(claim)

    assert ("reply_expired", "superseded") in [(event["event"], event.get("reason")) for event in logs]
    assert (spool.snapshot().superseded, names(root, "claimed")) == (1, [])
    newer = await spool.claim(query(), BUNDLE)
    assert newer is not None
    assert b"New." in newer.document


async def test_a_newer_reply_that_expires_takes_nothing_from_the_older_one_that_is_being_applied(
    root: Path, spool: DiskSpool, clock: FakeClock
) -> None:
    await spool.put(addendum(coaching_tip="Old."), context())
    assert await spool.claim(query(), BUNDLE) is not None
    await spool.put(addendum(coaching_tip="New."), context())
    clock.advance(301)
    assert await spool.expire_due() == 1

    recovered = await (await opened(root, clock)).recover(lambda bundle, digest: bundle == BUNDLE)

    assert recovered == Recovered(finished=1, orphans=0)


async def test_an_applied_reply_stays_in_the_audit_although_somebody_removed_it(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum(), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    (root / "claimed" / ENTRY).unlink()

    await spool.finish(claim)

    assert (root / "applied" / ENTRY).read_bytes() == claim.document


# A disk that refuses


@pytest.mark.parametrize("folder", ["context", "pending"])
async def test_a_put_whose_folder_cannot_be_made_durable_leaves_nothing(
    folder: str, root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = os.fsync, list[str]()

    def fsync(fd: int) -> None:
        name = os.readlink(f"/proc/self/fd/{fd}")
        if name == str(root / folder) and not refused:
            refused.append(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space"):
        await spool.put(addendum(), context())

    assert (refused, names(root, "pending"), names(root, "context")) == ([str(root / folder)], [], [])


async def test_a_put_that_fails_claims_no_success_and_leaves_nothing(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call, about in (("open", ".clip_a"), ("write", ".clip_a"), ("fsync", ".clip_a"), ("rename", ".clip_a")):
        for error in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            with monkeypatch.context() as patch:
                failing(patch, call, error, about=about)
                with pytest.raises(OSError, match=os.strerror(error)):
                    await spool.put(addendum(), context())
            assert names(root, "pending") == names(root, "context") == []
            assert spool.waiting == 0

    await spool.put(addendum(), context())

    assert await spool.claim(query(), BUNDLE) is not None


@pytest.mark.parametrize("about", ["context/clip_a.json", "context", ".clip_a_ai", "pending"])
async def test_a_failed_fsync_is_final_for_its_file_and_the_reply_is_written_anew(
    about: str, root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing(monkeypatch, "fsync", errno.EIO, about=about)

    await spool.put(addendum(), context())

    assert len(failed) == 1
    assert names(root, "pending") == [ENTRY]
    assert await spool.claim(query(), BUNDLE) is not None


async def test_a_disk_that_fails_every_fsync_gets_no_acknowledgement(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing(monkeypatch, "fsync", errno.EIO, times=1000)

    with pytest.raises(OSError, match="Input/output"):
        await spool.put(addendum(), context())

    assert len(failed) == 2, "tried once more, not for ever"
    assert names(root, "pending") == names(root, "context") == []


@pytest.mark.parametrize(
    ("call", "about"),
    [("open", ".clip_a.json"), ("fsync", "clip_a.json"), ("rename", ENTRY), ("fsync", "claimed"), ("read", ENTRY)],
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
async def test_a_claim_that_fails_leaves_the_reply_waiting(
    call: str, about: str, error: int, root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum(), context())
    with monkeypatch.context() as patch:
        failing(patch, call, error, about=about)
        with pytest.raises(OSError, match=os.strerror(error)):
            await spool.claim(query(), BUNDLE)

    assert (names(root, "pending"), names(root, "claimed")) == ([ENTRY], [])
    assert await spool.claim(query(), BUNDLE) is not None


@pytest.mark.parametrize(("call", "about"), [("rename", ENTRY), ("fsync", "applied"), ("fsync", "claimed")])
async def test_an_end_that_the_disk_refused_is_made_up_for_by_the_sweeper(
    call: str, about: str, root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum(), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.refresh()
    with monkeypatch.context() as patch:
        failing(patch, call, errno.ENOSPC, about=about)
        with pytest.raises(OSError, match="No space"):
            await spool.finish(claim)

    with anyio.fail_after(10):
        await spool.until_needed()
    await spool.refresh()

    assert (names(root, "claimed"), names(root, "applied")) == ([], [ENTRY])
    assert await spool.claim(query("clip_next"), BUNDLE) is None
    assert spool.snapshot().applied == 1


async def test_a_return_that_the_disk_refused_is_made_up_for_by_the_sweeper(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum(), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.refresh()
    with monkeypatch.context() as patch:
        failing(patch, "rename", errno.ENOSPC, about=ENTRY)
        with pytest.raises(OSError, match="No space"):
            await spool.give_back(claim)
    assert names(root, "claimed") == [ENTRY]

    with anyio.fail_after(10):
        await spool.until_needed()
    await spool.refresh()

    assert (names(root, "claimed"), names(root, "pending")) == ([], [ENTRY])
    assert await spool.claim(query("clip_next"), BUNDLE) is not None


@pytest.mark.parametrize(("end", "ends_in"), [("finish", "applied"), ("give_back", "pending")])
async def test_a_claim_in_a_folder_that_others_may_write_ends_once_it_is_private_again(
    end: str, ends_in: str, root: Path, spool: DiskSpool
) -> None:
    await spool.put(addendum(), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    (root / "claimed").chmod(0o777)
    with pytest.raises(UnsafePath, match="claimed"):
        await getattr(spool, end)(claim)
    await spool.refresh()
    (root / "claimed").chmod(0o700)

    await spool.refresh()

    assert (names(root, "claimed"), names(root, ends_in)) == ([], [ENTRY])


async def test_an_entry_that_cannot_be_removed_is_not_applied_and_not_forgotten(
    root: Path, spool: DiskSpool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum("clip_a"), context("clip_a"))
    await spool.put(addendum("clip_b"), context("clip_b"))
    clock.advance(301)
    with monkeypatch.context() as patch:
        failing(patch, "unlink", errno.EROFS, about=ENTRY)
        assert await spool.expire_due() == 1

    assert names(root, "pending") == [ENTRY]
    clock.step(-3600)
    assert await spool.claim(query(), BUNDLE) is None
    assert await spool.expire_due() == 1
    assert names(root, "pending") == []


async def test_a_file_that_somebody_put_in_the_place_of_an_expired_one_is_not_removed(
    root: Path, spool: DiskSpool, clock: FakeClock
) -> None:
    await spool.put(addendum(), context())
    for _ in range(3):
        clock.advance(100.1)
        await spool.refresh()
    path = put_file(root, queued("clip_a", utc_text(clock.now()), coaching_tip="Newer."), context())
    os.utime(path, (5.0, 5.0))

    assert await spool.expire_due() == 0
    await spool.refresh()

    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    assert json.loads(claim.document)["coaching_tip"] == "Newer."


async def test_a_queue_whose_folders_stand_on_two_devices_works(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def rename(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if src_dir_fd != dst_dir_fd:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)
    await spool.put(addendum(), context())

    first = await spool.claim(query(), BUNDLE)
    assert first is not None
    await spool.give_back(first)
    second = await spool.claim(query(), BUNDLE)
    assert second is not None
    await spool.finish(second)

    assert [names(root, folder) for folder in FOLDERS] == [[], [], [ENTRY], [], []]


async def test_an_unsafe_clip_id_never_becomes_a_path(root: Path, spool: DiskSpool) -> None:
    before = sorted(root.rglob("*"))

    with pytest.raises(InvalidInput, match="clip_id"):
        await spool.put(addendum("../../clip_a"), context("../../clip_a"))
    with pytest.raises(InvalidInput, match="context"):
        await spool.put(addendum("clip_a"), context("clip_b"))

    assert sorted(root.rglob("*")) == before


# Cancellation


@pytest.mark.parametrize("operation", ["put", "claim", "finish", "give_back"])
async def test_a_cancelled_operation_happened_or_did_not(operation: str, root: Path, clock: FakeClock) -> None:
    for delay_s in (0, 0.0002, 0.0005, 0.001, 0.002):
        spool = await opened(root / f"{delay_s}", clock)
        claim = None
        if operation != "put":
            await spool.put(addendum(), context())
        if operation in ("finish", "give_back"):
            claim = await spool.claim(query(), BUNDLE)
        with anyio.move_on_after(delay_s):
            match operation:
                case "put":
                    await spool.put(addendum(), context())
                case "claim":
                    claim = await spool.claim(query(), BUNDLE)
                case "finish" if claim is not None:
                    await spool.finish(claim)
                case "give_back" if claim is not None:
                    await spool.give_back(claim)
        stands = [folder for folder in ("pending", "claimed", "applied") if names(root / f"{delay_s}", folder)]
        assert len(stands) <= 1
        assert spool.waiting == (stands == ["pending"])


async def test_it_is_a_spool(spool: DiskSpool) -> None:
    """Checked by mypy; at run time, that nothing is missing."""
    as_port: Spool = spool
    assert as_port is spool


# Several at once


async def test_replies_that_wait_for_a_move_go_together(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hops: list[list[str]] = []

    def noted(where: Path, entries: Sequence[NewEntry], superseding: Callable[[str], None]) -> object:
        hops.append([entry.clip_id for entry in entries])
        return place_all(where, entries, superseding)

    monkeypatch.setattr("sg_hybrid.spool.place_all", noted)
    (root / "pending" / "clip_c_ai_addendum.json").mkdir()  # nothing can be renamed onto it
    refused: list[str] = []

    async def put(clip_id: str, wait_s: float = 60.0) -> None:
        try:
            with anyio.move_on_after(wait_s):
                await spool.put(addendum(clip_id), context(clip_id))
        except OSError:
            refused.append(clip_id)

    async with anyio.create_task_group() as group, spool._state.lock:  # as a move has it that takes its time
        for clip_id in ("clip_a", "clip_b", "clip_c", "clip_d"):
            group.start_soon(put, clip_id)
        group.start_soon(put, "clip_gone", 0.0)
        await anyio.sleep(0.05)

    assert hops == [["clip_a", "clip_b", "clip_c", "clip_d"]]
    assert refused == ["clip_c"]
    assert spool.waiting == spool.snapshot().queued == 3
    assert names(root, "pending") == [f"clip_{letter}_ai_addendum.json" for letter in "abcd"]


async def test_replies_go_before_whatever_else_waits_for_the_queue(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum(), context())
    seen: list[list[str]] = []

    def noted(*args: Any) -> object:
        seen.append(names(root, "pending"))
        return take(*args)

    monkeypatch.setattr("sg_hybrid.spool.take", noted)
    async with anyio.create_task_group() as group, spool._state.lock:  # as a move has it that takes its time
        group.start_soon(spool.claim, query(), BUNDLE)
        await anyio.sleep(0.05)
        group.start_soon(spool.put, addendum("clip_b"), context("clip_b"))
        await anyio.sleep(0.05)

    assert seen == [[ENTRY, "clip_b_ai_addendum.json"]]
