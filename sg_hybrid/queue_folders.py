"""The folders of a queue, and the moves that all its parts need. Everything here blocks."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Final, Self

import structlog

from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import PRIVATE, Folder

from .folder_watch import FileMark, FolderStamp
from .models import AiAddendum
from .queue_entry import (
    APPLIED,
    CLAIMED,
    CONTEXT,
    MAX_CONTEXT_BYTES,
    MAX_ENTRY_BYTES,
    PENDING,
    REJECTED,
    WHY_SUFFIX,
    StoredContext,
    clip_of_copy,
    context_name,
    copy_name,
    entry_name,
    holds_reply,
    parse_context,
)

ROOT: Final = ""
"""The queue's own folder, which holds the switch and the usage."""

_log = structlog.get_logger(__name__)

FOLDERS: Final = (PENDING, CLAIMED, APPLIED, CONTEXT, REJECTED)

PREPARED: Final = "prepared"
LOCK_FILE: Final = "worker.lock"
CONTROL_FILE: Final = "control.json"
USAGE_FILE: Final = "usage.json"

_OWN: Final = frozenset({*FOLDERS, PREPARED, LOCK_FILE, CONTROL_FILE, USAGE_FILE})
"""What tells a queue from any other folder."""


class QueueFolders:
    """The folders of a queue, each opened (and made, if it is missing) when it is first asked for.

    They are opened anew for each move, so one that was replaced by a symlink or opened to others meanwhile is noticed.
    Raises UnsafePath for such a one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, Folder] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._open.values():
            folder.close()

    def __getitem__(self, name: str) -> Folder:
        if name not in self._open:
            self._open[name] = open_root(self.root) if name == ROOT else Folder.make_private(self.root / name)
        return self._open[name]


def open_root(root: Path) -> Folder:
    """Open the queue's own folder, made if it is missing, and closed to everybody else.

    Raises UnsafePath as `Folder.make_private` and `refuse_other_folder`.
    """
    with contextlib.suppress(FileNotFoundError):
        refuse_other_folder(root)
    return Folder.make_private(root)


def refuse_other_folder(root: Path) -> None:
    """Raise UnsafePath for a folder of other things that others may look into (a home, a disk).

    Closing that to them, as a queue is, could cost them more than a coach. Raises FileNotFoundError, OSError, too.
    """
    with Folder.open(root) as there:
        is_closed = stat.S_IMODE(os.fstat(there.fd).st_mode) == 0o700
        if not is_closed and (names := there.names()) and _OWN.isdisjoint(names):
            raise UnsafePath(f"{root}: no queue, other things are in it; use a folder of its own, or one that is empty")


def make_queue(root: Path) -> None:
    """Make the queue's root and its folders, 0700 whatever the umask; parents that are missing become private too.

    Raises UnsafePath if root or one of its folders is no folder, belongs to somebody else or can be written by others.
    """
    with open_root(root) as folder, QueueFolders(root) as queue:
        for name in FOLDERS:
            queue[name]
        folder.sync()  # also of folders that a killed start made: what they will hold must not go with their names


def stamp_at(path: Path) -> FolderStamp | None:
    """Return what a folder's status says about its names, or None if it is not there."""
    try:
        return _stamp(path.stat())
    except FileNotFoundError:
        return None


def stamp_of(folder: Folder) -> FolderStamp:
    """`stamp_at` of an open folder."""
    return _stamp(os.fstat(folder.fd))


def _stamp(status: os.stat_result) -> FolderStamp:
    return FolderStamp(status.st_dev, status.st_ino, status.st_mtime_ns)


def mark_of(status: os.stat_result) -> FileMark:
    """Return which file a status is about."""
    return FileMark(status.st_ino, status.st_mtime_ns)


def read_context(queue: QueueFolders, clip_id: str) -> StoredContext | None:
    """Return the context of a clip; one that is missing or cannot be read counts as absent. Raises OSError."""
    try:
        raw = queue[CONTEXT].read_if_there(context_name(clip_id), MAX_CONTEXT_BYTES)
    except (InvalidInput, UnsafePath, PermissionError):
        return None
    return parse_context(raw, clip_id)


def move_entry(source: Folder, name: str, target: Folder, new_name: str | None = None) -> None:
    """Move a file into `target`, durably; also onto another device. Raises FileNotFoundError if it is gone."""
    try:
        source.move(name, target, new_name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_and_remove(source, name, target, new_name or name)


def _copy_and_remove(source: Folder, name: str, target: Folder, new_name: str) -> None:
    target.write(new_name, source.read(name, MAX_ENTRY_BYTES), mode=PRIVATE)
    if not source.unlink(name):
        target.unlink(new_name)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source.path / name))
    source.sync()


def free_copy_name(folder: Folder, clip_id: str, first: int) -> str:
    """Return the first name for a copy, numbered from `first` on, that nothing has in `folder`."""
    number = first
    while folder.exists(copy_name(clip_id, number)):
        number += 1
    return copy_name(clip_id, number)


def copies_in(folder: Folder, clip_id: str) -> list[str]:
    """Return the names that an entry's copies have in `applied/` or `rejected/`, the plain name first."""
    numbered = [(found[1], name) for name in folder.names() if (found := clip_of_copy(name)) and found[0] == clip_id]
    return [name for _, name in sorted(numbered)]


def read_settled(folder: Folder, name: str, max_bytes: int) -> bytes | None:
    """Return what a file holds; None if it is missing, or unreadable for good.

    For what is decided once, such as whether a tip was shown. Raises OSError if the file cannot be read now; also
    PermissionError, if it is our own and its mode lets us read it: that will pass.
    """
    try:
        return folder.read_if_there(name, max_bytes)
    except PermissionError:
        status = folder.status(name)
        if status is not None and status.st_uid == os.geteuid() and status.st_mode & stat.S_IRUSR:
            raise
        return None
    except (InvalidInput, UnsafePath):
        return None


def holds_bytes(folder: Folder, name: str, document: bytes) -> bool:
    """Tell whether a file of that name is there and holds exactly these bytes. Raises OSError: see read_settled."""
    return read_settled(folder, name, MAX_ENTRY_BYTES) == document


def was_applied(applied: Folder, addendum: AiAddendum) -> bool:
    """Tell whether this very reply was applied before: a tip is never shown twice.

    The plain name belongs to the newest copy, so without it there is none. Raises OSError: see read_settled.
    """
    clip_id = addendum.clip_id
    if not applied.exists(entry_name(clip_id)):
        return False
    return any(_holds(applied, name, addendum) for name in copies_in(applied, clip_id))


def _holds(applied: Folder, name: str, addendum: AiAddendum) -> bool:
    raw = read_settled(applied, name, MAX_ENTRY_BYTES)
    return raw is not None and holds_reply(raw, addendum)


def reject(queue: QueueFolders, source: Folder, clip_id: str, why: str) -> None:
    """Move an entry to `rejected/`, whatever it is, with a `.why` beside it, and say so.

    The reason comes first: a crash in between leaves one that the next try writes again. A disk too full for the
    reason does not keep the entry in the way of the others.
    """
    rejected = queue[REJECTED]
    name = free_copy_name(rejected, clip_id, 0)
    with contextlib.suppress(OSError):
        rejected.write(name + WHY_SUFFIX, (why + "\n").encode("utf-8", "backslashreplace"), mode=PRIVATE)
    os.rename(entry_name(clip_id), name, src_dir_fd=source.fd, dst_dir_fd=rejected.fd)
    rejected.sync()
    source.sync()
    _log.warning("reply_rejected", clip=clip_id, why=why, path=str(rejected.path / name))
