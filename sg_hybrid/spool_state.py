"""What the parts of the spool share: the index, the counters, the way into its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple, Unpack

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.timestamps import utc_text

from . import policy
from .folder_watch import FolderWatch
from .fs import run_blocking
from .ports import Clock
from .queue_entry import PENDING
from .spool_index import SpoolIndex, Waiting
from .spool_moves import OwnChange
from .spool_scan import Lookup

LOG_LINES_AT_ONCE: Final = 32
"""More entries that expire together are one log event with all their clip ids: lines cost more than removals."""

_P = TypeVar("_P")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """What a spool is told by `compose`."""

    ttl_s: float = 300.0
    """How long a reply may be used, counted from `queued_at_utc`, in seconds."""
    lookup: Lookup = lambda _clip_id: None
    """Finds the context of an entry that has none."""


@dataclass(slots=True)
class SpoolStats:
    """What waits now, and what happened since the start."""

    waiting: int = 0
    age_unknown: int = 0
    without_context: int = 0
    others: int = 0
    """Names in `pending/` that are no entry's; they are left alone."""
    queued: int = 0
    applied: int = 0
    returned: int = 0
    expired: int = 0
    """Discarded because their time was over."""
    superseded: int = 0
    """Discarded because a newer reply of their clip came."""
    rejected: int = 0


@dataclass(slots=True)
class SpoolState:
    """The state of one spool. `lock` makes one operation of it: what changes index and folders holds it meanwhile."""

    root: Path
    clock: Clock
    options: SpoolOptions
    index: SpoolIndex = field(default_factory=SpoolIndex)
    watch: FolderWatch = field(default_factory=FolderWatch)
    stats: SpoolStats = field(default_factory=SpoolStats)
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    thread: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    @property
    def pending(self) -> Path:
        return self.root / PENDING

    async def hop_beside(self, function: Callable[[_P], _T], parts: Iterable[_P]) -> list[_T]:
        """Run a blocking move on each part of its work, in threads beside each other; return when all of them ended.

        Raises OSError or CoachError as the first of them did that failed.
        """
        results, errors = list[_T](), list[OSError | CoachError]()

        async def run(part: _P) -> None:
            try:
                results.append(await run_blocking(function, part))
            except (OSError, CoachError) as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for part in parts:
                group.start_soon(run, part)
        if errors:
            raise errors[0]
        return results

    async def hop(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Run one blocking move in the spool's own thread."""
        return await run_blocking(function, *args, limiter=self.thread)

    def snapshot(self) -> SpoolStats:
        index = self.index
        counts = {"waiting": len(index), "age_unknown": index.unjudged_count, "without_context": index.unplaced_count}
        return replace(self.stats, **counts)

    def changed_by_us(self, change: OwnChange) -> None:
        """Our own change of `pending/` is no reason to list it."""
        self.watch.we_changed(change.before, change.after, self.clock.monotonic())

    def can_judge_again(self) -> bool:
        """Tell whether entries of unknown age can be judged now: the wall clock has become credible."""
        return self.index.unjudged_count > 0 and policy.is_credible(self.clock.now())

    def judge_again(self) -> None:
        """Judge entries of unknown age if that can be done now."""
        if not self.can_judge_again():
            return
        now, boottime = self.clock.now(), self.clock.boottime()
        for entry in self.index.unjudged():
            age = policy.judge_again(entry.age, entry.queued_at, now, boottime, self.options.ttl_s)
            self.index.judge(entry, age)

    def superseding(self, clip_id: str) -> None:
        """A reply that waits is about to be discarded for a newer one of its clip.

        Called in the spool's thread, or on the event loop where somebody else's entry replaces one.
        """
        self.stats.superseded += 1
        _log.info("reply_expired", clip=clip_id, reason="superseded")

    def expiring(self, entries: Sequence[Waiting]) -> None:
        """Entries are about to be discarded: the log line comes before the unlink, so no crash loses both."""
        if len(entries) > LOG_LINES_AT_ONCE:
            clips = [entry.clip_id for entry in entries]
            _log.info("reply_expired", reason="ttl", count=len(clips), clips=clips)
            return
        for entry in entries:
            _log.info("reply_expired", clip=entry.clip_id, reason="ttl", queued_at_utc=utc_text(entry.queued_at))
