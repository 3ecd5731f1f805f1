"""The async face of the disk: what is read, and what a cancellation may interrupt."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio
import pytest

from sg_coach.errors import InvalidInput, UnsafePath
from sg_hybrid.fs import read_bytes, run_blocking


async def test_reads_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"12345")
    assert await read_bytes(file, 5) == b"12345"
    with pytest.raises(InvalidInput, match="f: too large: more than 4 bytes"):
        await read_bytes(file, 4)
    with pytest.raises(FileNotFoundError):
        await read_bytes(tmp_path / "none", 5)


async def test_reads_only_plain_files(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"x")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "hard").write_bytes(b"x")
    os.link(tmp_path / "hard", tmp_path / "harder")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for name in ("link", "hard", "fifo", "folder"):
        with pytest.raises(UnsafePath, match=name):
            await read_bytes(tmp_path / name, 5)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


async def test_started_work_is_finished_whatever_is_cancelled() -> None:
    started, go, finished = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        go.wait(10)
        finished.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_blocking, work)
        while not started.is_set():
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
        go.set()
    assert finished.is_set()


async def test_cancelled_work_that_waits_for_its_turn_never_starts() -> None:
    limiter = anyio.CapacityLimiter(1)
    ran: list[int] = []
    async with limiter, anyio.create_task_group() as tasks:

        async def queue_up() -> None:
            await run_blocking(ran.append, 1, limiter=limiter)

        tasks.start_soon(queue_up)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ran == []
