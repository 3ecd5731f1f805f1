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

from sg_coach.session_index import append_entries


@dataclass(slots=True)
class _Waiting:
    entry: dict[str, Any]
    error: Exception | None = None


class IndexWriter:
    """Appends to session indexes; one a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: dict[Path, list[_Waiting]] = {}

    def append(self, day: Path, entry: dict[str, Any]) -> None:
        """Append an entry to the index in the folder `day`, durably. Raises OSError, LockTimeout."""
        mine = _Waiting(entry)
        with self._lock:
            self._waiting.setdefault(day, []).append(mine)
        with self._turn:
            with self._lock:
                group = self._waiting.pop(day, [])
            _write(day, group)
        if mine.error is not None:
            raise mine.error


def _write(day: Path, group: list[_Waiting]) -> None:
    if not group:
        return
    try:
        append_entries(day, [one.entry for one in group])
    except Exception as error:  # noqa: BLE001 - each of those that wait raises it
        for one in group:
            one.error = error
