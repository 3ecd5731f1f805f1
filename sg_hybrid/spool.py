"""Late replies on disk: `ports.Spool`, and what the sweeper needs besides. The picture is in queue/README.md.

Every state is a folder; memory holds only an index of `pending/`, rebuilt from what `ls` shows. One operation at a time
(a lock), so the index and the folders change together; one thread hop a move (`spool_moves`), never ended half-way.
Replies that are to be put in go before claims, before the ends of claims and before each batch that expires.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Self

import anyio
import structlog

from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.timestamps import parse_rfc3339, utc_text

from . import policy
from .models import AiAddendum, Query, ReplyContext
from .ports import Claim, Clock
from .queue_entry import entry_bytes, entry_name
from .queue_folders import make_queue
from .spool_expiry import Expiry
from .spool_index import Waiting
from .spool_look import PendingLook, Refreshed
from .spool_moves import ClaimOutcome, NewEntry, complete, place_all, put_back, take
from .spool_recovery import Recovered, Settle, recover
from .spool_removal import remove_applied
from .spool_state import SpoolOptions, SpoolState, SpoolStats

_DAY_S: Final = 86_400

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class DiskClaim:
    """A waiting reply that is ours: it stands in `claimed/`."""

    context: ReplyContext
    document: bytes
    waiting: Waiting
    target: Path
    clock: Clock

    def is_fresh(self) -> bool:
        """See ports.Claim."""
        return policy.is_applicable(self.waiting.age, self.clock.boottime())


@dataclass(slots=True, eq=False)
class _Put:
    """A reply on its way to `pending/`."""

    entry: NewEntry
    queued_at: datetime
    age: policy.Age
    error: Exception | None = None


class DiskSpool:
    """The real queue. Make it with `open`; call `recover`, then `refresh`, before anything is claimed."""

    def __init__(self, state: SpoolState) -> None:
        self._state = state
        self._look = PendingLook(state)
        self._puts: dict[_Put, None] = {}
        """Replies that are to be placed, in order; whoever has the spool next places all of them first."""
        self._needed = anyio.Event()
        self._claimed: dict[str, DiskClaim] = {}
        self._expiry = Expiry(state, self._held, self._claimed)
        self._to_finish: list[DiskClaim] = []
        self._to_give_back: list[DiskClaim] = []

    @classmethod
    async def open(cls, root: Path, clock: Clock, options: SpoolOptions | None = None) -> Self:
        """Make the queue's folders where they are missing and return a spool on them.

        Raises UnsafePath if the root or a folder in it belongs to somebody else, can be written by others, or is no
        folder; OSError if it cannot be made.
        """
        state = SpoolState(root, clock, options or SpoolOptions())
        await state.hop(make_queue, root)
        return cls(state)

    @property
    def waiting(self) -> int:
        """Number of entries that wait."""
        return len(self._state.index)

    def snapshot(self) -> SpoolStats:
        """Return what waits now, and what happened since the start."""
        return self._state.snapshot()

    # ports.Spool

    async def put(self, addendum: AiAddendum, context: ReplyContext) -> None:
        """See ports.Spool. Its time counts from `queued_at_utc`, or from now if that is not set.

        A reply of the same clip that waits is discarded: the newest wins. Raises InvalidInput for an unsafe clip id.
        """
        state, clip_id, now = self._state, addendum.clip_id, self._state.clock.now()
        if context.clip_id != clip_id:
            raise InvalidInput(f"the context is about {context.clip_id!r}", source=entry_name(clip_id), field="clip_id")
        queued_at_utc = addendum.queued_at_utc or utc_text(now)
        queued_at = parse_rfc3339(queued_at_utc)
        document = entry_bytes(addendum.model_copy(update={"queued": True, "queued_at_utc": queued_at_utc}))
        age = policy.judge_own(queued_at, now, state.clock.boottime(), state.options.ttl_s)
        put = _Put(NewEntry(clip_id, document, context), queued_at, age)
        self._puts[put] = None
        try:
            async with self._held():
                pass  # by now it is placed, by us or by whoever held the spool before
        finally:
            self._puts.pop(put, None)
        if put.error is not None:
            raise put.error
        state.stats.queued += 1
        self._needed.set()
        _log.info("reply_queued", clip=clip_id, queued_at_utc=queued_at_utc, waiting=self.waiting)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Hold the spool. Replies that wait to be placed come first: until then they are in memory alone."""
        async with self._state.lock:
            if self._puts:
                await self._place_all()
            yield

    async def _place_all(self) -> None:
        """Place all replies that wait, in one hop."""
        state, puts = self._state, list(self._puts)
        results = await state.hop(place_all, state.root, [put.entry for put in puts], state.superseding)
        for put, result in zip(puts, results, strict=True):
            self._puts.pop(put, None)
            if isinstance(result, Exception):
                put.error = result
                continue
            file, change = result
            entry = put.entry
            digest = sha256_bytes(entry.document)
            state.index.add(Waiting(entry.clip_id, put.queued_at, put.age, file, digest, entry.context))
            state.changed_by_us(change)

    async def claim(self, query: Query, target: Path) -> DiskClaim | None:
        """See ports.Spool. What somebody else put in or took out since the last look is noticed first."""
        state = self._state
        await self._look.catch_up()
        async with self._held():
            await self._look.look_up_contexts()
            state.judge_again()
            busy: list[Waiting] = []
            try:
                while (waiting := state.index.newest(query, state.clock.boottime())) is not None:
                    claim = await self._try_to_take(waiting, target, busy)
                    if claim is not None:
                        return claim
            finally:
                for waiting in busy:
                    state.index.add(waiting)
        return None

    async def _try_to_take(self, waiting: Waiting, target: Path, busy: list[Waiting]) -> DiskClaim | None:
        state, context = self._state, waiting.context
        assert context is not None  # only entries with a context are relevant to anything
        state.index.remove(waiting.clip_id)
        try:
            outcome, document, change = await state.hop(take, state.root, waiting, context, target)
        except BaseException:
            state.index.add(waiting)
            raise
        if change is not None:
            state.changed_by_us(change)
            claim = self._claimed[waiting.clip_id] = DiskClaim(context, document, waiting, target, state.clock)
            return claim
        _log.info("reply_not_claimed", clip=waiting.clip_id, reason=outcome.name.lower())
        if outcome is ClaimOutcome.BUSY:
            busy.append(waiting)
        elif outcome is ClaimOutcome.CHANGED:
            state.watch.distrust()
        elif outcome is ClaimOutcome.SHOWN:
            state.stats.rejected += 1
        return None

    async def finish(self, claim: Claim) -> None:
        """See ports.Spool. A disk that refuses is tried again with each `refresh`, and at the next start."""
        assert isinstance(claim, DiskClaim)
        state, clip_id = self._state, claim.waiting.clip_id
        async with self._held():
            try:
                await state.hop(complete, state.root, clip_id, claim.document)
            except (OSError, CoachError):
                self._to_finish.append(claim)
                self._needed.set()
                raise
            self._claimed.pop(clip_id, None)
        state.stats.applied += 1
        _log.info("reply_applied", clip=clip_id, bundle=str(claim.target))

    async def give_back(self, claim: Claim) -> None:
        """See ports.Spool. Only for a reply that stands in no bundle; a disk that refuses is tried again."""
        assert isinstance(claim, DiskClaim)
        state, clip_id = self._state, claim.waiting.clip_id
        async with self._held():
            try:
                change = await state.hop(put_back, state.root, clip_id, partial(state.superseding, clip_id))
            except (OSError, CoachError):
                self._to_give_back.append(claim)
                self._needed.set()
                raise
            self._claimed.pop(clip_id, None)
            if change is not None:
                state.index.add(claim.waiting)
                state.changed_by_us(change)
                self._needed.set()
        state.stats.returned += 1
        _log.info("reply_returned", clip=clip_id)

    # For the start and the sweeper

    async def recover(self, settle: Settle) -> Recovered:
        """Bring what the last worker left in order; call it once, holding the queue's lock. See spool_recovery."""
        state = self._state
        async with state.lock:
            recovered = await state.hop(recover, state.root, settle)
        state.watch.distrust()
        state.stats.applied += recovered.finished
        state.stats.returned += recovered.returned
        state.stats.superseded += recovered.superseded
        state.stats.rejected += recovered.rejected
        return recovered

    async def until_needed(self) -> None:
        """Wait until, since the last `refresh`, a reply of ours began to wait or the disk refused to move one."""
        await self._needed.wait()

    async def refresh(self) -> Refreshed:
        """Notice what others put into `pending/` or took out; reject what cannot be read. One stat if nothing changed.

        Raises OSError if the folder cannot be looked at; what was found until then is kept.
        """
        if self._needed.is_set():
            self._needed = anyio.Event()
        await self._end_claims()
        return await self._look.refresh()

    async def _end_claims(self) -> None:
        """Try again to end claims that the disk refused to end; those that fail again line up again."""
        to_finish, self._to_finish = self._to_finish, []
        to_give_back, self._to_give_back = self._to_give_back, []
        for claim in to_finish:
            with contextlib.suppress(OSError, CoachError):
                await self.finish(claim)
        for claim in to_give_back:
            with contextlib.suppress(OSError, CoachError):
                await self.give_back(claim)

    async def expire_due(self) -> int:
        """Discard what is over its time, with its context; return how many. No disk call if nothing is.

        An entry that cannot be removed stays and is tried again the next time; it is never applied.
        """
        return await self._expiry.expire_due()

    async def clean_applied(self, keep_days: float) -> int | None:
        """Remove audit copies that were applied more than `keep_days` ago; return how many.

        None if the wall clock was never set, so that nobody can tell. Raises OSError.
        """
        now = self._state.clock.now()
        if not policy.is_credible(now):
            return None
        return await self._state.hop(remove_applied, self._state.root, now.timestamp() - keep_days * _DAY_S)
