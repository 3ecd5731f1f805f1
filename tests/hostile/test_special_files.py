"""FILE: what is no plain file of ours, as a take and as an entry of the queue; folders that are not what they were."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sg_coach.errors import UnsafePath
from sg_hybrid.queue_entry import entry_name
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_look import READ_AT_ONCE
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import BUNDLE, addendum, context, names, put_file, query, queued
from tests.process import test_spool_disk as disk
from tests.process import test_spool_others as others
from tests.process.spools import LONG_AGO, failing, opened

from .place import Place, is_coached, refusal

Make = Callable[[Path], None]


def somebody_elses(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    put_file(path.parents[1], queued("clip_a", EPOCH))
    path.chmod(0o600)
    os.chown(path, 4711, 4711)


SPECIAL: dict[str, Make] = {
    "FILE-01-symlink": others.symlink,
    "FILE-02-dangling": others.dangling_symlink,
    "FILE-03-loop": others.symlink_loop,
    "FILE-05-fifo": others.fifo,
    "FILE-06-socket": others.unix_socket,
    "FILE-07-folder": others.folder,
    "FILE-08-hard-link-count-2": others.hard_link,
    "FILE-09-mode-000": others.mode_000,
    "FILE-12-sparse-5-gb": others.sparse_5_gb,
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
async def test_what_is_no_plain_file_is_never_read(make: Make, tmp_path: Path) -> None:
    """As a take, and as an entry; a FIFO that was opened would hang here."""
    place = Place(tmp_path)
    bundle = place.bundle("clip_a")
    (bundle / "session.json").unlink()
    make(place.pending / entry_name("clip_a"))
    os.utime(place.pending / entry_name("clip_a"), LONG_AGO, follow_symlinks=False)
    if make is not others.unix_socket:
        spare = tmp_path / "spare" / "pending"
        spare.mkdir(parents=True)
        make(spare / entry_name("clip_a"))
        for path in spare.iterdir():
            path.rename(bundle / ("session.json" if path.name == entry_name("clip_a") else path.name))

    await place.drain()

    assert entry_name("clip_a") in place.rejected("clip_a")
    assert not is_coached(bundle)
    if make is others.symlink:
        assert "symlink" in refusal(bundle)


async def test_file_04_planted_at_the_temporarys_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next name is taken, and nothing is written through what was planted."""
    victim, planted = tmp_path / "victim", list[str]()
    victim.write_text("mine")
    real = os.open

    def plant(path: str, flags: int, *args: int, **where: int) -> int:
        if str(path).endswith(".tmp") and not planted:
            os.symlink(victim, path, dir_fd=where["dir_fd"])
            planted.append(path)
        return real(path, flags, *args, **where)

    spool = await opened(tmp_path / "queue", FakeClock(frozen=True))
    monkeypatch.setattr(os, "open", plant)
    await spool.put(addendum("clip_a"), context("clip_a"))
    monkeypatch.undo()

    assert planted
    assert victim.read_text() == "mine"
    assert entry_name("clip_a") in names(tmp_path / "queue", "pending")


async def test_file_10_another_owners_file_is_data_like_any_other(tmp_path: Path) -> None:
    """Nobody else can write into the queue; an entry that its owner made as another user is judged by its content."""
    root = tmp_path / "queue"
    (root / "pending").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    somebody_elses(root / "pending" / entry_name("clip_a"))

    spool = await opened(root, FakeClock(frozen=True))

    assert spool.waiting == 1


async def test_file_11_name_that_is_not_utf8(tmp_path: Path) -> None:
    place = Place(tmp_path)
    name = os.fsencode(place.pending) + b"/clip_\xff_ai_addendum.json"
    Path(os.fsdecode(name)).write_bytes(b"{}")
    bundle = place.bundle(os.fsdecode(b"clip_\xff"))
    named = place.bundle(os.fsdecode(b"take_\xff"), {"clip.tags.json": b'{"clip_id": "clip_y"}'})

    await place.drain()

    assert is_coached(named)

    assert "clip_id" in refusal(bundle)
    assert os.path.exists(name)


async def test_file_13_a_hundred_thousand_entries(tmp_path: Path) -> None:
    """They are read in bounded bites; here a few thousand, the rest is in benchmarks/spool.py."""
    root, count = tmp_path / "queue", 20 * READ_AT_ONCE
    put_file(root, queued("clip_0", EPOCH))
    root.chmod(0o700)
    one = (root / "pending" / entry_name("clip_0")).read_bytes()
    for number in range(1, count):
        raw = one.replace(b"clip_0", f"clip_{number}".encode())
        (root / "pending" / entry_name(f"clip_{number}")).write_bytes(raw)
    clock = FakeClock(frozen=True)

    spool = await opened(root, clock)

    assert spool.waiting == count
    clock.advance(301)
    assert await spool.expire_due() == count
    assert names(root, "pending") == []


