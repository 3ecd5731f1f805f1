"""A process whose children work on a queue until they are killed. Run as `python -m tests.process.spool_victim ROOT`.

Each child is a worker from start to SIGKILL: recover, then put, claim, apply, finish in a loop. What it was told is
appended to `ROOT/journal`, one line an acknowledgement (a single write, which a kill cannot tear).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import anyio
import structlog

from sg_coach.contract import QUEUED_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.files import Folder
from sg_hybrid.spool import DiskSpool
from tests.late_replies import addendum, context, query

KILLS = 40
ENOUGH = 30
"""Acknowledged replies without which the kills say little: a busy machine gets more kills."""


class RealClock:
    """The machine's clocks, as far as a spool asks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


def holds(bundle: Path, digest: str) -> bool:
    """Whether a bundle holds the very file."""
    path = bundle / QUEUED_FILE
    return path.exists() and sha256_bytes(path.read_bytes()) == digest


async def work(root: Path, child: int) -> None:
    journal = os.open(root / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    spool = await DiskSpool.open(root / "queue", RealClock())
    await spool.recover(holds)
    await spool.refresh()
    for number in range(10_000):
        clip_id = f"clip_{child}_{number}"
        await spool.put(addendum(clip_id), context(clip_id))
        os.write(journal, f"put {clip_id}\n".encode())
        if number % 3 == 0:
            continue
        bundle = root / "bundles" / f"bundle_{child}_{number}"
        bundle.mkdir(parents=True)
        claim = await spool.claim(query(), bundle)
        assert claim is not None
        if number % 3 == 1:
            await spool.give_back(claim)
            continue
        with Folder.open(bundle) as folder:
            folder.write(QUEUED_FILE, claim.document)
        await spool.finish(claim)
        os.write(journal, f"finished {claim.context.clip_id}\n".encode())


def _acknowledged(root: Path) -> int:
    try:
        return (root / "journal").read_bytes().count(b"put ")
    except FileNotFoundError:
        return 0


def main(root: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    chance = random.Random(7)
    for child in itertools.count():
        if child >= KILLS and _acknowledged(root) >= ENOUGH:
            return
        pid = os.fork()
        if pid == 0:
            anyio.run(work, root, child)
            os._exit(1)
        time.sleep(chance.uniform(0.004, 0.06))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "it ended by itself"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
