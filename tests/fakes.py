"""Stand-ins for the edges (`sg_hybrid.ports`), without disk, network or threads. One class an edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from sg_coach.digest import sha256_bytes
from sg_coach.errors import InvalidInput
from sg_coach.timestamps import parse_rfc3339, utc_text
from sg_hybrid import policy
from sg_hybrid.ai_config import AiConfig
from sg_hybrid.models import AiAddendum, Query, ReplyContext
from sg_hybrid.on_demand import ai_config
from sg_hybrid.ports import Claim
from sg_hybrid.queue_entry import Entry, entry_bytes, holds_reply, parse_entry
from sg_hybrid.settings import Settings
from sg_hybrid.spool_scan import Lookup
from sg_hybrid.sweeper import SweepStats

EPOCH = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)
"""Where the wall clock of a test starts."""


def an_ai_config(**changes: Any) -> AiConfig:
    """Return what the AI client gets from settings that hold nothing but a key, but for `changes`."""
    return replace(ai_config(Settings.from_env({"HOME": "/music", "ANTHROPIC_API_KEY": "test"})), **changes)


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
    """A reply that waits, or that `MemorySpool.claim` handed out."""

    found_context: ReplyContext | None
    document: bytes
    addendum: AiAddendum
    age: policy.Age
    target: Path
    clock: FakeClock

    @property
    def context(self) -> ReplyContext:
        assert self.found_context is not None  # only entries with a context are relevant to anything
        return self.found_context

    @property
    def queued_at(self) -> datetime:
        return parse_rfc3339(self.addendum.queued_at_utc or "")

    def is_fresh(self) -> bool:
        return policy.is_applicable(self.age, self.clock.boottime())


class MemorySpool:
    """`ports.Spool` in dictionaries. Its state is open for tests to look at; `broken` is raised by every method.

    It is the twin of the spool on disk: `drop` and `remove` are another program's hands in `pending/`, `reopened` is
    what the next start finds. `contexts`, `arrived` and the names below are what stands on its disk.
    """

    def __init__(self, clock: FakeClock, ttl_s: float = 300.0, lookup: Lookup = lambda _clip_id: None) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._lookup = lookup
        self._to_finish: list[MemoryClaim] = []
        self._to_give_back: list[MemoryClaim] = []
        self.pending: dict[str, MemoryClaim] = {}
        self.arrived: dict[str, bytes] = {}
        """Put in by somebody else, and not looked at yet."""
        self.contexts: dict[str, tuple[str, ReplyContext]] = {}
        """By clip id: the digest of the entry that a context was written for, and the context."""
        self.claimed: dict[str, MemoryClaim] = {}
        self.applied: list[tuple[str, Path]] = []
        """Clip id and the bundle that it was applied to."""
        self.applied_documents: list[tuple[str, bytes]] = []
        self.expired: list[tuple[str, str]] = []
        """Clip id and reason: `ttl` or `superseded`."""
        self.expired_documents: list[bytes] = []
        self.rejected: list[tuple[str, bytes]] = []
        self.broken: OSError | None = None
        self._needed = anyio.Event()

    @classmethod
    def reopened(cls, left: MemorySpool, clock: FakeClock) -> MemorySpool:
        """What a new process finds of another one's spool. Call `recover`, then `refresh`."""
        spool = cls(clock, left._ttl_s, left._lookup)
        spool.arrived = {clip_id: entry.document for clip_id, entry in left.pending.items()} | left.arrived
        spool.contexts, spool.claimed = dict(left.contexts), dict(left.claimed)
        spool.applied, spool.applied_documents = list(left.applied), list(left.applied_documents)
        spool.expired, spool.expired_documents = list(left.expired), list(left.expired_documents)
        spool.rejected = list(left.rejected)
        return spool

    async def put(self, addendum: AiAddendum, context: ReplyContext) -> None:
        await self._step()
        clip_id = addendum.clip_id
        queued_at = addendum.queued_at_utc or utc_text(self._clock.now())
        queued = addendum.model_copy(update={"queued": True, "queued_at_utc": queued_at})
        if (arrived := self.arrived.pop(clip_id, None)) is not None:
            self._expire(clip_id, arrived, "superseded")
        waiting = self._wait(queued, context, policy.judge_own)
        self.contexts[clip_id] = sha256_bytes(waiting.document), context
        self._needed.set()

    async def claim(self, query: Query, target: Path) -> MemoryClaim | None:
        await self._step()
        self._look()
        self._look_up_contexts()
        self._judge_again()
        while candidates := [entry for entry in self.pending.values() if self._may_be_claimed(entry, query)]:
            newest = max(candidates, key=lambda entry: (entry.age.deadline, entry.queued_at, entry.addendum.clip_id))
            claim = replace(self.pending.pop(newest.addendum.clip_id), target=target)
            if not self._was_applied(claim):
                self.claimed[claim.addendum.clip_id] = claim
                return claim
            self.rejected.append((claim.addendum.clip_id, claim.document))
        return None

    async def finish(self, claim: Claim) -> None:
        assert isinstance(claim, MemoryClaim)
        await self._step(self._to_finish, claim)
        self._finish(claim)

    async def give_back(self, claim: Claim) -> None:
        assert isinstance(claim, MemoryClaim)
        await self._step(self._to_give_back, claim)
        clip_id = claim.addendum.clip_id
        del self.claimed[clip_id]
        if clip_id in self.pending or clip_id in self.arrived:
            self._expire(clip_id, claim.document, "superseded")
        else:
            self.pending[clip_id] = claim
            self._needed.set()

    async def until_needed(self) -> None:
        await self._needed.wait()

    async def expire_due(self) -> int:
        await self._step()
        self._judge_again()
        boottime = self._clock.boottime()
        due = [clip_id for clip_id, entry in self.pending.items() if policy.is_expired(entry.age, boottime)]
        for clip_id in due:
            self._expire(clip_id, self.pending.pop(clip_id).document, "ttl")
        return len(due)

    @property
    def waiting(self) -> int:
        return len(self.pending)

    async def refresh(self) -> SweepStats:
        await self._step()
        if self._needed.is_set():
            self._needed = anyio.Event()
        to_finish, self._to_finish = self._to_finish, []
        to_give_back, self._to_give_back = self._to_give_back, []
        for claim in to_finish:
            await self.finish(claim)
        for claim in to_give_back:
            await self.give_back(claim)
        return self._look()

    async def clean_applied(self, keep_days: float) -> int | None:
        await self._step()
        return 0 if policy.is_credible(self._clock.now()) else None

    async def recover(self, settle: Callable[[Path, str], bool]) -> None:
        """End the claims of the last process, as `spool_recovery` does."""
        for clip_id, claim in list(self.claimed.items()):
            if settle(claim.target, sha256_bytes(claim.document)):
                self._finish(claim)
                continue
            del self.claimed[clip_id]
            if clip_id in self.arrived:
                self._expire(clip_id, claim.document, "superseded")
            else:
                self.arrived[clip_id] = claim.document

    def insert(self, addendum: AiAddendum, context: ReplyContext) -> None:
        """An entry that was there before the worker: judged by its own `queued_at_utc`."""
        self._wait(addendum, context, policy.first_judgement)

    def drop(self, clip_id: str, document: bytes) -> None:
        """Somebody puts a file under the name of a clip's entry."""
        self.arrived[clip_id] = document

    def remove(self, clip_id: str) -> None:
        """Somebody takes an entry out."""
        self.pending.pop(clip_id, None)
        self.arrived.pop(clip_id, None)

    def _may_be_claimed(self, entry: MemoryClaim, query: Query) -> bool:
        return (
            entry.found_context is not None
            and policy.is_relevant(entry.found_context, query)
            and policy.is_applicable(entry.age, self._clock.boottime())
            and entry.addendum.clip_id not in self.claimed
        )

    def _was_applied(self, claim: MemoryClaim) -> bool:
        clip_id = claim.addendum.clip_id
        return any(clip == clip_id and holds_reply(raw, claim.addendum) for clip, raw in self.applied_documents)

    def _finish(self, claim: MemoryClaim) -> None:
        clip_id = claim.addendum.clip_id
        del self.claimed[clip_id]
        self.applied.append((clip_id, claim.target))
        self.applied_documents.append((clip_id, claim.document))

    def _look(self) -> SweepStats:
        found = rejected = 0
        arrived, self.arrived = self.arrived, {}
        for clip_id, document in arrived.items():
            try:
                entry = parse_entry(document, clip_id)
            except InvalidInput:
                self.pending.pop(clip_id, None)
                self.rejected.append((clip_id, document))
                rejected += 1
                continue
            known = self.pending.get(clip_id)
            if known is None or known.document != document:
                self._wait(entry.addendum, self._context_of(entry), policy.first_judgement, document)
                found += 1
        return SweepStats(found=found, rejected=rejected)

    def _context_of(self, entry: Entry) -> ReplyContext | None:
        clip_id = entry.addendum.clip_id
        digest, context = self.contexts.get(clip_id, ("", None))
        return context if digest == entry.digest else self._lookup(clip_id)

    def _look_up_contexts(self) -> None:
        for clip_id, entry in self.pending.items():
            if entry.found_context is None:
                self.pending[clip_id] = replace(entry, found_context=self._lookup(clip_id))

    def _judge_again(self) -> None:
        now, boottime = self._clock.now(), self._clock.boottime()
        for clip_id, entry in self.pending.items():
            age = policy.judge_again(entry.age, entry.queued_at, now, boottime, self._ttl_s)
            self.pending[clip_id] = replace(entry, age=age)

    def _wait(
        self, addendum: AiAddendum, context: ReplyContext | None, judge: _Judge, document: bytes = b""
    ) -> MemoryClaim:
        queued_at = parse_rfc3339(addendum.queued_at_utc or "")
        age = judge(queued_at, self._clock.now(), self._clock.boottime(), self._ttl_s)
        document = document or entry_bytes(addendum)
        if (older := self.pending.pop(addendum.clip_id, None)) is not None:
            self._expire(addendum.clip_id, older.document, "superseded")
        waiting = self.pending[addendum.clip_id] = MemoryClaim(context, document, addendum, age, Path(), self._clock)
        return waiting

    def _expire(self, clip_id: str, document: bytes, reason: str) -> None:
        self.expired.append((clip_id, reason))
        self.expired_documents.append(document)

    async def _step(self, again: list[MemoryClaim] | None = None, claim: MemoryClaim | None = None) -> None:
        await anyio.lowlevel.checkpoint()
        if self.broken is not None:
            if again is not None and claim is not None:
                again.append(claim)
                self._needed.set()
            raise self.broken
