"""The scores of the sessions: what the trend is measured against, and the day's `session.index.json`.

A score is admitted once, in the order of arrival; its entry is queued at that moment and written by one writer in
groups, so what is on disk is always a beginning of what was admitted. A take costs the same after one earlier take and
after a thousand; a day's index is read once, when its first take comes.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing, next_standing
from sg_coach.session_index import append_entries, remove_stale_temporaries
from sg_coach.uncertainty import score_se

from .day_index import Standings, entries_of, follow, index_entry
from .fs import run_blocking
from .models import Take, program_key

RETRY_S: Final = 5.0
"""Pause after an index that could not be written (disk full, read-only); it doubles with each failure in a row."""

MAX_RETRY_S: Final = 60.0
"""Longest pause in which no take comes; the next take's entry ends it after `RETRY_S`."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Day:
    """What one day folder's index says: where the session stood before each take, by clip id and take id."""

    takes: dict[tuple[str, str], Standing | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    loaded: bool = False


class ScoreHistory:
    """Admits scores and writes the session indexes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: Standings = {}
        self._days: dict[Path, _Day] = {}
        self._waiting: deque[tuple[Path, dict[str, Any]]] = deque()
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
        day = self._day(folder)
        this, session = (take.clip_id, take.take_id), (str(take.session.session_id), program_key(take.session))
        with self._lock:
            if this in day.takes:
                return coach(day.takes[this])
            before = self._standings.get(session)
            coaching = coach(before)
            after = next_standing(before, coaching.score, score_se(take.session))
            if after is not None:
                self._standings[session] = after
            day.takes[this] = before
            self._waiting.append((folder, index_entry(take, coaching, after)))
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
        groups: dict[Path, list[dict[str, Any]]] = {}
        while self._waiting:
            folder, entry = self._waiting.popleft()
            groups.setdefault(folder, []).append(entry)
        written = [self._write_group(folder, entries) for folder, entries in groups.items()]
        return all(written)

    def _write_group(self, folder: Path, entries: Sequence[dict[str, Any]]) -> bool:
        try:
            aside = append_entries(folder, entries, again=folder in self._doubtful)
        except FileNotFoundError:
            _log.warning("session_index_dropped", folder=str(folder), entries=len(entries), reason="the folder is gone")
        except (OSError, CoachError) as error:
            _log.error("session_index_failed", folder=str(folder), entries=len(entries), error=str(error))
            self._waiting.extendleft((folder, entry) for entry in reversed(entries))
            self._doubtful.add(folder)
            return False
        else:
            if aside is not None:
                _log.warning("session_index_set_aside", folder=str(folder), path=str(aside))
        self._doubtful.discard(folder)
        return True

    def _day(self, folder: Path) -> _Day:
        with self._lock:
            day = self._days.setdefault(folder, _Day())
        if not day.loaded:
            with day.lock:
                if not day.loaded:
                    self._load(folder, day)
        return day

    def _load(self, folder: Path, day: _Day) -> None:
        """Read the folder's index, and before it the one of the day before: a session may pass midnight.

        A disk that refuses costs a take its trend and never its hint; the next take asks again.
        """
        earlier = _day_before(folder)
        standings: Standings = {}
        try:
            if earlier is not None:
                follow(entries_of(earlier) or (), standings)
            found = entries_of(folder)
        except OSError as error:
            _log.warning("session_index_unreadable", folder=str(folder), error=str(error))
            self._doubtful.add(folder)
            return
        if found is None:
            self._doubtful.add(folder)  # somebody may put it right before we write
        takes = follow(found or (), standings)
        with self._lock:
            for session, standing in standings.items():
                self._standings.setdefault(session, standing)
            day.takes = takes | day.takes
            day.loaded = True
        self._untidy.append(folder)


def _day_before(folder: Path) -> Path | None:
    """Return the latest sibling day folder before `folder`, if `folder` is a day folder itself."""
    try:
        earlier = [path for path in folder.parent.glob("????-??-??") if path.name < folder.name and path.is_dir()]
    except OSError:
        return None
    return max(earlier, default=None) if len(folder.name) == len("2026-01-01") else None
