"""The scores of the sessions: what the trend is measured against, and the day's `session.index.json`.

A score is admitted once, in the order of arrival; its entry is queued at that moment and written by one writer in
groups, so what is on disk is always a beginning of what was admitted. A take costs the same after one earlier take and
after a thousand; a day's index is read when its first take comes, and again if its folder is another one since, or was
not asked for in a long time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import structlog

from sg_coach.contract import INDEX_FILE
from sg_coach.errors import CoachError
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing, next_standing
from sg_coach.session_index import append_entries, remove_stale_temporaries
from sg_coach.uncertainty import score_se

from .day_index import Standings, index_entry, later
from .day_reader import DayReader
from .fs import run_blocking
from .models import Take, program_key

RETRY_S: Final = 5.0
"""Pause after an index that could not be written (disk full, read-only); it doubles with each failure in a row."""

MAX_RETRY_S: Final = 60.0
"""Longest pause in which no take comes; the next take's entry ends it after `RETRY_S`."""

MAX_DAYS: Final = 32
"""So many day folders are remembered, and those with entries that wait; of others the index is read again."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Day:
    """What one day folder's index says: where the session stood before each take, by clip id and take id."""

    folder: Path
    identity: tuple[int, int] | None
    takes: dict[tuple[str, str], Standing | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    loaded: bool = False
    unwritten: int = 0
    """Entries that wait to be written, or are being written right now."""


class ScoreHistory:
    """Admits scores and writes the session indexes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader = DayReader()
        self._standings: dict[tuple[str, str], tuple[Path, Standing]] = {}
        """By session: the latest day folder that told of it, and where it stands."""
        self._days: dict[Path, _Day] = {}
        """Those that were asked for last come last."""
        self._waiting: deque[tuple[_Day, dict[str, Any]]] = deque()
        self._untidy: deque[Path] = deque()
        """Folders that this process has not tidied yet: no hint waits for that."""
        self._doubtful: set[Path] = set()
        """Folders whose index may hold entries already that wait to be written."""
        self._kicked = anyio.Event()

    def place(self, take: Take, coach: Callable[[Standing | None], CoachingDeterministic]) -> CoachingDeterministic:
        """Admit a take's score: `coach` gets where the session stood (None for the first take) and decides.

        The same take again gets the same standing and no second entry. Blocks for the disk when the day is new.
        """
        folder = take.bundle.parent
        while True:
            day = self._day(folder)
            with self._lock:
                if self._days.get(folder) is day:  # nobody forgot it meanwhile
                    return self._admit(day, take, coach)

    def _admit(
        self, day: _Day, take: Take, coach: Callable[[Standing | None], CoachingDeterministic]
    ) -> CoachingDeterministic:
        this, session = (take.clip_id, take.take_id), (str(take.session.session_id), program_key(take.session))
        if this in day.takes:
            return coach(day.takes[this])
        told_by, before = self._standings.get(session, (day.folder, None))
        coaching = coach(before)
        after = next_standing(before, coaching.score, score_se(take.session))
        if after is not None:
            self._standings[session] = later(told_by, day.folder), after
        day.takes[this] = before
        day.unwritten += 1
        self._waiting.append((day, index_entry(take, coaching, after)))
        return coaching

    def has(self, folder: Path, clip_id: str, take_id: str) -> bool:
        """Whether a take of this day folder was admitted. Blocks for the disk when the day is new."""
        return (clip_id, take_id) in self._day(folder).takes

    def kick(self) -> None:
        """Tell the writer that entries wait. Call it on the event loop."""
        self._kicked.set()

    async def run(self) -> None:
        """Write what waits, again and again, until cancelled; call `flush` afterwards."""
        pause = RETRY_S
        while True:
            await self._kicked.wait()
            self._kicked = anyio.Event()
            if await self.flush():
                pause = RETRY_S
                continue
            await anyio.sleep(RETRY_S)
            with anyio.move_on_after(pause - RETRY_S):
                await self._kicked.wait()
            pause = min(pause * 2, MAX_RETRY_S)
            self.kick()

    async def flush(self) -> bool:
        """Write all waiting entries, one rewrite a folder. Returns False if some could not be written."""
        return await run_blocking(self._write_waiting)

    def _write_waiting(self) -> bool:
        while self._untidy:
            with contextlib.suppress(OSError, CoachError):
                remove_stale_temporaries(self._untidy.popleft())
        groups: dict[_Day, list[dict[str, Any]]] = {}
        while self._waiting:
            day, entry = self._waiting.popleft()
            groups.setdefault(day, []).append(entry)
        written = [self._write_group(day, entries) for day, entries in groups.items()]
        return all(written)

    def _write_group(self, day: _Day, entries: Sequence[dict[str, Any]]) -> bool:
        folder = day.folder
        try:
            aside = append_entries(folder, entries, again=folder in self._doubtful)
        except FileNotFoundError:
            _log.warning("session_index_dropped", folder=str(folder), entries=len(entries), reason="the folder is gone")
        except (OSError, CoachError) as error:
            _log.error("session_index_failed", folder=str(folder), entries=len(entries), error=str(error))
            self._waiting.extendleft((day, entry) for entry in reversed(entries))
            self._doubtful.add(folder)
            return False
        else:
            if aside is not None:
                _log.warning("session_index_set_aside", folder=str(folder), path=str(aside))
        self._doubtful.discard(folder)
        with self._lock:
            day.unwritten -= len(entries)
        return True

    def _day(self, folder: Path) -> _Day:
        """Return what is known of a day folder, a take of which is asked for."""
        day = self._known(folder)
        if not day.loaded:
            with day.lock:
                if not day.loaded:
                    self._load(day)
        return day

    def _known(self, folder: Path) -> _Day:
        """Look whether what is known is about the folder that stands there now; if it is not, begin anew."""
        day = self._days.get(folder)
        is_about_it = day is not None and _is_about_its_folder(day)
        identity = day.identity if day is not None and is_about_it else _identity(folder)
        with self._lock:
            if day is not None and not is_about_it and self._days.get(folder) is day and not day.unwritten:
                self._forget(day)
            found = self._days[folder] = self._days.pop(folder, _Day(folder, identity))
            for oldest in list(self._days.values())[:-MAX_DAYS]:
                if not oldest.unwritten:
                    self._forget(oldest)
        return found

    def _forget(self, day: _Day) -> None:
        """Let go of a day, all of whose entries are written, and of the sessions that no later one told of."""
        del self._days[day.folder]
        self._doubtful.discard(day.folder)
        self._standings = {session: known for session, known in self._standings.items() if known[0] != day.folder}

    def _load(self, day: _Day) -> None:
        """Read the folder's index, and before it the one of the day before: a session may pass midnight.

        A disk that refuses costs a take its trend and never its hint; the next take asks again.
        """
        folder = day.folder
        try:
            read = self._reader.read(folder)
        except OSError as error:
            _log.warning("session_index_unreadable", folder=str(folder), error=str(error))
            self._doubtful.add(folder)
            return
        if not read.is_whole:
            self._doubtful.add(folder)  # somebody may put it right before we write
        with self._lock:
            self._learn(folder, read.ends, folder)
            self._learn(folder, read.before, read.earlier or folder)
            day.takes = {**read.takes, **day.takes}
            day.loaded = True
        self._untidy.append(folder)

    def _learn(self, folder: Path, ends: Standings, told_by: Path) -> None:
        """What a day's index says of a session holds, unless we know of a take of that day or of a later one."""
        for session, standing in ends.items():
            known_by, known = self._standings.get(session, (told_by, standing))
            if known_by != later(known_by, told_by):
                known = standing
            self._standings[session] = later(known_by, folder), known


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return which folder stands there; None if none can be seen."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_about_its_folder(day: _Day) -> bool:
    """Whether a day is the folder that stands there. A new folder may get the number of the old one, yet no index.

    What waits to be written keeps a day alive, without a look at the disk: it goes where the folder is then.
    """
    if day.unwritten:
        return True
    return day.identity == _identity(day.folder) and (not day.takes or os.path.lexists(day.folder / INDEX_FILE))
