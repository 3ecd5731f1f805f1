"""Folders with folders inside: looked through without being lured, built aside and placed whole. Blocking.

Like `files`, everything happens relative to open descriptors, and nothing that is a symlink, FIFO, device or has
several names is followed or read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from .errors import InvalidInput, UnsafePath
from .files import SHARED, Folder
from .plainfile import open_plain
from .untrusted import check_amount, check_relative_path, shown

CHUNK_BYTES: Final = 1024 * 1024
"""How much of a file is in memory at a time."""

_SHARED_FOLDER: Final = 0o755
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD: Final = ".old-"
"""Before the name of what is being replaced; the name of nothing that is built begins with a dot."""

_serial = itertools.count()


# Looking


def subfolder(parent: Folder, name: str) -> Folder:
    """Open a folder inside `parent`. Raises UnsafePath if it is a symlink or no folder, FileNotFoundError."""
    path = parent.path / name
    try:
        return Folder(path, os.open(name, _OPEN_FOLDER, dir_fd=parent.fd))
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise UnsafePath(f"{path}: not a folder (a file or a symlink stands there)") from error
        raise


def file_sizes(root: Folder) -> dict[str, int]:
    """Return every file under `root` by its relative path, with its size in bytes.

    Raises UnsafePath for a symlink, FIFO, device, a file with several hard links or a name that cannot be trusted,
    UnsafeArchive if there are too many entries or bytes.
    """
    sizes: dict[str, int] = {}
    total = 0
    for count, (path, status) in enumerate(_walk(root, ""), start=1):
        if stat.S_ISREG(status.st_mode):
            sizes[path] = status.st_size
            total += status.st_size
        check_amount(count, total)
    return sizes


def _walk(folder: Folder, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below `folder`, a folder before what it holds."""
    for name in folder.names():
        path = check_relative_path(prefix + name)
        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        _refuse_special(path, status)
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            with subfolder(folder, name) as inside:
                yield from _walk(inside, path + "/")


