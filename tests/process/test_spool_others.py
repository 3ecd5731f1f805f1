"""The queue on a real disk: what others put in and take out, what cannot be read, what was shown before."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sg_coach.timestamps import utc_text
from sg_hybrid.models import ReplyContext
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_look import Refreshed
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import BUNDLE, addendum, context, names, put_file, query, queued
from tests.process.spools import ENTRY, LONG_AGO, NOW, failing, opened, why_of


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(frozen=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
async def spool(root: Path, clock: FakeClock) -> DiskSpool:
    return await opened(root, clock)


# What others put in


async def test_an_entry_that_a_person_puts_in_is_found_by_the_next_take(root: Path, spool: DiskSpool) -> None:
    put_file(root, queued("clip_a", NOW), context())

    claim = await spool.claim(query(), BUNDLE)

    assert claim is not None
    assert claim.context == context()


async def test_without_a_context_the_clips_bundle_is_asked(root: Path, clock: FakeClock) -> None:
    put_file(root, queued("clip_a", NOW))
    put_file(root, queued("clip_b", NOW))
    known = {"clip_a": context("clip_a")}
    spool = await opened(root, clock, lookup=known.get)

    assert spool.snapshot().without_context == 1
    claim = await spool.claim(query(), BUNDLE)

    assert claim is not None
    assert claim.context == context("clip_a")
    assert await spool.claim(query(), BUNDLE) is None


async def test_a_bundle_that_comes_later_is_found_later(root: Path, clock: FakeClock) -> None:
    put_file(root, queued("clip_a", NOW))
    known: dict[str, ReplyContext] = {}
    spool = await opened(root, clock, lookup=known.get)
    assert await spool.claim(query(), BUNDLE) is None

    known["clip_a"] = context("clip_a")

    assert await spool.claim(query(), BUNDLE) is not None


async def test_an_entry_whose_bundle_cannot_be_read_waits_and_expires(root: Path, clock: FakeClock) -> None:
    def lookup(clip_id: str) -> ReplyContext | None:
        raise PermissionError(errno.EACCES, "no entry", clip_id)

    put_file(root, queued("clip_a", NOW))
    spool = await opened(root, clock, lookup=lookup)

    assert await spool.claim(query(), BUNDLE) is None
    clock.advance(300.001)
    assert await spool.expire_due() == 1


async def test_a_context_that_was_written_for_another_reply_counts_as_absent(root: Path, clock: FakeClock) -> None:
    put_file(root, queued("clip_a", NOW, coaching_tip="Old."), context())
    put_file(root, queued("clip_a", NOW, coaching_tip="New."))

    spool = await opened(root, clock)

    assert spool.snapshot().without_context == 1


async def test_a_reply_that_a_person_puts_over_a_waiting_one_supersedes_it(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum(), context())
    path = put_file(root, queued("clip_a", NOW, coaching_tip="Newer."), context(), folder="prepared")
    path.rename(root / "pending" / ENTRY)

    with capture_logs() as logs:
        claim = await spool.claim(query(), BUNDLE)

    assert claim is not None
    assert json.loads(claim.document)["coaching_tip"] == "Newer."
    assert [(event["event"], event.get("reason")) for event in logs] == [("reply_expired", "superseded")]


async def test_what_a_person_takes_out_is_not_claimed(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum("clip_a"), context("clip_a"))
    await spool.put(addendum("clip_b"), context("clip_b"))
    (root / "pending" / "clip_b_ai_addendum.json").unlink()

    claim = await spool.claim(query(), BUNDLE)

    assert claim is not None
    assert claim.context.clip_id == "clip_a"


async def test_a_file_that_changes_between_the_look_and_the_claim_is_looked_at_again(
    root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited in place: the folder does not change, so only the reading shows it."""
    await spool.put(addendum("clip_a"), context("clip_a"))
    await spool.refresh()
    reply = queued("clip_a", NOW, coaching_tip="Edited.")
    put_file(root, reply, context("clip_a"))

    assert await spool.claim(query(), BUNDLE) is None
    claim = await spool.claim(query(), BUNDLE)

    assert claim is not None
    assert json.loads(claim.document)["coaching_tip"] == "Edited."


