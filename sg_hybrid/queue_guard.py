"""Keeps a queue one worker's for as long as it runs, also if somebody removes the queue under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
import anyio.abc
import structlog

from sg_coach.errors import CoachError

from .errors import QueueHeld
from .fs import run_blocking
from .queue_lock import QueueLock

LOOK_S: Final = 15.0
"""Seconds between two looks whether the lock's file still stands."""

_log = structlog.get_logger(__name__)


class QueueGuard:
    """Renews a lock that was removed; if another worker was quicker, has this one stopped."""

    def __init__(self, lock: QueueLock, stop: Callable[[], None], *, look_s: float = LOOK_S) -> None:
        self._lock = lock
        self._stop = stop
        self._look_s = look_s
        self.lost: QueueHeld | None = None
        """Set if the queue belongs to another worker now."""

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look from time to time, until cancelled or until the queue is lost."""
        task_status.started()
        while self.lost is None:
            await anyio.sleep(self._look_s)
            await self._look()

    async def _look(self) -> None:
        try:
            if await run_blocking(self._lock.renew):
                _log.warning("queue_was_removed", remedy="it was made again; what waited in it is gone")
        except QueueHeld as error:
            _log.error("queue_lost", reason=str(error))
            self.lost = error
            self._stop()
        except (OSError, CoachError) as error:
            _log.warning("queue_lock_unknown", error=str(error), remedy="it is looked at again")
