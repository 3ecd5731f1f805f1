"""The lock of a folder: flock on the folder itself, so there is no lock file that a verifier could trip over."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .errors import LockTimeout

_PAUSE_S: Final = (0.0005, 0.01)
"""Between two tries: the first pause, and the longest."""


@contextlib.contextmanager
def locked(folder: int, path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock of an open folder (a descriptor). `path` is for the error.

    Threads and processes exclude each other. The kernel frees it when the holder dies. Raises LockTimeout.
    """
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        _wait_for(fd, path, timeout_s)
        yield
    finally:
        os.close(fd)


def _wait_for(fd: int, path: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    pause, longest = _PAUSE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LockTimeout(f"{path}: locked by another process for more than {timeout_s:g} s") from error
            time.sleep(pause)
            pause = min(pause * 2, longest)
        else:
            return
