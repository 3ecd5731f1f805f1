"""Discarding what is over its time: in batches, between which the other moves of the spool have their turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import anyio
import structlog

from .spool_index import Waiting
from .spool_removal import Discarded, discard, settle_removals
from .spool_state import SpoolState

AT_ONCE: Final = 512
"""Entries that one thread removes before other moves come in between."""

BESIDE: Final = 2
"""Threads that remove when there is more: a removal is mostly the kernel's work, and one thread keeps one core busy."""

_log = structlog.get_logger(__name__)


class Expiry:
    """Expires the entries of one spool.

    `held` holds the spool for one operation. The contexts of the clips in `claimed` are kept: they belong to earlier
    replies of these clips.
    """

    def __init__(
        self, state: SpoolState, held: Callable[[], AbstractAsyncContextManager[None]], claimed: Collection[str]
    ) -> None:
        self._state = state
        self._held = held
        self._claimed = claimed

    async def expire_due(self) -> int:
        """See DiskSpool."""
        state, count, failed = self._state, 0, list[Waiting]()
        try:
            while state.index.has_expired(state.clock.boottime()) or state.can_judge_again():
                discarded = await self._expire_some()
                count += discarded.count
                failed += discarded.failed
        finally:
            if failed:
                await self._keep(failed)
        if failed:
            _log.error("replies_not_removed", count=len(failed), clip=failed[0].clip_id, remedy="it is tried again")
        return count

    async def _keep(self, entries: Sequence[Waiting]) -> None:
        """Let entries wait again, whatever else ends. The index changes under the lock alone: threads read it there."""
        with anyio.CancelScope(shield=True):
            async with self._state.lock:
                for entry in entries:
                    self._state.index.add(entry)

    async def _expire_some(self) -> Discarded:
        """Discard one batch."""
        state = self._state
        async with self._held():
            state.judge_again()
            batch = state.index.take_expired(state.clock.boottime(), BESIDE * AT_ONCE)
            if not batch:
                return Discarded()
            parts = [batch[start : start + AT_ONCE] for start in range(0, len(batch), AT_ONCE)]
            for part in parts:
                state.expiring(part)
            try:
                discarded = await self._discard(parts)
            except BaseException:
                for entry in batch:
                    state.index.add(entry)
                raise
        if discarded.changed:
            state.watch.distrust()
        state.stats.expired += discarded.count
        return discarded

    async def _discard(self, parts: Sequence[Sequence[Waiting]]) -> Discarded:
        """Remove a batch from the disk; after the last one all removals are made durable."""
        state = self._state
        discard_part = partial(discard, state.root, frozenset(self._claimed))
        discarded = Discarded.sum(await state.hop_beside(discard_part, parts))
        if not state.index.has_expired(state.clock.boottime()):
            await state.hop(settle_removals, state.root)
        return discarded
