"""What the product's disk code stands on: reads that cannot be lured, writes that survive a crash.

A `Folder` is an open directory. Everything happens relative to its descriptor (openat, renameat), so a path that
somebody swaps for a symlink in between leads nowhere else. The order of system calls is the contract of this module:

    durable write   temporary (O_CREAT|O_EXCL|O_NOFOLLOW) → write → fsync → rename → fsync(folder)
    visible write   the same without the two fsyncs; `settle` does them afterwards
    durable move    rename → fsync(both folders)

Functions here block; an event loop calls each of them in one thread hop and never cancels it half-way.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from .errors import UnsafePath
from .folder_lock import locked
from .folder_making import make_folders
from .plainfile import open_plain, read_bounded

PRIVATE: Final = 0o600
"""Mode of files in the queue."""

SHARED: Final = 0o644
"""Mode of files in a bundle: other programs of the player read them."""

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY: Final = re.compile(r"\..+\.\d+-\d+\.tmp")
_STAGE_ATTEMPTS: Final = 100

Given = ParamSpec("Given")
Result = TypeVar("Result")

_serial = itertools.count()


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A file that readers see already but that a power cut could still take: hand it to `Folder.settle`."""

    name: str
    data: bytes
    mode: int
    fd: int

    def close(self) -> None:
        """Let go of it without settling: somebody replaced it, or its folder is gone."""
        os.close(self.fd)


def _naming_the_file(
    method: Callable[Concatenate[Folder, str, Given], Result],
) -> Callable[Concatenate[Folder, str, Given], Result]:
    """Let an OSError name the file in full: the system knows a name relative to the folder, a temporary's, or none."""

    @functools.wraps(method)
    def named(folder: Folder, name: str, /, *args: Given.args, **options: Given.kwargs) -> Result:
        try:
            return method(folder, name, *args, **options)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder.path / name)) from error

    return named


