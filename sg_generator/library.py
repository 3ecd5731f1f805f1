"""Finding bundles by clip id, and days by date, under the bundle roots. Blocking; nothing is changed.

    {root}/{YYYY-MM-DD}/{clip_id}/     what this generator writes
    {root}/ota_bundle__{clip_id}/      the OTA layout

A client's id is checked against the contract's pattern before it becomes a part of a path, and folders that are
symlinks are not followed.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import structlog

from sg_coach.contract import INDEX_FILE, OTA_PREFIX
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.field_types import is_clip_id
from sg_coach.plainfile import is_folder
from sg_coach.session_index import is_day_name, read_entries
from sg_coach.untrusted import shown

from .errors import InvalidRequest, NotFound

MAX_REMEMBERED: Final = 10_000
"""So many clips are found again without looking through the days."""

Told = tuple[Path, dict[str, Any]]
"""An entry of a session index, and the index's folder: a day's, or a root for the bundles directly under it."""

_log = structlog.get_logger(__name__)


class Library:
    """The bundles under some roots; safe from several threads."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        self._lock = threading.Lock()
        self._where: dict[str, Path] = {}

    def find(self, clip_id: str, field: str = "clip_id") -> Path:
        """Return the folder of a clip; of two with one id the newest day's, the first root's.

        Raises InvalidRequest (naming `field`) for an id that is none, NotFound.
        """
        check_clip_id(clip_id, field)
        with self._lock:
            known = self._where.get(clip_id)
        if known is not None and is_folder(known):
            return known
        found = next((path for path in self._places(clip_id) if is_folder(path)), None)
        if found is None:
            raise NotFound(f"{field}: there is no clip '{clip_id}'; GET /session_index lists a day's clips")
        self._remember(clip_id, found)
        return found

    def days(self, newest: int) -> list[Path]:
        """Return the folders of so many dates, newest first (of one date, in the order of the roots)."""
        found = [path for root in self.roots for path in _folders(root) if is_day_name(path.name)]
        dates = set(sorted({path.name for path in found}, reverse=True)[:newest])
        return sorted((path for path in found if path.name in dates), key=lambda path: path.name, reverse=True)

    def entries_of_day(self, day: date) -> list[dict[str, Any]]:
        """Return what the session indexes tell of a date (UTC), oldest first.

        Those of the roots, where bundles of the OTA layout have their entries, hold any date's; one that cannot be read
        is logged and left out. Raises InvalidInput naming the day's file, UnsafePath, OSError.
        """
        date_text = day.isoformat()
        folders = [path for root in self.roots for path in (root / date_text, root) if is_folder(path)]
        indexes = [[(path, one) for one in _entries_in(path, date_text)] for path in folders]
        return [entry for _, entry in in_order(indexes)]

    def _places(self, clip_id: str) -> Iterator[Path]:
        yield from (day / clip_id for day in self.days(newest=100_000))
        yield from (root / f"{OTA_PREFIX}{clip_id}" for root in self.roots)

    def _remember(self, clip_id: str, path: Path) -> None:
        with self._lock:
            if len(self._where) >= MAX_REMEMBERED:
                self._where.clear()
            self._where[clip_id] = path


def bundle_in(folder: Path, clip_id: str) -> Path:
    """Return the place of the bundle that the index in `folder` names by its clip."""
    named = folder / clip_id
    return named if is_folder(named) else folder / f"{OTA_PREFIX}{clip_id}"


def _entries_in(folder: Path, date_text: str) -> list[dict[str, Any]]:
    """The entries that an index may hold of a date: all of the day's, those with its timestamp of a root's."""
    try:
        entries = read_entries(folder)
    except CoachError as error:
        if folder.name != date_text:
            _log.warning("session_index_unreadable", folder=str(folder), error=str(error))
            return []
        if isinstance(error, InvalidInput):
            raise error.in_file(str(folder / INDEX_FILE)) from error
        raise
    if folder.name == date_text:
        return entries
    return [entry for entry in entries if str(entry.get("timestamp")).startswith(date_text)]


def in_order(indexes: Iterable[Sequence[Told]]) -> list[Told]:
    """Return what the indexes of a date (one a root, each oldest first) tell together, oldest first."""
    return list(heapq.merge(*indexes, key=lambda told: str(told[1].get("timestamp"))))


def check_clip_id(clip_id: str, field: str = "clip_id") -> None:
    """Raise InvalidRequest, naming `field`, for a text that is no clip id and so must not touch a path."""
    if not is_clip_id(clip_id):
        raise InvalidRequest(
            f"'{shown(clip_id, 40)}' is no clip id",
            field=field,
            remedy="it has 1 to 128 of A-Z a-z 0-9 . _ - and starts with a letter or a digit",
        )


def parse_day(text: str) -> date:
    """Return the day that a client names. Raises InvalidRequest."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(f"'{shown(text, 40)}' is no day", field="date", remedy="as 2026-02-04") from error


def _folders(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
