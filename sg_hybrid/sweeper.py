"""The sweeper: every few seconds it notices what others did to the queue, and discards what is over its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Final, Protocol, TypeVar

import anyio
import structlog

from sg_coach.errors import CoachError

from .ports import Clock

IDLE_FACTOR: Final = 12.0
"""With nothing waiting nothing can be due: sweeps are rarer, which is what an idle worker costs. They only notice what
others put in; a reply of ours ends the pause, and a claim looks into the folder by itself."""

CLEAN_EVERY_S: Final = 86_400.0
"""Seconds between two looks for old audit copies."""

CLEAN_AGAIN_S: Final = 300.0
"""Seconds after such a look that failed, or that an unset clock made impossible."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Looked(Protocol):
    """What a look at the queue found, in entries."""

    @property
    def found(self) -> int: ...
    @property
    def gone(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def left(self) -> int: ...


class SweptSpool(Protocol):
    """What the sweeper needs of a spool. Each method is next to free when there is nothing to do."""

    @property
    def waiting(self) -> int:
        """Number of entries that wait."""
        ...

    async def until_needed(self) -> None:
        """Wait until, since the last `refresh`, a reply of ours began to wait or the disk refused to move one."""
        ...

    async def refresh(self) -> Looked:
        """Notice what others put in or took out. Raises OSError or CoachError."""
        ...

    async def expire_due(self) -> int:
        """Discard what is over its time; return how many. Raises OSError or CoachError."""
        ...

    async def clean_applied(self, keep_days: float) -> int | None:
        """Remove old audit copies; return how many, None if nobody can tell now. Raises OSError or CoachError."""
        ...


@dataclass(frozen=True, slots=True)
class SweepStats:
    """What one sweep did, in entries."""

    found: int = 0
    gone: int = 0
    rejected: int = 0
    left: int = 0
    """Not readable yet: looked at again with the next sweep."""
    expired: int = 0
    cleaned: int = 0
    """Audit copies that were old enough."""
    waiting: int = 0
    failed: int = 0
    """Steps that the disk refused; they are done again with the next sweep."""

    @property
    def has_more_to_do(self) -> bool:
        """Whether something waits, cannot be read yet, or could not be done."""
        return bool(self.waiting or self.left or self.failed)


async def _always() -> bool:
    return True


class Sweeper:
    """Sweeps a spool for as long as the worker lives."""

    def __init__(
        self,
        spool: SweptSpool,
        clock: Clock,
        *,
        interval_s: float = 5.0,
        keep_days: float = 30.0,
        is_ours: Callable[[], Awaitable[bool]] = _always,
    ) -> None:
        """`is_ours` is asked before each sweep: another worker's queue is left alone."""
        self._spool = spool
        self._clock = clock
        self._is_ours = is_ours
        self._interval_s = interval_s
        self._keep_days = keep_days
        self._clean_at = clock.boottime()
        self._failed = 0

    async def run(self) -> None:
        """Sweep until cancelled. A disk that refuses is logged and tried again; nothing else ends it."""
        while True:
            swept = await self.sweep_once()
            if swept.has_more_to_do or await self._is_needed():
                await anyio.sleep(self._interval_s)

    async def _is_needed(self) -> bool:
        """Wait until there is something to do; False if it is time to look whether others put something in."""
        with anyio.move_on_after(self._interval_s * IDLE_FACTOR):
            await self._spool.until_needed()
            return True
        return False

    async def sweep_once(self) -> SweepStats:
        """Look, expire, clean; return what was done. A step that fails does not keep the others from being done."""
        self._failed = 0
        if not await self._is_ours():
            return SweepStats()
        nothing: Looked = SweepStats()
        looked = await self._attempt("refresh", self._spool.refresh, nothing)
        expired = await self._attempt("expire", self._spool.expire_due, 0)
        cleaned = await self._attempt("clean", self._clean_if_due, 0)
        swept = SweepStats(
            found=looked.found,
            gone=looked.gone,
            rejected=looked.rejected,
            left=looked.left,
            expired=expired,
            cleaned=cleaned,
            waiting=self._spool.waiting,
            failed=self._failed,
        )
        if swept != SweepStats(waiting=swept.waiting):
            _log.debug("swept", **asdict(swept))
        return swept

    async def _attempt(self, step: str, action: Callable[[], Awaitable[_T]], otherwise: _T) -> _T:
        try:
            return await action()
        except (OSError, CoachError) as error:
            self._failed += 1
            _log.error("sweep_failed", step=step, error=str(error), remedy="tried again soon")
            return otherwise

    async def _clean_if_due(self) -> int:
        now = self._clock.boottime()
        if now < self._clean_at:
            return 0
        self._clean_at = now + CLEAN_AGAIN_S
        cleaned = await self._spool.clean_applied(self._keep_days)
        if cleaned is None:
            return 0
        self._clean_at = now + CLEAN_EVERY_S
        return cleaned
