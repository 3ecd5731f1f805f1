"""The latency that was taken out of each take, remembered by device: the book that `sgc latency` shows.

Told of in the thread that analysed the take, written by one task of its own, in a thread: the hint and the cycle wait
for neither the book's lock nor its disk. A book that cannot be written is logged, and the take goes on.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from sg_coach.errors import CoachError
from sg_coach.latency_book import Removed, found_latency, note_latencies, users_book
from sg_coach.models import SessionRecord
from sg_coach.timestamps import utc_text

from .fs import run_blocking
from .ports import Clock
from .post import Leave

MOST_WAITING: Final = 100
"""Takes that wait for a slow book; of more, the oldest is given up."""

_log = structlog.get_logger(__name__)


class LatencyNotes:
    """Writes what takes tell into the book at `path` (None: the user's own, the one that `sgc` reads)."""

    def __init__(self, clock: Clock, leave: Leave, path: Path | None) -> None:
        self._clock = clock
        self._leave = leave
        self._path = path
        self._waiting: deque[tuple[str, Removed]] = deque(maxlen=MOST_WAITING)
        self._kicked = anyio.Event()

    def analysed(self, session: SessionRecord) -> None:
        """Note a take's latency, if one was found and its device is known. Safe in any thread."""
        latency_ms = found_latency(session)
        if session.device_id is None or latency_ms is None:
            return
        removed = Removed(latency_ms=latency_ms, at_utc=utc_text(self._clock.now()))
        self._waiting.append((session.device_id, removed))
        self._leave(self._kick)

    def _kick(self) -> None:
        self._kicked.set()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Write what waits, again and again, until cancelled; call `flush` afterwards."""
        task_status.started()
        while True:
            await self._kicked.wait()
            self._kicked = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, in one go."""
        if self._waiting:
            await run_blocking(self._write)

    def _write(self) -> None:
        takes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            note_latencies(self._path or users_book(), takes)
        except (OSError, CoachError) as error:
            _log.warning("latency_not_noted", devices=sorted({device for device, _ in takes}), error=str(error))
