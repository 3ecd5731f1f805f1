"""The real worker with a wall clock that can be set: its offset, in seconds, stands in a file.

    python -m tests.soak.worker_main OFFSET_FILE

Everything else is `sg-hybrid run` with settings from the environment.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from sg_hybrid.cli.run import start_logs
from sg_hybrid.clock import SystemClock
from sg_hybrid.compose import HybridWorker
from sg_hybrid.settings import load_settings


class SteppedClock(SystemClock):
    """The machine's clocks, the wall clock moved by what a file says."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._offset.read_text()))


async def main(offset: Path) -> None:
    settings = load_settings()
    start_logs(settings)
    async with HybridWorker(settings, handle_signals=True, clock=SteppedClock(offset)) as worker:
        await worker.serve()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
