"""How bundle folders lie under a root, and looking for takes in them. Blocking; nothing is opened, only looked at.

    {root}/{YYYY-MM-DD}/{clip_id}/     the generator's layout
    {root}/ota_bundle__{clip_id}/      the OTA layout
    {root}/{anything}/                 a bundle if it holds session.json, take.mid, manifest.json or clip.tags.json

A date-like folder that holds one of the four is a bundle too; otherwise its folders are. Folders whose name starts
with a dot are somebody's scratch space, and symlinked folders lead elsewhere: both are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from sg_coach.contract import COMP_FILE, INDEX_FILE, MANIFEST_FILE, SESSION_FILE, TAGS_FILE, TAKE_FILE
from sg_coach.plainfile import is_folder
from sg_coach.session_index import is_day_name

WATCHED_DAYS: Final = 60
"""Bundles of so many day folders are watched one by one (a watch takes about 1 kB); older ones are for the rescans."""

INDEX_LAG_NS: Final = 2_000_000_000
"""A session index younger by this holds the takes that were coached before, in nanoseconds."""

NEWEST_DAYS: Final = 2
"""Every rescan looks at so many day folders; the others take turns."""

_BESIDE: Final = (MANIFEST_FILE, TAGS_FILE, COMP_FILE)
_MARKERS: Final = (SESSION_FILE, MANIFEST_FILE, TAGS_FILE, TAKE_FILE)
_GONE: Final = (FileNotFoundError, NotADirectoryError)


class Kind(Enum):
    """What a folder is to us."""

    ROOT = "root"
    DAY = "day"
    BUNDLE = "bundle"


class Sighting(NamedTuple):
    """A `session.json` (or a `take.mid` without one) that was seen. Sorted, these are in playing order."""

    played_ns: int
    """Modification time, in nanoseconds."""
    name: str
    """The bundle folder's name."""
    parent: str
    signature: int
    """Changes when the file does, and when it is put back as it was: a restored take may have lost its coaching."""
    coached: bool = False
    """What a scan says: whether a manifest stands there that is no older than the take, and clearly older than the
    folder's session index, so that the take is most likely listed there too: nothing is to be done."""

    @property
    def bundle(self) -> str:
        return f"{self.parent}/{self.name}"


class Root(NamedTuple):
    """A bundle root that is there, and what stands directly under it."""

    path: str
    identity: tuple[str, int, int]
    """Real path, device, inode: another folder under the same name is another root."""
    bundles: list[str]
    days: list[str]


Enter = Callable[[str, Kind], None]
"""Told of each folder just before it is looked into: whoever watches it from then on misses nothing."""

Report = Callable[[str, str], None]
"""Told of each folder that is skipped, and why; may be told again."""

SYMLINK: Final = "a symlink"
"""Why a folder is skipped that leads elsewhere; any other reason is the system's."""