async def test_file_14_pending_missing(tmp_path: Path) -> None:
    root = tmp_path / "queue"
    spool = await opened(root, FakeClock(frozen=True))
    shutil.rmtree(root / "pending")

    await spool.put(addendum("clip_a"), context("clip_a"))

    assert await spool.claim(query(), BUNDLE) is not None


@pytest.mark.parametrize(
    "spoil",
    [disk.is_file, disk.is_symlink, disk.is_open_to_all],
    ids=["FILE-15-pending-a-file", "FILE-16-pending-a-symlink", "FILE-17-pending-0777"],
)
async def test_a_pending_that_cannot_be_trusted(spoil: Make, tmp_path: Path) -> None:
    root = tmp_path / "queue"
    root.mkdir(mode=0o700)
    spoil(root / "pending")

    with pytest.raises(UnsafePath, match="pending: "):
        await DiskSpool.open(root, FakeClock(frozen=True))


@pytest.mark.parametrize(
    ("call", "code"),
    [("open", errno.EROFS), ("write", errno.ENOSPC), ("open", errno.ENOSPC)],
    ids=["FILE-18-pending-read-only", "FILE-22-disk-full", "FILE-23-inodes-full"],
)
async def test_a_disk_that_refuses_gets_no_acknowledgement_and_no_litter(
    call: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "queue"
    spool = await opened(root, FakeClock(frozen=True))
    failed = failing(monkeypatch, call, code, about=".tmp" if call == "open" else "queue")

    with pytest.raises(OSError, match=os.strerror(code)):
        await spool.put(addendum("clip_a"), context("clip_a"))

    assert failed
    monkeypatch.undo()
    assert (names(root, "pending"), names(root, "context"), spool.waiting) == ([], [], 0)
    await spool.put(addendum("clip_a"), context("clip_a"))
    assert names(root, "pending") == [entry_name("clip_a")]


async def test_file_19_applied_on_another_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "queue"
    spool = await opened(root, FakeClock(frozen=True))
    await spool.put(addendum("clip_a"), context("clip_a"))
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    document = (root / "claimed" / entry_name("clip_a")).read_bytes()
    failed = failing(monkeypatch, "rename", errno.EXDEV, about="clip_a")

    await spool.finish(claim)

    assert failed
    assert names(root, "claimed") == []
    assert (root / "applied" / entry_name("clip_a")).read_bytes() == document


async def test_file_20_same_name_already_applied(tmp_path: Path) -> None:
    root = tmp_path / "queue"
    spool = await opened(root, FakeClock(frozen=True))
    for tip in ("First.", "Second."):
        await spool.put(addendum("clip_a", coaching_tip=tip), context("clip_a"))
        claim = await spool.claim(query(), BUNDLE)
        assert claim is not None
        await spool.finish(claim)

    assert names(root, "applied") == ["clip_a_ai_addendum.1.json", "clip_a_ai_addendum.json"]


@pytest.mark.parametrize("how", ["FILE-21-removed", "FILE-21-replaced"])
async def test_between_listing_and_open(how: str, tmp_path: Path) -> None:
    """What stands there at the claim is what counts."""
    root = tmp_path / "queue"
    spool = await opened(root, FakeClock(frozen=True))
    await spool.put(addendum("clip_a"), context("clip_a"))
    entry = root / "pending" / entry_name("clip_a")
    entry.unlink()
    if how.endswith("replaced"):
        entry.symlink_to("/etc/passwd")

    assert await spool.claim(query(), BUNDLE) is None
    assert names(root, "claimed") == []


async def test_file_24_bundle_without_tags(tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle()
    await place.drain()
    assert is_coached(bundle)


async def test_file_25_bundle_removed_in_mid_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path)
    bundle = place.bundle("clip_x")
    real, removed = os.fsync, list[int]()

    def remove_first(fd: int) -> None:
        if not removed and str(bundle) in os.readlink(f"/proc/self/fd/{fd}"):
            removed.append(fd)
            shutil.rmtree(bundle)
        real(fd)

    monkeypatch.setattr(os, "fsync", remove_first)
    await place.drain()

    assert removed
    assert not bundle.exists()


async def test_file_26_stale_temporaries_of_a_dead_process(tmp_path: Path) -> None:
    place = Place(tmp_path)
    stale = place.pending / f".{entry_name('clip_x')}.99999-0.tmp"
    stale.write_bytes(b'{"half')

    await place.drain()

    assert not stale.exists()
    assert names(place.queue, "rejected") == []