def _refuse_special(path: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise UnsafePath(f"{shown(path)}: a symlink")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise UnsafePath(f"{shown(path)}: not a plain file (FIFO, socket or device)")
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        raise UnsafePath(f"{shown(path)}: the file has {status.st_nlink} names (hard links)")


def open_inside(root: Folder, path: str) -> int:
    """Return a descriptor for reading the plain file at the relative `path`; the caller closes it.

    No part of the path may be a symlink. Raises UnsafePath, FileNotFoundError.
    """
    *folders, name = check_relative_path(path).split("/")
    with contextlib.ExitStack() as stack:
        folder = root
        for part in folders:
            folder = stack.enter_context(subfolder(folder, part))
        return open_plain(name, shown=folder.path / name, dir_fd=folder.fd)


def open_file(path: Path) -> int:
    """Return a descriptor for reading a plain file that a user named; the caller closes it.

    Folders on the way may be symlinks, the file itself may not. Raises UnsafePath, FileNotFoundError.
    """
    return open_plain(str(path), shown=path)


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a plain file that a user named. Raises as `open_file`, and InvalidInput if it is larger."""
    with os.fdopen(open_file(path), "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise InvalidInput(f"too large, the limit is {max_bytes} bytes", source=str(path))
    return data


def chunks_of(fd: int) -> Generator[bytes, None, None]:
    """Yield the content of an open file and close it at the end, or when the reader stops early."""
    try:
        while data := os.read(fd, CHUNK_BYTES):
            yield data
    finally:
        os.close(fd)


def sha256_file(path: Path) -> str:
    """Return the 64 hexadecimal digits of a plain file's SHA-256; the file is streamed. Raises as `open_file`."""
    digest = hashlib.sha256()
    for chunk in chunks_of(open_file(path)):
        digest.update(chunk)
    return digest.hexdigest()


# Building


def make_subfolder(parent: Folder, name: str) -> Folder:
    """Create a folder (mode 0755 whatever the umask) inside `parent` and open it. Raises FileExistsError."""
    os.mkdir(name, _SHARED_FOLDER, dir_fd=parent.fd)
    folder = subfolder(parent, name)
    os.fchmod(folder.fd, _SHARED_FOLDER)
    return folder


def create_file(folder: Folder, name: str) -> int:
    """Return a descriptor for reading and writing a new file (mode 0644 whatever the umask); the caller closes it."""
    fd = os.open(name, _OPEN_NEW, SHARED, dir_fd=folder.fd)
    os.fchmod(fd, SHARED)
    return fd


def write_stream(root: Folder, path: str, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write a new file at the relative `path`, its folders included; return its SHA-256 (hexadecimal) and size.

    The file is fsynced; its folders are not (`sync_tree`). Raises UnsafePath, FileExistsError.
    """
    *folders, name = check_relative_path(path).split("/")
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        folder = root
        for part in folders:
            folder = stack.enter_context(_ensure_subfolder(folder, part))
        fd = create_file(folder, name)
        stack.callback(os.close, fd)
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            write_all(fd, chunk)
        os.fsync(fd)
    return digest.hexdigest(), size


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; one call may take only a part of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _ensure_subfolder(parent: Folder, name: str) -> Folder:
    try:
        return make_subfolder(parent, name)
    except FileExistsError:
        return subfolder(parent, name)


def sync_tree(root: Folder) -> None:
    """Make the names of everything below `root` durable."""
    for name in root.names():
        status = root.status(name)
        if status is not None and stat.S_ISDIR(status.st_mode):
            with subfolder(root, name) as inside:
                sync_tree(inside)
    root.sync()


@contextlib.contextmanager
def aside(parent: Folder, name: str) -> Iterator[Folder]:
    """A new folder inside `parent` to build `name` in, removed at the end with whatever is still in it.

    What a killed process left behind for the same name is removed first: a living one holds its folder's lock. What it
    was about to replace comes back.
    """
    temporary = f".{name}.{os.getpid()}-{next(_serial)}.tmp"
    with parent.lock():
        _remove_abandoned(parent, name)
        staging = make_subfolder(parent, temporary)
        fcntl.flock(staging.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        with staging:
            yield staging
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(parent.path / name)) from error  # a write knows no name
    finally:
        shutil.rmtree(temporary, dir_fd=parent.fd, ignore_errors=True)


def _remove_abandoned(parent: Folder, name: str) -> None:
    pattern = re.compile(rf"\.{re.escape(name)}\.\d+-\d+\.tmp")
    for entry in filter(pattern.fullmatch, parent.names()):
        with contextlib.suppress(OSError, UnsafePath), subfolder(parent, entry) as found:
            fcntl.flock(found.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _give_back(found, parent)
            shutil.rmtree(entry, dir_fd=parent.fd, ignore_errors=True)


def _give_back(staging: Folder, parent: Folder) -> None:
    """What a killed replacement had put aside comes back, unless it had begun to put the new in its place."""
    old = [name.removeprefix(_OLD) for name in staging.names() if name.startswith(_OLD)]
    if not any(parent.exists(name) for name in old):
        for name in old:
            os.rename(_OLD + name, name, src_dir_fd=staging.fd, dst_dir_fd=parent.fd)


def place(staging: Folder, parent: Folder, names: Iterable[str], *, replaces: Iterable[str] = ()) -> None:
    """Move `names` out of `staging` into `parent`, each of them whole, and make that durable.

    What stands under one of `replaces` goes first (into `staging`, which is removed with it). Raises InvalidInput if
    a name is taken otherwise; then, and where the disk refuses or somebody interrupts, all is as it was before.
    """
    with parent.lock():
        with contextlib.ExitStack() as undo:
            for name in replaces:
                undo.callback(_move_if_there, staging, _OLD + name, parent, name)
                _move_if_there(parent, name, staging, _OLD + name)
            wanted = list(names)
            refuse_taken(parent, wanted)
            for name in wanted:
                undo.callback(_move_if_there, parent, name, staging, name)
                os.rename(name, name, src_dir_fd=staging.fd, dst_dir_fd=parent.fd)
            undo.pop_all()
        parent.sync()


def _move_if_there(source: Folder, name: str, target: Folder, new_name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, new_name, src_dir_fd=source.fd, dst_dir_fd=target.fd)


def refuse_taken(parent: Folder, names: Iterable[str]) -> None:
    """Raise InvalidInput if something stands under one of `names`."""
    taken = next((name for name in sorted(names) if parent.exists(name)), None)
    if taken is not None:
        raise InvalidInput("is there already", source=str(parent.path / taken), remedy="remove it or use --force")