class Walk:
    """One way of looking at the folders under the roots."""

    def __init__(self, roots: Iterable[str], enter: Enter, report: Report) -> None:
        self._roots = frozenset(roots)
        self._enter = enter
        self._report = report

    def root(self, path: str) -> Root | None:
        """Return what stands under a root, not looked into: None if it is not there or may not be read."""
        self._enter(path, Kind.ROOT)
        folders = self._folders(path)
        try:
            status = Path(path).stat()
        except OSError:
            return None
        if folders is None:
            return None
        days = [folder for folder in folders if is_day(folder)]
        bundles = list(set(folders).difference(days))
        return Root(path, (os.path.realpath(path), status.st_dev, status.st_ino), bundles, days)

    def among(self, root: Root, bundles: Iterable[str]) -> list[Sighting]:
        """Return the takes of these bundles directly under a root. They are entered."""
        return self._takes(root.path, bundles, watch=True)

    def day(self, day: str, *, watch: bool) -> list[Sighting]:
        """Return the takes of a day folder. `watch`: its bundles are entered, not only looked at."""
        self._enter(day, Kind.DAY)
        return self._takes(day, self._folders(day) or (), watch=watch)

    def appeared(self, path: str) -> list[Sighting]:
        """Return the takes in a folder that appeared somewhere under a root, if it stands where a bundle can."""
        parent, name = os.path.split(path)
        if _is_hidden(name) or path in self._roots or not is_folder(path):
            return []
        if parent in self._roots:
            return self.day(path, watch=True) if is_day(path) else self._takes(parent, [path], watch=True)
        of_a_day = os.path.dirname(parent) in self._roots and is_folder(parent) and is_day(parent)
        return self._takes(parent, [path], watch=True) if of_a_day else []

    def unplayed(self, path: str) -> list[str]:
        """Return the bundles in a folder that appeared (or itself) that a generator finished and nobody played yet."""
        bundles = (self._folders(path) or []) if is_day(path) else [path]
        return [bundle for bundle in bundles if _holds(bundle, TAGS_FILE) and not _holds(bundle, SESSION_FILE)]

    def newest_unplayed(self, folders: Iterable[str], most: int) -> list[str]:
        """Return the bundles directly in these folders that nobody played yet: the newest, oldest first."""
        bundles = [path for folder in folders for path in self._folders(folder) or () if not is_day(path)]
        unplayed = [bundle for bundle in bundles if self.unplayed(bundle)]
        return sorted(unplayed, key=lambda bundle: _modified_ns(f"{bundle}/{TAGS_FILE}"))[-most:]

    def take(self, bundle: str) -> Sighting | None:
        """Return the take of a bundle, or None if it holds none."""
        parent, name = os.path.split(bundle)
        try:
            session, take = _status(f"{bundle}/{SESSION_FILE}"), _status(f"{bundle}/{TAKE_FILE}")
        except OSError as error:
            self._report(bundle, error.strerror or str(error))
            return None
        played = take or session  # what an analysis made of a take.mid is younger than the take
        if played is None:
            return None
        return Sighting(played.st_mtime_ns, name, parent, hash((_marks(session), _marks(take))))

    def beside(self, bundle: str) -> int:
        """Return what changes when one of the files does that a take is coached with, its own left out."""
        return hash(tuple(_marks_of(f"{bundle}/{name}") for name in _BESIDE))

    def _takes(self, parent: str, bundles: Iterable[str], *, watch: bool) -> list[Sighting]:
        return list(self._each(parent, bundles, watch))

    def _each(self, parent: str, bundles: Iterable[str], watch: bool) -> Iterator[Sighting]:
        indexed_ns = _modified_ns(f"{parent}/{INDEX_FILE}") - INDEX_LAG_NS
        for bundle in bundles:
            if watch:
                self._enter(bundle, Kind.BUNDLE)
            if take := self.take(bundle):
                coached = take.played_ns <= _modified_ns(f"{bundle}/{MANIFEST_FILE}") < indexed_ns
                yield take._replace(coached=coached)

    def _folders(self, path: str) -> list[str] | None:
        try:
            with os.scandir(path) as entries:
                return [entry.path for entry in entries if self._counts(entry)]
        except _GONE:
            return None
        except OSError as error:
            self._report(path, error.strerror or str(error))
            return None

    def _counts(self, entry: os.DirEntry[str]) -> bool:
        if _is_hidden(entry.name) or entry.path in self._roots:
            return False
        if entry.is_symlink():
            with suppress(OSError):  # one that leads round in a circle, or to where we may not look
                if entry.is_dir():
                    self._report(entry.path, SYMLINK)
            return False
        return entry.is_dir(follow_symlinks=False)


def is_day(path: str) -> bool:
    """Whether a folder directly under a root holds the bundles of a day."""
    return is_day_name(os.path.basename(path)) and not any(os.path.lexists(f"{path}/{marker}") for marker in _MARKERS)


def newest_first(days: Iterable[str]) -> list[str]:
    """Return day folders, of whatever root, by date."""
    return sorted(days, key=_date, reverse=True)


def in_turn(days: Sequence[str], sizes: Mapping[str, int], after: str, budget: int) -> list[str]:
    """Choose the days that a rescan looks at: the newest, and of the others as many as the budget (bundles) allows.

    `days` are newest first, `sizes` their bundles as far as known, `after` the last day of the rescan before (empty at
    the first). The older days take turns, so that a rescan costs the same however long somebody has been playing.
    """
    chosen, older = list(days[:NEWEST_DAYS]), list(days[NEWEST_DAYS:])
    start = next((i for i, day in enumerate(older) if after and _date(day) < _date(after)), 0)
    for day in older[start:] + older[:start]:
        if budget <= 0:
            break
        budget -= sizes.get(day, 0) + 1
        chosen.append(day)
    return chosen


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except _GONE:
        return None


def _marks(status: os.stat_result | None) -> tuple[int, ...] | None:
    """What tells one state of a file from another: whoever restores the time of modification cannot restore ctime."""
    return status and (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _marks_of(path: str) -> tuple[int, ...] | None:
    """The marks of a file; None for what is not there or may not be looked at."""
    try:
        return _marks(os.lstat(path))
    except OSError:
        return None


def _modified_ns(path: str) -> int:
    """Modification time in nanoseconds; 0 for what is not there or may not be looked at."""
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _date(day: str) -> tuple[str, str]:
    parent, name = os.path.split(day)
    return name, parent


def _holds(bundle: str, name: str) -> bool:
    return os.path.lexists(f"{bundle}/{name}")


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
