"""Real queues for tests: opened, looked into, and on disks that refuse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sg_coach.timestamps import utc_text
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_state import SpoolOptions
from tests.fakes import EPOCH, FakeClock

ENTRY = "clip_a_ai_addendum.json"
NOW = utc_text(EPOCH)
LONG_AGO = (1.0, 1.0)


async def opened(root: Path, clock: FakeClock, **options: Any) -> DiskSpool:
    spool = await DiskSpool.open(root, clock, SpoolOptions(**options))
    await spool.refresh()
    return spool


def why_of(root: Path, name: str = ENTRY) -> str:
    return (root / "rejected" / f"{name}.why").read_text()


def failing(monkeypatch: pytest.MonkeyPatch, call: str, error: int, *, times: int = 1, about: str = "") -> list[str]:
    """Let the next calls of `os.<call>` whose first argument's name contains `about` fail; return what they were."""
    real, failed = getattr(os, call), list[str]()

    def broken(*args: Any, **keywords: Any) -> Any:
        name = os.readlink(f"/proc/self/fd/{args[0]}") if isinstance(args[0], int) else str(args[0])
        if about in name and len(failed) < times:
            failed.append(name)
            raise OSError(error, os.strerror(error), name)
        return real(*args, **keywords)

    monkeypatch.setattr(os, call, broken)
    return failed
