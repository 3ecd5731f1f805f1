"""Stand-ins for the edges (`sg_hybrid.ports`), without disk, network or threads. One class an edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel

from sg_coach.jsontext import to_json_bytes
from sg_coach.timestamps import parse_rfc3339, utc_text
from sg_hybrid import policy
from sg_hybrid.models import AiAddendum, Query, ReplyContext
from sg_hybrid.ports import Claim
from sg_hybrid.sweeper import SweepStats

EPOCH = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)
"""Where the wall clock of a test starts."""


_Judge = Callable[[datetime, datetime, float, float], policy.Age]


class FakeClock:
    """The event loop's time as monotonic and boot clock (virtual in unit tests), and a wall clock that tests may set.

    `advance` lets all three pass without waiting, `step` sets the wall clock, `suspend` is a closed lid: the boot
    clock and the wall clock run on, the monotonic clock stands. With `frozen` only `advance` and `suspend` make time
    pass: for real disks, which take some of the event loop's.
    """

    def __init__(self, wall: datetime = EPOCH, *, frozen: bool = False) -> None:
        self._wall = wall
        self._frozen = frozen
        self._start: float | None = None
        self._advanced = 0.0
        self._suspended = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed()

    def boottime(self) -> float:
        return 5000.0 + self._elapsed() + self._suspended

    def now(self) -> datetime:
        return self._wall + timedelta(seconds=self._elapsed() + self._suspended)

    def advance(self, seconds: float) -> None:
        self._advanced += seconds

    def suspend(self, seconds: float) -> None:
        self._suspended += seconds

    def step(self, seconds: float) -> None:
        """Move the wall clock only."""
        self._wall += timedelta(seconds=seconds)

    def set_wall(self, wall: datetime) -> None:
        self._wall += wall - self.now()

    def _elapsed(self) -> float:
        if self._frozen:
            return self._advanced
        now = anyio.current_time()
        if self._start is None:
            self._start = now
        return now - self._start + self._advanced


@dataclass(frozen=True, slots=True, eq=False)
class MemoryClaim:
    """A reply that `MemorySpool.claim` handed out."""

    context: ReplyContext
    document: bytes
    addendum: AiAddendum
    age: policy.Age
    target: Path
    clock: FakeClock

    def is_fresh(self) -> bool:
        return policy.is_applicable(self.age, self.clock.boottime())


class MemorySpool:
    """`ports.Spool` in dictionaries. Its state is open for tests to look at; `broken` is raised by every method."""

    def __init__(self, clock: FakeClock, ttl_s: float = 300.0) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self.pending: dict[str, MemoryClaim] = {}
        self.claimed: dict[str, MemoryClaim] = {}
        self.applied: list[tuple[str, Path]] = []
        """Clip id and the bundle that it was applied to."""
        self.expired: list[tuple[str, str]] = []
        """Clip id and reason: `ttl` or `superseded`."""
        self.broken: OSError | None = None

    async def put(self, addendum: AiAddendum, context: ReplyContext) -> None:
        await self._step()
        queued_at = addendum.queued_at_utc or utc_text(self._clock.now())
        queued = addendum.model_copy(update={"queued": True, "queued_at_utc": queued_at})
        self._wait(queued, context, policy.judge_own)

    async def claim(self, query: Query, target: Path) -> MemoryClaim | None:
        await self._step()
        boottime = self._clock.boottime()
        candidates = [
            entry
            for clip_id, entry in self.pending.items()
            if policy.is_relevant(entry.context, query)
            and policy.is_applicable(entry.age, boottime)
            and clip_id not in self.claimed
        ]
        if not candidates:
            return None
        newest = max(candidates, key=lambda entry: (entry.age.deadline, entry.addendum.queued_at_utc))
        claim = replace(self.pending.pop(newest.addendum.clip_id), target=target)
        self.claimed[claim.addendum.clip_id] = claim
        return claim

    async def finish(self, claim: Claim) -> None:
        await self._step()
        assert isinstance(claim, MemoryClaim)
        del self.claimed[claim.addendum.clip_id]
        self.applied.append((claim.addendum.clip_id, claim.target))

    async def give_back(self, claim: Claim) -> None:
        await self._step()
        assert isinstance(claim, MemoryClaim)
        clip_id = claim.addendum.clip_id
        del self.claimed[clip_id]
        if clip_id in self.pending:
            self.expired.append((clip_id, "superseded"))
        else:
            self.pending[clip_id] = claim

    async def expire_due(self) -> int:
        await self._step()
        boottime = self._clock.boottime()
        due = [clip_id for clip_id, entry in self.pending.items() if policy.is_expired(entry.age, boottime)]
        for clip_id in due:
            del self.pending[clip_id]
            self.expired.append((clip_id, "ttl"))
        return len(due)

    @property
    def waiting(self) -> int:
        return len(self.pending)

    async def refresh(self) -> SweepStats:
        """What stands in memory is known already."""
        await self._step()
        return SweepStats()

    async def clean_applied(self, keep_days: float) -> int:
        await self._step()
        return 0

    def insert(self, addendum: AiAddendum, context: ReplyContext) -> None:
        """An entry that was there before the worker: judged by its own `queued_at_utc`."""
        self._wait(addendum, context, policy.first_judgement)

    def _wait(self, addendum: AiAddendum, context: ReplyContext, judge: _Judge) -> None:
        queued_at = parse_rfc3339(addendum.queued_at_utc or "")
        age = judge(queued_at, self._clock.now(), self._clock.boottime(), self._ttl_s)
        document = to_json_bytes(addendum.model_dump(mode="json"))
        if self.pending.pop(addendum.clip_id, None) is not None:
            self.expired.append((addendum.clip_id, "superseded"))
        self.pending[addendum.clip_id] = MemoryClaim(context, document, addendum, age, Path(), self._clock)

    async def _step(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.broken is not None:
            raise self.broken
