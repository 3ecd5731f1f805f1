"""Noticing what others put into `pending/` or took out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import structlog

from . import policy
from .queue_folders import stamp_at
from .spool_index import Waiting
from .spool_scan import Found, Listing, Unusable, examine, list_pending, look_up_all, reject_all
from .spool_state import SpoolState

READ_AT_ONCE: Final = 128
"""Entries that one thread hop reads; moves of others come in between."""

LOOKUPS_AT_ONCE: Final = 8
"""Entries without context whose bundles are looked up before a claim."""

MOST_NAMED: Final = 512
"""Clips that one log line names."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a look at `pending/` found, in entries."""

    found: int = 0
    gone: int = 0
    rejected: int = 0
    left: int = 0
    """Not readable yet: somebody may still be writing them."""


class PendingLook:
    """Keeps the index of one spool equal to what `ls pending/` shows."""

    def __init__(self, state: SpoolState) -> None:
        self._state = state
        self._unreadable: dict[str, float] = {}
        """Clip id to when its entry was first seen to be unreadable (monotonic seconds)."""

    async def refresh(self) -> Refreshed:
        """Look, unless it is certain that nobody changed the folder: that costs one stat. Raises OSError."""
        stamp = stamp_at(self._state.pending)
        if stamp is not None and not self._state.watch.must_list(stamp):
            return Refreshed()
        return await self._look()

    async def catch_up(self) -> None:
        """Look if it is certain that somebody changed the folder. Raises OSError."""
        stamp = stamp_at(self._state.pending)
        if stamp is None or self._state.watch.has_changed(stamp):
            await self._look()

    async def _look(self) -> Refreshed:
        listing = await self._list()
        new = set(listing.new)
        self._unreadable = {clip_id: at for clip_id, at in self._unreadable.items() if clip_id in new}
        total = Refreshed(gone=len(listing.gone))
        rest = iter(listing.new)
        while batch := list(islice(rest, READ_AT_ONCE)):
            total = _sum(total, await self._take_in(batch))
        return total

    async def _list(self) -> Listing:
        state = self._state
        async with state.lock:
            at = state.clock.monotonic()
            listing = await state.hop(list_pending, state.root, state.index.by_clip)
            state.watch.listed(listing.stamp, at)
            state.stats.others = listing.others
            for clip_id in listing.gone:
                state.index.remove(clip_id)
        if listing.gone:
            _log.info("replies_taken_out", count=len(listing.gone), clips=listing.gone[:MOST_NAMED])
        return listing

    async def _take_in(self, clip_ids: Sequence[str]) -> Refreshed:
        """Read new entries; let them wait, reject them, or leave them for the next look."""
        try:
            result = await self._read(clip_ids)
        except BaseException:
            self._state.watch.distrust()
            raise
        if result.left:
            self._state.watch.distrust()
        return result

    async def _read(self, clip_ids: Sequence[str]) -> Refreshed:
        state = self._state
        async with state.lock:
            results = await state.hop(examine, state.root, clip_ids, state.options.lookup)
            found = [result for result in results if isinstance(result, Found) and self._adopt(result)]
            unusable = [result for result in results if isinstance(result, Unusable)]
            settled = [entry for entry in unusable if self._is_settled(entry)]
            rejected = await state.hop(reject_all, state.root, settled) if settled else []
        state.stats.rejected += len(rejected)
        return Refreshed(len(found), 0, len(rejected), len(unusable) - len(rejected))

    def _adopt(self, found: Found) -> bool:
        """Let an entry wait that somebody else put in; return whether it is new."""
        state, clip_id = self._state, found.entry.addendum.clip_id
        known = state.index.get(clip_id)
        if known is not None and known.digest == found.entry.digest:
            state.index.add(replace(known, file=found.file))
            return False
        now, boottime = state.clock.now(), state.clock.boottime()
        written_at = found.file.mtime_ns / 1e9
        age = policy.judge_found(found.entry.queued_at, written_at, now, boottime, state.options.ttl_s)
        if age.future:
            _log.warning("queued_in_the_future", clip=clip_id, queued_at_utc=found.entry.addendum.queued_at_utc)
        if known is not None:
            state.superseding(clip_id)
        entry = found.entry
        state.index.add(Waiting(clip_id, entry.queued_at, age, found.file, entry.digest, found.context))
        return True

    def _is_settled(self, entry: Unusable) -> bool:
        at = self._state.clock.monotonic()
        seen_for_s = at - self._unreadable.setdefault(entry.clip_id, at)
        return policy.is_settled(entry.changed_at, self._state.clock.now(), seen_for_s)

    async def look_up_contexts(self) -> None:
        """Ask again for the contexts of a few entries that have none; the others have their turn at the next claim."""
        state = self._state
        asked = list(islice(state.index.unplaced(), LOOKUPS_AT_ONCE))
        if not asked:
            return
        found = await state.hop(look_up_all, [entry.clip_id for entry in asked], state.options.lookup)
        for entry in asked:
            state.index.add(replace(entry, context=found.get(entry.clip_id)))


def _sum(one: Refreshed, other: Refreshed) -> Refreshed:
    return Refreshed(
        one.found + other.found, one.gone + other.gone, one.rejected + other.rejected, one.left + other.left
    )
