"""What somebody else put there: opened if it is a plain file with one name, told from a folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from .errors import InvalidInput, UnsafePath

# Non-blocking: opening a FIFO would wait for its writer.
_OPEN_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_plain(name: str, *, shown: Path, dir_fd: int | None = None) -> int:
    """Return a descriptor for reading a plain file; the caller closes it.

    Raises UnsafePath, naming the file as `shown`, for a symlink, FIFO, socket, device, folder or a file with several
    hard links; FileNotFoundError if it is not there.
    """
    try:
        fd = os.open(name, _OPEN_READ, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise UnsafePath(f"{shown}: not a plain file (symlink, socket or device)") from error
        raise
    try:
        _check_plain(os.fstat(fd), shown)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_bounded(fd: int, shown: Path, max_bytes: int) -> bytes:
    """Return all that `fd` holds. Raises InvalidInput, naming the file, if that is more than `max_bytes`."""
    size = os.fstat(fd).st_size
    if size > max_bytes:
        raise InvalidInput(f"too large: {size} bytes, the limit is {max_bytes}", source=shown.name)
    data = os.read(fd, size + 1)
    while len(data) != size and len(data) <= max_bytes and (more := os.read(fd, 65536)):
        data += more
    if len(data) > max_bytes:
        raise InvalidInput(f"too large: more than {max_bytes} bytes", source=shown.name)
    return data


def _check_plain(status: os.stat_result, shown: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePath(f"{shown}: not a plain file (folder, FIFO or device)")
    if status.st_nlink > 1:
        raise UnsafePath(f"{shown}: the file has {status.st_nlink} names (hard links); copy it instead")


def is_folder(path: str | Path) -> bool:
    """Whether a folder stands there; a symlink is none, whatever it leads to."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
