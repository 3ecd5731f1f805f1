"""I20: a disk call that takes long delays no other clip's hint. Each call of one clip is held in turn."""

from __future__ import annotations

import fcntl
import os
import statistics
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from sg_hybrid.simulator import Call, Outcome
from tests.fake_edges import session
from tests.process.test_worker_real import DAY, Place, until, whole_after

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files are named by /proc")

HELD_S: Final = 4.0
"""So long a call is held at most: less than a folder's lock is waited for, and than the next rescan is away."""

IN_TIME: Final[dict[str, Any]] = {
    "daily_calls": 1_000_000,
    "daily_tokens": 1_000_000_000,
    "reply_deadline_ms": 10_000,
}
"""Every reply is one in time, also on a busy machine."""

MORE_S: Final = 0.1
"""So much later than with a quiet disk a hint may come."""

_CALLS: Final = (
    *("open", "close", "read", "write", "fsync", "stat", "fstat", "listdir", "scandir"),
    *("rename", "unlink", "utime", "fchmod", "posix_fadvise"),
)


class SlowDisk:
    """Counts the calls about paths that hold `about`; the one with number `hold` waits until `go_on` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self.aim("", 0)
        for name in _CALLS:
            monkeypatch.setattr(os, name, self._slow(getattr(os, name)))
        monkeypatch.setattr(fcntl, "flock", self._slow(fcntl.flock))

    def aim(self, about: str, hold: int) -> None:
        self.about, self.hold = about, hold
        self.calls: list[str] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.in_vain = False

    def _slow(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if self.about and args and self.about in _path(args[0], options.get("dir_fd", options.get("src_dir_fd"))):
                self._count(real.__name__)
            return real(*args, **options)

        return call

    def _count(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
            held = len(self.calls) == self.hold
        if held:
            self.reached.set()
            self.in_vain = not self.go_on.wait(HELD_S)


_rename, _stat, _readlink = os.rename, os.stat, os.readlink  # the test's own calls do not count


def _path(what: Any, dir_fd: int | None) -> str:
    try:
        if isinstance(what, int):
            return _readlink(f"/proc/self/fd/{what}")
        return os.path.join(_readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else "", os.fsdecode(what))
    except (OSError, TypeError):
        return ""


class Quick(Place):
    """Its AI answers at once."""

    def answer(self, call: Call) -> Outcome:
        return whole_after(0.0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Quick(tmp_path)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    return SlowDisk(monkeypatch)


def play(place: Place, clip: str) -> Path:
    """Leave a take as an instrument does; return where its hint will be."""
    bundle, part = place.root / DAY / clip, place.root.parent / "part"
    part.write_text(session().model_dump_json())
    _rename(part, bundle / "session.json")
    return bundle / "clip.coach.json"


def there(path: Path) -> bool:
    try:
        _stat(path)
    except FileNotFoundError:
        return False
    return True


async def seconds_to(hint: Path) -> float:
    """Wait until a hint is there; return how long that took."""
    began = time.monotonic()
    with anyio.fail_after(HELD_S + 5):
        while not there(hint):
            await anyio.sleep(0.001)
    return time.monotonic() - began


def bundles_for(place: Place, *clips: str) -> None:
    for clip in clips:
        (place.root / DAY / clip).mkdir(parents=True)


async def calls_of(place: Place, disk: SlowDisk, about: str) -> list[str]:
    """Let a take be coached and return the calls about it."""
    bundles_for(place, "slow_0")
    disk.aim(about.format(0), 0)
    await seconds_to(play(place, "slow_0"))
    for name in ("session.index.json", "slow_0/clip.ai_coach.json"):
        await until(partial(there, place.root / DAY / name))
    await anyio.sleep(0.2)
    return list(disk.calls)


async def reached(disk: SlowDisk) -> bool:
    """Wait until the call is held, or nothing more comes."""
    with anyio.move_on_after(2.0):
        await until(disk.reached.is_set)
    return disk.reached.is_set()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("about", ["slow_{}", "session.index"])
async def test_a_hint_waits_for_no_call_of_another_clip(place: Place, disk: SlowDisk, about: str) -> None:
    quiet, beside = [], []
    async with place.worker(rescan_interval_s=60.0, prepare=False, **IN_TIME) as worker:
        calls = await calls_of(place, disk, about)
        for number in range(1, len(calls) + 1):
            disk.aim("", 0)
            bundles_for(place, f"quiet_{number}", f"slow_{number}", f"beside_{number}")
            quiet.append(await seconds_to(play(place, f"quiet_{number}")))
            await worker._worker.quiet()
            disk.aim(about.format(number), number)
            slow = play(place, f"slow_{number}")
            if not await reached(disk):  # the calls of an AI's reply vary a little in number
                break
            beside.append(await seconds_to(play(place, f"beside_{number}")))
            disk.go_on.set()
            assert not disk.in_vain, f"a hint waited for call {number} of {calls}"
            await seconds_to(slow)
            await worker._worker.quiet()
    assert {"open", "write", "fsync", "rename"} <= set(calls)
    assert len(beside) > len(calls) * 0.8
    assert statistics.median(beside) < statistics.median(quiet) + MORE_S
