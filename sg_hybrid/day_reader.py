"""What is there when a day's first take comes: its index, and where the sessions stood at the end of the day before.

Blocking. A root is listed again when it changed, and an index is parsed again when it is another file: a start that
goes through a thousand days, oldest first, lists once and parses each index once.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sg_coach.contract import INDEX_FILE
from sg_coach.plainfile import is_folder
from sg_coach.progression import Standing
from sg_coach.session_index import is_day_name

from .day_index import Standings, entries_of, follow

_Mark = tuple[int, int, int, int]
"""Which file or folder stands under a name, and in which state."""


@dataclass(frozen=True, slots=True)
class DayRead:
    """What an index says. `earlier` is the day before, if there is one; the rest as `day_index.follow` tells it."""

    takes: Mapping[tuple[str, str], Standing | None]
    ends: Standings
    earlier: Path | None
    before: Standings
    is_whole: bool
    """False if the index cannot be read, so that a new one will be begun."""


class DayReader:
    """Reads the indexes of day folders."""

    def __init__(self) -> None:
        self._listed: dict[Path, tuple[_Mark | None, list[str]]] = {}
        """By root: its day folders' names, sorted."""
        self._last: dict[Path, tuple[Path, _Mark | None, Standings]] = {}
        """By root: the day that was read last, its index, and where its sessions stood at its end."""

    def read(self, folder: Path) -> DayRead:
        """Read the index of a folder. Raises OSError if it, or the one of the day before, cannot be read now."""
        earlier = self.day_before(folder)
        before = {} if earlier is None else self._ends_of(earlier)
        mark = _mark(folder / INDEX_FILE)
        entries = entries_of(folder)
        takes, ends = follow(entries or (), before)
        if is_day_name(folder.name):
            self._last[folder.parent] = folder, mark, ends
        return DayRead(takes, ends, earlier, before, entries is not None)

    def day_before(self, folder: Path) -> Path | None:
        """Return the latest sibling day folder before `folder`, if `folder` is a day folder itself."""
        if not is_day_name(folder.name):
            return None
        return next((path for path in self._earlier(folder) if is_folder(path)), None)

    def _ends_of(self, folder: Path) -> Standings:
        last = self._last.get(folder.parent)
        if last is not None and last[:2] == (folder, _mark(folder / INDEX_FILE)):
            return last[2]
        return follow(entries_of(folder) or (), {})[1]

    def _earlier(self, folder: Path) -> Iterator[Path]:
        names = self._names(folder)
        for place in range(bisect_left(names, folder.name) - 1, -1, -1):
            yield folder.parent / names[place]

    def _names(self, folder: Path) -> list[str]:
        """Return the day names beside a folder. A listing that lacks the folder itself is too old, whatever it says."""
        root, mark = folder.parent, _mark(folder.parent)
        listed_at, names = self._listed.get(root, (None, []))
        place = bisect_left(names, folder.name)
        if mark is None or listed_at != mark or names[place : place + 1] != [folder.name]:
            names = _day_names(root)
            self._listed[root] = mark, names
        return names


def _day_names(root: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(root) if is_day_name(name))  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def _mark(path: Path) -> _Mark | None:
    """None if nothing can be seen there."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
