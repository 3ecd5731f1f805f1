"""One worker a queue: a lock on `worker.lock` that the kernel frees when its holder dies. Everything here blocks."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from sg_coach.errors import InvalidInput
from sg_coach.files import PRIVATE, Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes

from .errors import QueueHeld
from .queue_folders import LOCK_FILE, open_root

_MAX_BYTES: Final = 64 * 1024
_TRIES: Final = 5
_PAUSE_S: Final = 0.02
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class QueueLock:
    """The lock of a queue, held. Use it as a context manager; make it with `acquire`."""

    def __init__(self, fd: int, root: Path, info: Mapping[str, object]) -> None:
        self._fd = fd
        self._root = root
        self._info = info

    @classmethod
    def acquire(cls, root: Path, info: Mapping[str, object]) -> Self:
        """Take the lock of the queue in `root` (made if it is missing), and write `info` into it for others to read.

        `info` holds `pid`, `host`, `since_utc` and `bundle_roots`; a disk that is full keeps it from being read, and
        nobody from working. Raises QueueHeld, naming the holder, if another worker lives; UnsafePath or OSError if the
        queue cannot be used.
        """
        with open_root(root) as folder:
            lock = cls(_open_and_lock(folder), root, info)
        fd = lock._fd
        try:
            os.fchmod(fd, PRIVATE)
            _write_holder(fd, to_json_bytes(dict(info)))
        except BaseException:
            lock.release()
            raise
        return lock

    def stands(self) -> bool:
        """Whether the lock's file is still there under its name: one look, which an event loop may take by itself."""
        try:
            there = os.lstat(self._root / LOCK_FILE)
        except OSError:
            return False
        return _is_same(os.fstat(self._fd), there)

    def renew(self) -> bool:
        """Take the lock anew if somebody removed its file, or the whole queue; return whether that was needed.

        Raises QueueHeld if another worker was quicker: the queue is its now. UnsafePath or OSError as `acquire`.
        """
        with suppress(FileNotFoundError), Folder.open(self._root) as folder:
            if _stands_there(folder, self._fd):
                return False
        anew = self.acquire(self._root, self._info)
        os.close(self._fd)
        self._fd = anew._fd
        return True

    def release(self) -> None:
        """Free the lock. The file stays: removing it would let two workers hold two files of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(root: Path) -> dict[str, Any] | None:
    """Return what the live worker of a queue wrote into its lock, or None if no worker holds it.

    A worker that has not written yet gives an empty dict. Raises UnsafePath or OSError if the lock is no plain file.
    """
    try:
        with Folder.open(root) as folder:
            fd = os.open(LOCK_FILE, _FLAGS & ~os.O_CREAT & ~os.O_RDWR, dir_fd=folder.fd)
            try:
                return None if _try_lock(fd, fcntl.LOCK_SH) else _read_holder(folder)
            finally:
                os.close(fd)
    except FileNotFoundError:
        return None


def _open_and_lock(folder: Folder) -> int:
    """Return a descriptor that holds the lock.

    `holder` looks by trying the lock for an instant, so it is tried a few times; and if somebody removed the file
    meanwhile, the lock on what is left would exclude nobody, so the file is opened again.
    """
    for _ in range(_TRIES):
        fd = os.open(LOCK_FILE, _FLAGS, PRIVATE, dir_fd=folder.fd)
        if _try_lock(fd, fcntl.LOCK_EX) and _stands_there(folder, fd):
            return fd
        os.close(fd)
        time.sleep(_PAUSE_S)
    found = _read_holder(folder)
    raise QueueHeld(
        f"{folder.path}: another worker owns this queue (process {found.get('pid', 'unknown')} on "
        f"{found.get('host', 'an unknown host')}, since {found.get('since_utc', 'an unknown time')}); "
        "stop it, or use another queue (SG_COACH_QUEUE_DIR)"
    )


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stands_there(folder: Folder, fd: int) -> bool:
    there = folder.status(LOCK_FILE)
    return there is not None and _is_same(os.fstat(fd), there)


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _write_holder(fd: int, data: bytes) -> None:
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    except OSError:  # better nobody's name than the last holder's
        os.ftruncate(fd, 0)


def _read_holder(folder: Folder) -> dict[str, Any]:
    try:
        return parse_json_object(folder.read(LOCK_FILE, _MAX_BYTES))
    except (InvalidInput, FileNotFoundError):
        return {}
