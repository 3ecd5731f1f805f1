"""What stands in `pending/`, compared with what is known. Each function blocks and is one thread hop."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder

from .folder_watch import FileMark, FolderStamp
from .models import ReplyContext
from .queue_entry import MAX_ENTRY_BYTES, PENDING, Entry, clip_of_entry, entry_name, parse_entry
from .queue_folders import QueueFolders, mark_of, read_context, reject, stamp_of
from .spool_index import Waiting

Lookup = Callable[[str], ReplyContext | None]
"""Finds out from the bundle of a clip what a context would say; blocks. None if there is no such bundle."""

_NOT_ITS_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
"""What opening a file can fail with that says nothing about the file."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """How the names in `pending/` differ from the known entries."""

    stamp: FolderStamp
    """Taken before the names were read."""
    new: list[str]
    """Clip ids of entries that are not known, or stand there as another file now."""
    gone: list[str]
    others: int
    """Names that are no entry's and no temporary's: left alone."""


def list_pending(root: Path, known: Mapping[str, Waiting]) -> Listing:
    """Compare the names in `pending/` with `known` (by clip id). Nothing is opened."""
    with QueueFolders(root) as queue:
        stamp = stamp_of(queue[PENDING])
        with os.scandir(queue[PENDING].fd) as entries:
            found = {entry.name: entry.inode() for entry in entries}
    clips = {clip_id: inode for name, inode in found.items() if (clip_id := clip_of_entry(name)) is not None}
    new = [clip_id for clip_id, inode in clips.items() if clip_id not in known or known[clip_id].file.inode != inode]
    gone = [clip_id for clip_id in known if clip_id not in clips]
    temporaries = sum(name.startswith(".") and name.endswith(".tmp") for name in found)
    return Listing(stamp, new, gone, len(found) - len(clips) - temporaries)


@dataclass(frozen=True, slots=True)
class Found:
    """A readable entry."""

    file: FileMark
    entry: Entry
    context: ReplyContext | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """An entry that cannot be read, or must not be."""

    clip_id: str
    why: str
    changed_at: float
    """Seconds since 1970."""


def examine(root: Path, clip_ids: Iterable[str], lookup: Lookup) -> list[Found | Unusable]:
    """Read entries of `pending/` with their contexts; those that are gone are left out.

    Raises OSError for what says nothing about the entry itself, as too many open files.
    """
    with QueueFolders(root) as queue:
        seen = (_examine(queue, clip_id, lookup) for clip_id in clip_ids)
        return [result for result in seen if result is not None]


def _examine(queue: QueueFolders, clip_id: str, lookup: Lookup) -> Found | Unusable | None:
    status = queue[PENDING].status(entry_name(clip_id))
    if status is None:
        return None
    try:
        entry = _read(queue[PENDING], clip_id, status)
    except FileNotFoundError:
        return None
    except (InvalidInput, UnsafePath, OSError) as error:
        if isinstance(error, OSError) and error.errno in _NOT_ITS_FAULT:
            raise
        return Unusable(clip_id, str(error), status.st_mtime)
    return Found(mark_of(status), entry, _context_of(queue, entry, lookup))


def _read(pending: Folder, clip_id: str, status: os.stat_result) -> Entry:
    """Read an entry. What is no plain file is not even opened: to open a FIFO or a device is to act on it."""
    name = entry_name(clip_id)
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePath(f"{name}: not a plain file ({stat.filemode(status.st_mode)}); nothing was read from it")
    return parse_entry(pending.read(name, MAX_ENTRY_BYTES), clip_id)


def _context_of(queue: QueueFolders, entry: Entry, lookup: Lookup) -> ReplyContext | None:
    clip_id = entry.addendum.clip_id
    stored = read_context(queue, clip_id)
    if stored is not None and stored.entry_sha256 == entry.digest:
        return stored.context
    return look_up(clip_id, lookup)


def look_up(clip_id: str, lookup: Lookup) -> ReplyContext | None:
    """Ask for a context that the queue does not hold; a bundle that cannot be read says nothing."""
    try:
        return lookup(clip_id)
    except Exception as error:  # noqa: BLE001 - one entry's bundle never stops the sweep
        _log.warning("reply_context_not_found", clip=clip_id, error=str(error))
        return None


def look_up_all(clip_ids: Iterable[str], lookup: Lookup) -> dict[str, ReplyContext]:
    """Ask for several contexts; those that are not found are left out."""
    found = ((clip_id, look_up(clip_id, lookup)) for clip_id in clip_ids)
    return {clip_id: context for clip_id, context in found if context is not None}


def reject_all(root: Path, unusable: Iterable[Unusable]) -> list[Unusable]:
    """Move entries to `rejected/`; return those that were moved."""
    moved: list[Unusable] = []
    with QueueFolders(root) as queue:
        for entry in unusable:
            try:
                reject(queue, queue[PENDING], entry.clip_id, entry.why)
            except OSError as error:
                _log.error("reply_not_rejected", clip=entry.clip_id, why=entry.why, error=str(error))
            else:
                moved.append(entry)
    return moved
