"""What waits, in memory: by clip, by what it is relevant to, and by when it expires. Rebuilt from what `ls` shows.

A choice looks at one shelf for each finding of the take, newest first, so it costs the same with ten entries waiting
as with a hundred thousand. Removed entries stay on their shelf and in the heap until they come to the top, or until
they outnumber the others. No disk, no threads: only the event loop's thread may use an index.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from . import policy
from .folder_watch import FileMark
from .models import Query, ReplyContext

_MOST_DEAD: Final = 64
"""Removed entries that a shelf may hold beyond the number of those that wait."""

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An entry in `pending/`. Two of them are never equal: a new reply of the same clip is another entry."""

    clip_id: str
    queued_at: datetime
    age: policy.Age
    file: FileMark
    digest: str
    """`sha256:…` of the file."""
    context: ReplyContext | None = None
    """None if nothing is known about its session: it waits, and expires."""

    @property
    def newness(self) -> tuple[float, datetime, str]:
        """What newest means: the later deadline, then the later text, then the name, so that no tie is left."""
        return self.age.deadline, self.queued_at, self.clip_id


class SpoolIndex:
    """The waiting entries of one queue."""

    def __init__(self) -> None:
        self._by_clip: dict[str, Waiting] = {}
        self._unjudged: dict[str, Waiting] = {}
        self._unplaced: dict[str, Waiting] = {}
        self._shelves: dict[_Key, _Shelf] = {}
        self._due: list[tuple[float, int, Waiting]] = []
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._by_clip)

    def get(self, clip_id: str) -> Waiting | None:
        return self._by_clip.get(clip_id)

    @property
    def by_clip(self) -> Mapping[str, Waiting]:
        """All that waits, by clip id."""
        return self._by_clip

    @property
    def unjudged_count(self) -> int:
        """Number of entries whose age is not known."""
        return len(self._unjudged)

    def unjudged(self) -> list[Waiting]:
        return list(self._unjudged.values())

    @property
    def unplaced_count(self) -> int:
        """Number of entries without a context."""
        return len(self._unplaced)

    def unplaced(self) -> Iterator[Waiting]:
        """Those that were added longest ago first."""
        return iter(self._unplaced.values())

    def add(self, entry: Waiting) -> Waiting | None:
        """Let `entry` wait; return the one of the same clip that it takes the place of."""
        replaced = self.remove(entry.clip_id)
        self._by_clip[entry.clip_id] = entry
        heapq.heappush(self._due, (entry.age.deadline, next(self._serial), entry))
        if entry.context is None:
            self._unplaced[entry.clip_id] = entry
        if not entry.age.known:
            self._unjudged[entry.clip_id] = entry
        elif entry.context is not None:
            self._shelves.setdefault(_key(entry.context), _Shelf(self._waits)).add(entry)
        return replaced

    def remove(self, clip_id: str) -> Waiting | None:
        """Forget the entry of `clip_id`; return it if it was there."""
        entry = self._by_clip.get(clip_id)
        if entry is None:
            return None
        self._forget(entry)
        if len(self._due) > 2 * len(self._by_clip) + _MOST_DEAD:
            self._due = [item for item in self._due if self._waits(item[2])]
            heapq.heapify(self._due)
        return entry

    def judge(self, entry: Waiting, age: policy.Age) -> None:
        """The age of an entry became known."""
        self.add(replace(entry, age=age))

    def newest(self, query: Query, boottime: float) -> Waiting | None:
        """Return the newest entry that may be applied to the take that `query` describes."""
        shelves = [self._shelves.get((query.session_id, query.program, focus)) for focus in query.focuses]
        best = (_first_applicable(shelf, query, boottime) for shelf in shelves if shelf is not None)
        return max((entry for entry in best if entry is not None), key=lambda entry: entry.newness, default=None)

    def has_expired(self, boottime: float) -> bool:
        """Tell whether the time of some entry is over."""
        while self._due and not self._waits(self._due[0][2]):
            heapq.heappop(self._due)
        return bool(self._due) and policy.is_expired(self._due[0][2].age, boottime)

    def take_expired(self, boottime: float, limit: int) -> list[Waiting]:
        """Remove up to `limit` expired entries, oldest first, and return them."""
        taken: list[Waiting] = []
        while len(taken) < limit and self.has_expired(boottime):
            _, _, entry = heapq.heappop(self._due)
            self._forget(entry)
            taken.append(entry)
        return taken

    def _waits(self, entry: Waiting) -> bool:
        return self._by_clip.get(entry.clip_id) is entry

    def _forget(self, entry: Waiting) -> None:
        """Let an entry wait no more; the heap may still hold it."""
        del self._by_clip[entry.clip_id]
        self._unjudged.pop(entry.clip_id, None)
        self._unplaced.pop(entry.clip_id, None)
        if entry.context is None or not entry.age.known:
            return
        shelf = self._shelves[_key(entry.context)]
        shelf.forget_one()
        if not shelf.alive:
            del self._shelves[_key(entry.context)]


class _Shelf:
    """Entries that are relevant to the same takes, oldest first. Sorted when somebody looks, if need be."""

    def __init__(self, waits: Callable[[Waiting], bool]) -> None:
        self._entries: list[Waiting] = []
        self._waits = waits
        self._sorted = True
        self.alive = 0

    def add(self, entry: Waiting) -> None:
        if self._entries and entry.newness < self._entries[-1].newness:
            self._sorted = False
        self._entries.append(entry)
        self.alive += 1

    def forget_one(self) -> None:
        """One of the entries waits no more."""
        self.alive -= 1
        if len(self._entries) > 2 * self.alive + _MOST_DEAD:
            self._entries = [entry for entry in self._entries if self._waits(entry)]

    def newest_first(self) -> Iterator[Waiting]:
        if not self._sorted:
            self._entries.sort(key=lambda entry: entry.newness)
            self._sorted = True
        while self._entries and not self._waits(self._entries[-1]):
            self._entries.pop()
        return filter(self._waits, reversed(self._entries))


def _key(context: ReplyContext) -> _Key:
    return context.session_id, context.program, context.focus


def _first_applicable(shelf: _Shelf, query: Query, boottime: float) -> Waiting | None:
    for entry in shelf.newest_first():
        if not policy.is_applicable(entry.age, boottime):
            return None  # the others are older
        if entry.context is not None and policy.is_relevant(entry.context, query):
            return entry
    return None
