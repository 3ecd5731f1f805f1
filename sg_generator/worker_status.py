"""What the queue folder tells about the worker: whether one lives, whether its AI is on, what waits. Blocking.

Only the disk is asked, and nothing there is changed. A worker holds `worker.lock` (flock) as long as it lives; trying
for a shared lock for an instant tells whether one does. A worker that starts in that instant tries again several
times, and `WorkerLook` asks at most twice a second, however many ask it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sg_coach.errors import CoachError
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.plainfile import open_plain, read_bounded
from sg_coach.untrusted import shown

LOCK_FILE: Final = "worker.lock"
CONTROL_FILE: Final = "control.json"
FRESH_S: Final = 0.5
"""An answer may be this old."""

COUNTED: Final = ("pending", "applied", "rejected", "prepared")
MAX_COUNT: Final = 100_000
"""Counting ends here."""

_MAX_BYTES: Final = 64 * 1024

Mode = Literal["on", "off", "auto"]


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What was found, as `GET /status` tells it."""

    alive: bool
    pid: int | None
    since_utc: str | None
    mode: Mode
    doubt: str
    """Why the switch decides nothing, if its file cannot be used."""
    counts: dict[str, int]


class WorkerLook:
    """Looks at one queue; safe from several threads."""

    def __init__(self, queue: Path, fresh_s: float = FRESH_S) -> None:
        self._queue = queue
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._seen: tuple[float, WorkerState] | None = None

    def state(self) -> WorkerState:
        """Return what is there now, or was half a second ago."""
        with self._lock:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] >= self._fresh_s:
                self._seen = now, look(self._queue)
            return self._seen[1]


def look(queue: Path) -> WorkerState:
    """Return what the queue folder tells now; a queue that is not there has no worker and nothing waiting."""
    holder = _holder(queue)
    mode, doubt = _mode(queue)
    facts = holder or {}
    pid, since = facts.get("pid"), facts.get("since_utc")
    return WorkerState(
        alive=holder is not None,
        pid=pid if type(pid) is int else None,
        since_utc=shown(since, 40) if isinstance(since, str) else None,
        mode=mode,
        doubt=doubt,
        counts={name: _count(queue / name) for name in COUNTED},
    )


def _holder(queue: Path) -> dict[str, Any] | None:
    """What the live worker wrote into its lock, None if nobody holds it."""
    try:
        fd = open_plain(str(queue / LOCK_FILE), shown=queue / LOCK_FILE)
    except (OSError, CoachError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _document(fd, queue / LOCK_FILE)
    else:
        return None
    finally:
        os.close(fd)


def _document(fd: int, path: Path) -> dict[str, Any]:
    try:
        return parse_json_object(read_bounded(fd, path, _MAX_BYTES))
    except (CoachError, OSError):
        return {}  # it has not written yet


def _mode(queue: Path) -> tuple[Mode, str]:
    """What the switch of `sg-hybrid ai` says; `auto` without one, and if it cannot be used (then with the reason)."""
    try:
        with Folder.open(queue) as folder:
            raw = folder.read_if_there(CONTROL_FILE, _MAX_BYTES)
        said = None if raw is None else parse_json_object(raw).get("ai")
    except FileNotFoundError:
        return "auto", ""
    except (CoachError, OSError) as error:
        return "auto", str(error)
    known: dict[object, Mode] = {None: "auto", "auto": "auto", "on": "on", "off": "off"}
    if isinstance(said, str | None) and said in known:
        return known[said], ""
    return "auto", f"{CONTROL_FILE}: ai: not one of on, off, auto"


def _count(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(_is_entry(entry.name) for entry, _ in zip(entries, range(MAX_COUNT), strict=False))
    except OSError:
        return 0


def _is_entry(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")
