"""Looking at what is there, in threads: a start looks at everything, a rescan at those whose turn it is.

The newest days and what was not there before are looked at each time; the rest takes turns, so that a rescan costs the
same however long somebody has been playing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from .layout import NEWEST_DAYS, SYMLINK, WATCHED_DAYS, Root, Sighting, Walk, in_turn, newest_first
from .sightings import Turns
from .watching import Watcher

SLICE: Final = 500
"""Bundles that a scan looks at in one go, in its thread."""

RESCAN_BUDGET: Final = 200
"""Bundles of older days, and bundles directly under a root, that one rescan looks at: about 2 ms each."""

Look = tuple[str, list[Sighting], Set[str] | None]
"""A root, the takes directly under it, and the bundles that were looked at (None: all)."""

DayLook = tuple[str, list[Sighting]]
"""A day folder and the takes in it."""

_log = structlog.get_logger(__name__)


class Scan(NamedTuple):
    """One look at everything, or at those whose turn it is."""

    roots: list[Root]
    looks: list[Look]
    days: list[str]
    """All that are there, newest first."""
    watched: frozenset[str]
    enter: frozenset[str]
    """Days whose bundles are to be watched from now on."""
    waiting: deque[str]
    """Days that are to be looked at."""
    first: Sequence[DayLook] = ()
    """What was found in the first of them."""


class Scanner:
    """Looks at the folders under the roots. Every method blocks; one scan at a time."""

    def __init__(self, roots: Sequence[str], walk: Walk, watcher: Watcher) -> None:
        self._roots = roots
        self._walk = walk
        self._watcher = watcher
        self._turns: dict[tuple[object, ...], Turns] = {}
        self._last_day = ""
        self.watched: frozenset[str] = frozenset()
        """Days whose bundles are watched one by one."""

    def begin(self, everything: bool, sizes: Mapping[str, int]) -> Scan:
        """Look at the roots and at the first days, which mostly is all that there is to do.

        `sizes`: how many takes each folder holds, as far as known. Where another folder stands under a root's name,
        everything is looked at: days of the same names are not the ones that are watched.
        """
        before = self._turns
        roots, looks = self._look_at_roots(everything or self._watcher.blind)
        everything |= any(root[:2] not in before for root in roots)
        days = newest_first(day for root in roots for day in root.days)
        watched = frozenset(days[:WATCHED_DAYS])
        enter = watched if everything else watched.difference(self.watched)
        waiting = deque(days if everything else newest_first(enter.union(self._turn(days, sizes))))
        scan = Scan(roots, looks, days, watched, enter, waiting)
        return scan._replace(first=self.go_on(scan))

    def _turn(self, days: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
        chosen = in_turn(days, sizes, self._last_day, RESCAN_BUDGET)
        self._last_day = chosen[-1] if len(chosen) > NEWEST_DAYS else ""
        return chosen

    def _look_at_roots(self, everything: bool) -> tuple[list[Root], list[Look]]:
        self._watcher.tidy()
        roots = [root for path in self._roots if (root := self._walk.root(path))]
        self._turns = {key: self._turns[key] for root in roots if (key := root[:2]) in self._turns}
        return roots, [self._look_at_root(root, everything) for root in roots]

    def _look_at_root(self, root: Root, everything: bool) -> Look:
        everything |= root[:2] not in self._turns
        turn = self._turns.setdefault(root[:2], Turns()).choose(root.bundles, RESCAN_BUDGET)
        there = root.bundles if everything else turn.intersection(root.bundles)
        return root.path, self._walk.among(root, there), None if everything else turn

    def go_on(self, scan: Scan) -> list[DayLook]:
        """Look at the next days that wait; empty if none does."""
        looked: list[DayLook] = []
        while scan.waiting and sum(len(takes) for _, takes in looked) < SLICE:
            day = scan.waiting.popleft()
            looked.append((day, self._walk.day(day, watch=day in scan.enter)))
        return looked

    def keep(self, watched: frozenset[str]) -> None:
        """Stop watching the bundles of other days."""
        self._watcher.keep([*self._roots, *watched])
        self.watched = watched

    def takes_in(self, bundles: Iterable[str]) -> list[Sighting]:
        """Return the takes of these bundles."""
        return [take for bundle in bundles if (take := self._walk.take(bundle))]

    def corrected(self, refused: Mapping[str, int | None]) -> dict[str, int]:
        """Return those refused bundles beside whose take something else stands now, and what (see `Walk.beside`)."""
        now = {bundle: self._walk.beside(bundle) for bundle in refused}
        return {bundle: beside for bundle, beside in now.items() if beside != refused[bundle]}

    def look_into(self, folders: Sequence[str]) -> tuple[list[Sighting], list[str]]:
        """Return the takes in folders that appeared, and the bundles in them that nobody played yet."""
        takes = [take for folder in folders for take in self._walk.appeared(folder)]
        return takes, [bundle for folder in folders for bundle in self._walk.unplayed(folder)]


def all_takes(roots: Sequence[str], unreadable: Callable[[Path], None]) -> list[Sighting]:
    """Return the takes of all bundles under these roots, in playing order; nobody watches. Blocks.

    A root that is not there is logged, as is a folder that is skipped; `unreadable` is told of each that the system
    did not let us look into.
    """

    def report(folder: str, why: str) -> None:
        _log.warning("folder_skipped", folder=folder, why=why)
        if why != SYMLINK:
            unreadable(Path(folder))

    walk = Walk(roots, lambda _path, _kind: None, report)
    takes: set[Sighting] = set()
    for name in roots:
        if root := walk.root(name):
            takes.update(walk.among(root, root.bundles), *(walk.day(day, watch=False) for day in root.days))
        else:
            _log.warning("bundle_root_missing", root=name, remedy=missing_remedy(name))
    return sorted(takes)


def missing_remedy(root: str) -> str:
    """What helps against a root that bundles cannot be found in: what stands there decides."""
    if os.access(f"{root}/", os.F_OK):
        return "let this user read and enter it"
    stands = "it is no folder; " if os.path.lexists(root) else "create it or "
    return f"{stands}correct SG_BUNDLE_ROOTS"
