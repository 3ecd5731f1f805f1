"""Entries of the session index, from many threads at once: those that wait together are written together. Blocking.

An append rewrites the day's file (`sg_coach.session_index`: under the folder's lock, whole or not at all, durable),
which costs more the longer the day is. So whoever gets its turn takes along all that wait, and the others find theirs
written. An `append` that returned is on the disk.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sg_coach.session_index import append_waiting


@dataclass(slots=True)
class _Waiting:
    entry: dict[str, Any]
    is_done: bool = False
    error: Exception | None = None


class IndexWriter:
    """Appends to session indexes; one a process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Path, list[_Waiting]] = {}
        self._somebody_writes = False

    def append(self, day: Path, entry: dict[str, Any]) -> None:
        """Append an entry to the index in the folder `day`, durably. Raises OSError, LockTimeout."""
        mine = _Waiting(entry)
        with self._changed:
            self._waiting.setdefault(day, []).append(mine)
            self._changed.wait_for(lambda: mine.is_done or not self._somebody_writes)
            is_my_turn = not mine.is_done
            self._somebody_writes |= is_my_turn
        if is_my_turn:
            self._write(day)
        if mine.error is not None:
            raise mine.error

    def _write(self, day: Path) -> None:
        group: list[_Waiting] = []

        def take() -> list[dict[str, Any]]:
            with self._changed:
                group.extend(self._waiting.pop(day, ()))
            return [one.entry for one in group]

        error: Exception | None = None
        try:
            append_waiting(day, take)
        except Exception as problem:  # noqa: BLE001 - each of those that wait raises it
            error = problem
            if not group:  # the lock was not to be had: all that wait have waited long enough
                take()
        with self._changed:
            for one in group:
                one.is_done, one.error = True, error
            self._somebody_writes = False
            self._changed.notify_all()
