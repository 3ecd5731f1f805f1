"""Keeps a queue one worker's for as long as it runs, also if somebody removes the queue under it."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from sg_coach.errors import CoachError

from .errors import QueueHeld
from .fs import run_blocking
from .queue_lock import QueueLock

_log = structlog.get_logger(__name__)


class QueueGuard:
    """Renews a lock that was removed; if another worker was quicker, has this one stopped."""

    def __init__(self, lock: QueueLock, stop: Callable[[], None]) -> None:
        self._lock = lock
        self._stop = stop
        self.lost: QueueHeld | None = None
        """Set if the queue belongs to another worker now."""

    async def is_ours(self) -> bool:
        """Look whether the lock's file still stands; whether the queue may be swept (yes, while nobody can tell)."""
        if self.lost is not None:
            return False
        try:
            if not self._lock.stands() and await run_blocking(self._lock.renew):
                _log.warning("queue_was_removed", remedy="it was made again; what waited in it is gone")
        except QueueHeld as error:
            _log.error("queue_lost", reason=str(error))
            self.lost = error
            self._stop()
            return False
        except (OSError, CoachError) as error:
            _log.warning("queue_lock_unknown", error=str(error), remedy="it is looked at again")
        return True