class Folder:
    """An open directory; use it as a context manager."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open `path`. Raises UnsafePath if it is a symlink or no folder, FileNotFoundError if it is not there."""
        try:
            return cls(path, os.open(path, _OPEN_FOLDER))
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise UnsafePath(f"{path}: not a folder (a file or a symlink stands there)") from error
            raise

    @classmethod
    def make_private(cls, path: Path) -> Self:
        """Create `path` and its missing parents (mode 0700 whatever the umask) if needed and open it.

        Raises UnsafePath if it belongs to somebody else or others may write to it.
        """
        make_folders(path)
        folder = cls.open(path)
        status = os.fstat(folder.fd)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            folder.close()
            raise UnsafePath(f"{path}: owned by another user or writable by others; chmod 700 it or use another folder")
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.fchmod(folder.fd, 0o700)
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    # Looking

    def names(self) -> list[str]:
        """Names in the folder, unsorted."""
        return os.listdir(self.fd)  # noqa: PTH208 - the open folder, not what its path leads to now

    def status(self, name: str) -> os.stat_result | None:
        """Status of an entry itself (a symlink is not followed), or None if it is not there."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        return self.status(name) is not None

    @_naming_the_file
    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the content of a plain file.

        Raises UnsafePath for a symlink, FIFO, device, folder or a file with several hard links, InvalidInput for one
        larger than `max_bytes`, FileNotFoundError if it is not there.
        """
        return self._read(name, max_bytes)

    @_naming_the_file
    def read_if_there(self, name: str, max_bytes: int) -> bytes | None:
        """`read`, or None if the file is not there."""
        try:
            return self._read(name, max_bytes)
        except FileNotFoundError:
            return None

    def _read(self, name: str, max_bytes: int) -> bytes:
        shown = self.path / name
        fd = open_plain(name, shown=shown, dir_fd=self.fd)
        try:
            return read_bounded(fd, shown, max_bytes)
        finally:
            os.close(fd)

    # Writing

    def write(self, name: str, data: bytes, *, mode: int = SHARED, durable: bool = True) -> None:
        """Write a whole file under `name` or none at all; when it returns, it survives a power cut (if `durable`).

        A failed fsync is final for its file: the temporary is removed, the content written once more from memory.
        """
        try:
            self._write(name, data, mode, durable)
        except OSError as error:
            if not (durable and error.errno == errno.EIO):
                raise
            self._write(name, data, mode, durable)

    @_naming_the_file
    def _write(self, name: str, data: bytes, mode: int, durable: bool) -> None:
        temporary, fd = self.stage(name, data, mode=mode)
        try:
            if durable:
                os.fsync(fd)
            os.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except BaseException:
            self.unlink(temporary)
            raise
        finally:
            os.close(fd)
        if durable:
            self.sync()

    @_naming_the_file
    def write_visible(self, name: str, data: bytes, *, mode: int = SHARED) -> Unsettled:
        """Make a whole file visible under `name` without waiting for the disk."""
        temporary, fd = self.stage(name, data, mode=mode)
        try:
            os.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except BaseException:
            os.close(fd)
            self.unlink(temporary)
            raise
        return Unsettled(name, data, mode, fd)

    def settle(self, file: Unsettled) -> None:
        """Make a visible file durable. Closes its descriptor; call it once."""
        try:
            os.fsync(file.fd)
        except OSError:
            os.close(file.fd)
            self._write(file.name, file.data, file.mode, True)
        else:
            os.close(file.fd)
            self.sync()

    def create(self, name: str, data: bytes, *, mode: int) -> int:
        """Write a new file directly under `name`; return its descriptor for the caller to fsync and close.

        Readers can meet half of it, so it is for names that nobody reads yet. Raises FileExistsError.
        """
        fd = os.open(name, _OPEN_NEW, mode, dir_fd=self.fd)
        try:
            if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
                os.fchmod(fd, mode)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
        except BaseException:
            os.close(fd)
            self.unlink(name)
            raise
        return fd

    @_naming_the_file
    def stage(self, name: str, data: bytes, *, mode: int) -> tuple[str, int]:
        """Write a temporary, to be fsynced and then renamed to `name` by the caller; return its name and descriptor."""
        for _ in range(_STAGE_ATTEMPTS - 1):
            temporary = _temporary(name)
            with contextlib.suppress(FileExistsError):  # left by a dead process that had our id, or planted
                return temporary, self.create(temporary, data, mode=mode)
        temporary = _temporary(name)
        return temporary, self.create(temporary, data, mode=mode)

    def move(self, name: str, target: Folder, new_name: str | None = None) -> None:
        """Rename an entry into `target`, durably. Raises FileNotFoundError if somebody else was faster."""
        os.rename(name, new_name or name, src_dir_fd=self.fd, dst_dir_fd=target.fd)
        target.sync()
        self.sync()

    def unlink(self, name: str) -> bool:
        """Remove a file; return whether it was there."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return False
        return True

    def sync(self) -> None:
        """Make renames and removals in this folder durable."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def remove_stale_temporaries(self) -> int:
        """Remove what a dead process left. Call it only while nobody else writes here (under `lock`)."""
        return sum(self.unlink(name) for name in self.names() if is_temporary(name) and not self._is_folder(name))

    def _is_folder(self, name: str) -> bool:
        status = self.status(name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    # Excluding others

    def lock(self, timeout_s: float = 5.0) -> AbstractContextManager[None]:
        """Hold the folder's lock: threads and processes exclude each other. Raises LockTimeout (see `folder_lock`)."""
        return locked(self.fd, self.path, timeout_s)


def is_temporary(name: str) -> bool:
    """Whether a write of this module gave this name to what it had not finished."""
    return _TEMPORARY.fullmatch(name) is not None


def _temporary(name: str) -> str:
    return f".{name}.{os.getpid()}-{next(_serial)}.tmp"


def start_writing(fd: int) -> None:
    """Let the disk begin with a file that will be fsynced; the fsyncs of two such files then share their waiting.

    Linux answers this advice by starting to write what is dirty.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
