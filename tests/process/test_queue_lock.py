"""One worker a queue."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from sg_coach.errors import UnsafePath
from sg_hybrid.compose import HybridWorker
from sg_hybrid.errors import QueueHeld
from sg_hybrid.queue_folders import LOCK_FILE
from sg_hybrid.queue_guard import QueueGuard
from sg_hybrid.queue_lock import QueueLock, holder
from sg_hybrid.settings import load_settings

INFO = {"pid": 4711, "host": "guitar", "since_utc": "2026-02-04T12:34:56.789Z", "bundle_roots": ["/music"]}
HOLD = """
import sys, time
from pathlib import Path
from sg_hybrid.queue_lock import QueueLock
lock = QueueLock.acquire(Path(sys.argv[1]), {"pid": 1})
print("held", flush=True)
time.sleep(60)
"""

LOOK = """
import sys, time
from pathlib import Path
from sg_hybrid.queue_lock import holder
print("looking", flush=True)
while True:
    holder(Path(sys.argv[1]))
    time.sleep(0.0005)
"""


def test_the_second_worker_is_told_who_holds_the_queue(tmp_path: Path) -> None:
    with QueueLock.acquire(tmp_path / "queue", INFO):
        assert holder(tmp_path / "queue") == INFO
        with pytest.raises(QueueHeld) as held:
            QueueLock.acquire(tmp_path / "queue", INFO | {"pid": 5})

    for part in ("4711", "guitar", "2026-02-04T12:34:56.789Z", str(tmp_path)):
        assert part in str(held.value)
    assert holder(tmp_path / "queue") is None
    QueueLock.acquire(tmp_path / "queue", INFO).release()


@pytest.mark.parametrize("removed", [LOCK_FILE, "."])
def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path: Path, removed: str) -> None:
    queue = tmp_path / "queue"
    with QueueLock.acquire(queue, INFO) as lock:
        assert not lock.renew()
        shutil.rmtree(queue) if removed == "." else (queue / removed).unlink()
        assert holder(queue) is None
        assert lock.renew()
        assert holder(queue) == INFO
        with pytest.raises(QueueHeld):
            QueueLock.acquire(queue, INFO)


async def test_a_worker_whose_queue_was_removed_and_taken_by_another_is_told_to_end(tmp_path: Path) -> None:
    queue, stopped = tmp_path / "queue", anyio.Event()
    with QueueLock.acquire(queue, INFO) as lock:
        guard = QueueGuard(lock, stopped.set)
        assert await guard.is_ours()
        shutil.rmtree(queue)
        with QueueLock.acquire(queue, INFO | {"pid": 5}):
            assert not await guard.is_ours()
        assert not await guard.is_ours(), "lost is lost, also when the other worker ends"
        assert stopped.is_set()
        assert "process 5" in str(guard.lost)


async def test_a_queue_that_was_removed_is_made_again_before_the_next_sweep(tmp_path: Path) -> None:
    given = {"bundle_roots": (tmp_path / "bundles",), "queue_dir": tmp_path / "queue", "sweep_interval_s": 0.01}
    async with HybridWorker(load_settings(given)):
        shutil.rmtree(tmp_path / "queue")
        with anyio.fail_after(10):
            while holder(tmp_path / "queue") is None:
                await anyio.sleep(0.01)
        with pytest.raises(QueueHeld):
            QueueLock.acquire(tmp_path / "queue", INFO)


def test_two_queues_have_two_workers(tmp_path: Path) -> None:
    with QueueLock.acquire(tmp_path / "one", INFO), QueueLock.acquire(tmp_path / "two", INFO):
        assert holder(tmp_path / "one") == holder(tmp_path / "two") == INFO


def test_no_queue_has_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None
    (tmp_path / "queue").mkdir()
    assert holder(tmp_path / "queue") is None


def test_a_killed_worker_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "queue"], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"held\n"
        assert holder(tmp_path / "queue") == {"pid": 1}
        worker.send_signal(signal.SIGKILL)

    assert holder(tmp_path / "queue") is None
    with QueueLock.acquire(tmp_path / "queue", INFO):
        assert holder(tmp_path / "queue") == INFO, "nothing of the dead worker's longer or shorter text is left"


def test_who_looks_does_not_keep_a_worker_from_starting(tmp_path: Path) -> None:
    QueueLock.acquire(tmp_path / "queue", INFO).release()
    with subprocess.Popen([sys.executable, "-c", LOOK, tmp_path / "queue"], stdout=subprocess.PIPE) as looker:
        assert looker.stdout is not None
        assert looker.stdout.readline() == b"looking\n"
        try:
            for _ in range(50):
                QueueLock.acquire(tmp_path / "queue", INFO).release()
        finally:
            looker.kill()


def test_a_lock_file_that_somebody_removed_excludes_again_after_the_next_start(tmp_path: Path) -> None:
    first = QueueLock.acquire(tmp_path / "queue", INFO)
    (tmp_path / "queue" / LOCK_FILE).unlink()

    with QueueLock.acquire(tmp_path / "queue", INFO), pytest.raises(QueueHeld):
        QueueLock.acquire(tmp_path / "queue", INFO)
    first.release()


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff" * 100], ids=["empty", "cut", "list", "bytes"])
def test_a_holder_that_has_not_written_yet_is_a_holder(text: bytes, tmp_path: Path) -> None:
    with QueueLock.acquire(tmp_path / "queue", INFO):
        (tmp_path / "queue" / LOCK_FILE).write_bytes(text)

        assert holder(tmp_path / "queue") == {}
        with pytest.raises(QueueHeld, match="unknown"):
            QueueLock.acquire(tmp_path / "queue", INFO)


def test_the_lock_is_private_and_is_no_symlink(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with QueueLock.acquire(tmp_path / "queue", INFO):
            assert stat.S_IMODE((tmp_path / "queue" / LOCK_FILE).stat().st_mode) == 0o600
    finally:
        os.umask(before)
    (tmp_path / "queue" / LOCK_FILE).unlink()
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "queue" / LOCK_FILE).symlink_to(tmp_path / "victim")

    with pytest.raises(OSError, match="symbolic links"):
        QueueLock.acquire(tmp_path / "queue", INFO)
    assert (tmp_path / "victim").read_text() == "kept"


def test_a_queue_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue").chmod(0o777)

    with pytest.raises(UnsafePath, match="writable by others"):
        QueueLock.acquire(tmp_path / "queue", INFO)


def test_a_full_disk_keeps_no_worker_from_its_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    QueueLock.acquire(tmp_path, INFO).release()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with QueueLock.acquire(tmp_path, {"pid": 1}):
        assert holder(tmp_path) == {}, "the last holder's name is not left"
        with pytest.raises(QueueHeld):
            QueueLock.acquire(tmp_path, INFO)