async def test_an_unchanged_folder_is_not_listed_again(
    root: Path, clock: FakeClock, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put(addendum(), context())
    clock.advance(5)
    await spool.refresh()
    clock.advance(5)
    await spool.refresh()
    monkeypatch.delattr(os, "scandir")

    for _ in range(3):
        clock.advance(5)
        assert await spool.refresh() == Refreshed()
        assert await spool.expire_due() == 0


# What cannot be read


def symlink(path: Path) -> None:
    path.with_name("target").write_bytes(b"{}")
    path.symlink_to("target")


def dangling_symlink(path: Path) -> None:
    path.symlink_to("nowhere")


def symlink_loop(path: Path) -> None:
    path.symlink_to(path.name)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is limited to 107 characters
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("kept")


def hard_link(path: Path) -> None:
    put_file(path.parents[1], queued("clip_a", NOW))
    path.with_name("other").hardlink_to(path)


def sparse_5_gb(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 1024**3)


def mode_000(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    put_file(path.parents[1], queued("clip_a", NOW))
    path.chmod(0)


def no_json(path: Path) -> None:
    path.write_bytes(b"\0" * 200)


def another_clip(path: Path) -> None:
    path.write_bytes(put_file(path.parents[1], queued("clip_b", NOW), folder="applied").read_bytes())
    shutil.rmtree(path.parents[1] / "applied")


BAD_FILES = [symlink, dangling_symlink, symlink_loop, fifo, unix_socket, folder, hard_link, sparse_5_gb, mode_000]


@pytest.mark.parametrize("make", [*BAD_FILES, no_json, another_clip])
async def test_what_cannot_be_read_is_put_aside_and_stops_nothing(
    make: Callable[[Path], None], root: Path, clock: FakeClock
) -> None:
    (root / "pending").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    make(root / "pending" / ENTRY)
    os.utime(root / "pending" / ENTRY, LONG_AGO, follow_symlinks=False)
    status = (root / "pending" / ENTRY).lstat()
    put_file(root, queued("clip_b", NOW), context("clip_b"))
    spool = await DiskSpool.open(root, clock)

    with capture_logs() as logs:
        refreshed = await spool.refresh()

    assert (refreshed.found, refreshed.rejected) == (1, 1)
    assert ENTRY not in names(root, "pending")
    moved = (root / "rejected" / ENTRY).lstat()
    assert (moved.st_ino, moved.st_mode, moved.st_size) == (status.st_ino, status.st_mode, status.st_size)
    assert ENTRY in why_of(root)
    assert [(event["event"], event["clip"]) for event in logs] == [("reply_rejected", "clip_a")]
    assert await spool.claim(query(), BUNDLE) is not None


@pytest.mark.parametrize("make", [symlink, fifo, unix_socket, folder])
async def test_what_is_no_plain_file_is_not_even_opened(
    make: Callable[[Path], None], root: Path, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root / "pending" / ENTRY)
    os.utime(root / "pending" / ENTRY, LONG_AGO, follow_symlinks=False)
    names_opened: list[object] = []
    real = os.open

    def spy(path: Any, *args: Any, **keywords: Any) -> int:
        names_opened.append(path)
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", spy)

    assert (await spool.refresh()).rejected == 1

    assert ENTRY not in names_opened


async def test_a_file_that_is_still_being_written_is_left_until_it_is_whole(
    root: Path, clock: FakeClock, spool: DiskSpool
) -> None:
    path = root / "pending" / ENTRY
    path.write_bytes(b'{"clip_id": ')
    os.utime(path, (EPOCH.timestamp(), EPOCH.timestamp()))
    assert (await spool.refresh()).left == 1

    put_file(root, queued("clip_a", NOW), context())
    clock.advance(1)

    assert (await spool.refresh()).found == 1
    assert await spool.claim(query(), BUNDLE) is not None


@pytest.mark.parametrize("changed_at", [EPOCH.timestamp(), EPOCH.timestamp() + 3600], ids=["now", "ahead"])
async def test_a_file_that_stays_half_is_rejected_after_two_seconds(
    changed_at: float, root: Path, clock: FakeClock, spool: DiskSpool
) -> None:
    path = root / "pending" / ENTRY
    path.write_bytes(b'{"clip_id": ')
    os.utime(path, (changed_at, changed_at))

    assert (await spool.refresh()).left == 1
    clock.advance(1.9)
    assert (await spool.refresh()).left == 1
    clock.advance(0.1)
    assert (await spool.refresh()).rejected == 1


async def test_an_entry_that_cannot_be_put_aside_is_tried_again(
    root: Path, clock: FakeClock, spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_json(root / "pending" / ENTRY)
    os.utime(root / "pending" / ENTRY, LONG_AGO)
    failing(monkeypatch, "rename", errno.EROFS, about=ENTRY, times=4)  # the reason's file, then the entry; twice

    for _ in range(2):
        assert (await spool.refresh()).rejected == 0
        clock.advance(5)

    assert (await spool.refresh()).rejected == 1
    assert names(root, "pending") == []


async def test_a_second_rejected_entry_of_a_clip_gets_a_number(root: Path, clock: FakeClock) -> None:
    for _ in range(3):
        (root / "pending").mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        no_json(root / "pending" / ENTRY)
        os.utime(root / "pending" / ENTRY, LONG_AGO)
        await opened(root, clock)

    copies = [ENTRY, "clip_a_ai_addendum.1.json", "clip_a_ai_addendum.2.json"]
    assert names(root, "rejected") == sorted([*copies, *(f"{name}.why" for name in copies)])


async def test_other_names_are_left_alone_and_counted(root: Path, clock: FakeClock) -> None:
    (root / "pending").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    others = [b"README", b".hidden_ai_addendum.json", b"-rf_ai_addendum.json", b"caf\xe9_ai_addendum.json", b"x.json"]
    for name in others:
        (root / "pending" / os.fsdecode(name)).write_bytes(b"not ours")

    spool = await opened(root, clock)

    assert spool.snapshot().others == len(others)
    assert sorted(os.listdir(os.fsencode(root / "pending"))) == sorted(others)


async def test_an_entry_stays_where_it_is_when_we_ran_out_of_files(
    root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(root, queued("clip_a", NOW), context())
    root.chmod(0o700)
    spool = await DiskSpool.open(root, clock)
    with monkeypatch.context() as patch:
        failing(patch, "open", errno.EMFILE, about=ENTRY)
        with pytest.raises(OSError, match="open files"):
            await spool.refresh()

    assert (await spool.refresh()).found == 1


async def test_an_entry_on_a_bad_sector_is_put_aside(
    root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put_file(root, queued("clip_a", NOW), context())
    os.utime(path, LONG_AGO)
    root.chmod(0o700)
    spool = await DiskSpool.open(root, clock)
    failing(monkeypatch, "read", errno.EIO, about=ENTRY)

    assert (await spool.refresh()).rejected == 1
    assert "Input/output error" in why_of(root)


# A tip is never shown twice


async def test_a_reply_that_was_applied_and_is_put_in_again_is_put_aside(root: Path, spool: DiskSpool) -> None:
    await spool.put(addendum(), context())
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.finish(claim)
    shutil.copy(root / "applied" / ENTRY, root / "pending" / ENTRY)
    put_file(root, queued("clip_a", utc_text(EPOCH), ai_latency_ms=812), context())

    with capture_logs() as logs:
        assert await spool.claim(query("clip_next"), BUNDLE) is None

    assert "never shown twice" in why_of(root)
    assert names(root, "applied") == [ENTRY]
    said = next(event for event in logs if event["event"] == "reply_rejected")
    assert (said["clip"], said["why"] + "\n") == ("clip_a", why_of(root))
    assert said["path"] == str(root / "rejected" / ENTRY)


async def test_the_audit_keeps_every_reply_of_a_clip(root: Path, spool: DiskSpool) -> None:
    for tip in ("First.", "Second.", "Third."):
        await spool.put(addendum(coaching_tip=tip), context())
        claim = await spool.claim(query(), BUNDLE)
        assert claim is not None
        await spool.finish(claim)

    kept = {name: json.loads((root / "applied" / name).read_text())["coaching_tip"] for name in names(root, "applied")}
    assert kept == {
        "clip_a_ai_addendum.1.json": "First.",
        "clip_a_ai_addendum.2.json": "Second.",
        ENTRY: "Third.",
    }


async def test_old_audit_copies_are_removed_and_nothing_else(root: Path, spool: DiskSpool, clock: FakeClock) -> None:
    clock.set_wall(datetime.now(UTC))
    for name in (ENTRY, "clip_a_ai_addendum.1.json", "clip_b_ai_addendum.json", "notes.txt"):
        (root / "applied" / name).write_bytes(b"{}")
    thirty_days_ago = clock.now().timestamp() - 30 * 86_400
    for name in (ENTRY, "clip_a_ai_addendum.1.json", "notes.txt"):
        os.utime(root / "applied" / name, (thirty_days_ago - 60,) * 2)
    os.utime(root / "applied" / "clip_b_ai_addendum.json", (thirty_days_ago + 60,) * 2)

    assert await spool.clean_applied(30) == 2
    assert names(root, "applied") == ["clip_b_ai_addendum.json", "notes.txt"]


async def test_an_unset_clock_removes_no_audit_copy(root: Path, spool: DiskSpool, clock: FakeClock) -> None:
    (root / "applied" / ENTRY).write_bytes(b"{}")
    os.utime(root / "applied" / ENTRY, (-1e9, -1e9))
    clock.set_wall(datetime(1970, 1, 1, tzinfo=UTC))

    assert await spool.clean_applied(30) is None
    assert names(root, "applied") == [ENTRY]


async def test_the_audit_counts_from_when_a_reply_was_applied(root: Path, spool: DiskSpool, clock: FakeClock) -> None:
    clock.set_wall(datetime.now(UTC))
    path = put_file(root, queued("clip_a", utc_text(clock.now())), context())
    os.utime(path, LONG_AGO)
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    await spool.finish(claim)

    assert await spool.clean_applied(30) == 0
