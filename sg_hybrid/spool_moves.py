"""The moves of a late reply through the queue's folders. Each function blocks and is one thread hop; none decides.

What a crash leaves, whatever the instant (a kill leaves what was called so far; a power cut may also take back what was
not fsynced yet):

    place     context, its folder and the entry's temporary are fsynced before the rename makes the entry visible: an
              entry never stands without its context. A context without entry is an orphan: the next start removes it.
    take      `claimed_for` is durable before the rename, and the rename before the caller touches the bundle: what is
              in `claimed/` names the one bundle that may hold it, what is in `pending/` is in no bundle.
    complete  the rename ends it; a context that stays behind is an orphan.
    (An end by expiry is in spool_removal.)

One worker owns the queue (queue_lock) and makes one move at a time (expiry removes in two threads). Only people and the
command line move beside it: they may take an entry out of `pending/` or bring another one, so every rename and unlink
may find it gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from pathlib import Path

from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError, InvalidInput, UnsafePath
from sg_coach.files import PRIVATE, Folder, start_writing

from .folder_watch import FileMark, FolderStamp
from .models import ReplyContext
from .queue_entry import (
    APPLIED,
    CLAIMED,
    CONTEXT,
    MAX_ENTRY_BYTES,
    PENDING,
    ClaimedFor,
    StoredContext,
    context_bytes,
    context_name,
    entry_name,
    parse_entry,
)
from .queue_folders import (
    QueueFolders,
    free_copy_name,
    holds_bytes,
    mark_of,
    move_entry,
    read_context,
    reject,
    stamp_of,
    was_applied,
)
from .spool_index import Waiting


@dataclass(frozen=True, slots=True)
class OwnChange:
    """Stamps of `pending/` around a change that we made ourselves."""

    before: FolderStamp
    after: FolderStamp


# pending/ ← a new reply


def place(
    root: Path, clip_id: str, document: bytes, context: ReplyContext, superseding: Callable[[], None]
) -> tuple[FileMark, OwnChange]:
    """Write context and entry durably; return which file the entry is. `superseding` is called before one is replaced.

    A failed fsync is final for its file: everything is written once more from memory. Raises OSError if it could not
    be kept; then nothing of it stays in `pending/`.
    """
    with QueueFolders(root) as queue:
        try:
            return _place(queue, clip_id, document, context, superseding)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return _place(queue, clip_id, document, context, superseding)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A reply that is to be placed."""

    clip_id: str
    document: bytes
    context: ReplyContext


Placed = tuple[FileMark, OwnChange]


def place_all(
    root: Path, entries: Sequence[NewEntry], superseding: Callable[[str], None]
) -> list[Placed | OSError | CoachError]:
    """`place` each entry; return for each what came of it. `superseding` is told the clip whose reply is replaced."""
    results: list[Placed | OSError | CoachError] = []
    for entry in entries:
        try:
            replaced = partial(superseding, entry.clip_id)
            results.append(place(root, entry.clip_id, entry.document, entry.context, replaced))
        except (OSError, CoachError) as error:
            results.append(error)
    return results


def _place(
    queue: QueueFolders, clip_id: str, document: bytes, context: ReplyContext, superseding: Callable[[], None]
) -> tuple[FileMark, OwnChange]:
    pending, name = queue[PENDING], entry_name(clip_id)
    before = stamp_of(pending)
    temporary, fd = pending.stage(name, document, mode=PRIVATE)
    try:
        start_writing(fd)
        with _durable_context(queue, clip_id, StoredContext(context, sha256_bytes(document))):
            os.fsync(fd)
            if pending.exists(name):
                superseding()
            _publish(pending, temporary, name)
        return mark_of(os.fstat(fd)), OwnChange(before, stamp_of(pending))
    finally:
        os.close(fd)
        pending.unlink(temporary)


def _publish(folder: Folder, temporary: str, name: str) -> None:
    """Make a durable temporary visible, durably; if that fails, nothing stays visible."""
    os.rename(temporary, name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
    try:
        folder.sync()
    except OSError:
        folder.unlink(name)
        raise


@contextlib.contextmanager
def _durable_context(queue: QueueFolders, clip_id: str, stored: StoredContext) -> Iterator[None]:
    """Write a context durably for the entry that the body makes visible; take a new one back if the body fails.

    A new one is written directly under its name, since nobody looks for it before its entry is there. That saves a
    rename, and its fsyncs share their waiting with the entry's: two commits of the file system in all, not four.
    """
    folder, name = queue[CONTEXT], context_name(clip_id)
    try:
        fd = folder.create(name, context_bytes(stored), mode=PRIVATE)
    except FileExistsError:
        _replace_context(queue, clip_id, stored)
        yield
        return
    try:
        start_writing(fd)
        os.fsync(fd)
        folder.sync()
        yield
    except BaseException:
        folder.unlink(name)
        raise
    finally:
        os.close(fd)


def _replace_context(queue: QueueFolders, clip_id: str, stored: StoredContext) -> None:
    """Write a context over another one. Where an earlier reply of the clip goes is kept while it is in `claimed/`."""
    if queue[CLAIMED].exists(entry_name(clip_id)):
        earlier = read_context(queue, clip_id)
        stored = replace(stored, claimed_for=earlier.claimed_for if earlier else None)
    queue[CONTEXT].write(context_name(clip_id), context_bytes(stored), mode=PRIVATE)


# pending/ → claimed/


class ClaimOutcome(Enum):
    """How an attempt to claim an entry ended."""

    TAKEN = auto()
    GONE = auto()
    """Somebody took it out of the queue."""
    BUSY = auto()
    """An earlier reply of the same clip is being applied."""
    CHANGED = auto()
    """Another file stands there now: look at it anew."""
    SHOWN = auto()
    """This very reply was applied before; it is in `rejected/` now."""


def take(
    root: Path, waiting: Waiting, context: ReplyContext, target: Path
) -> tuple[ClaimOutcome, bytes, OwnChange | None]:
    """Claim an entry for the bundle `target`, durably; return its bytes. Raises OSError; then it still waits."""
    with QueueFolders(root) as queue:
        pending, name = queue[PENDING], entry_name(waiting.clip_id)
        if queue[CLAIMED].exists(name):
            return ClaimOutcome.BUSY, b"", None
        try:
            document = pending.read(name, MAX_ENTRY_BYTES)
        except FileNotFoundError:
            return ClaimOutcome.GONE, b"", None
        except (UnsafePath, InvalidInput, PermissionError):
            return ClaimOutcome.CHANGED, b"", None
        if sha256_bytes(document) != waiting.digest:
            return ClaimOutcome.CHANGED, b"", None
        if was_applied(queue[APPLIED], parse_entry(document, waiting.clip_id).addendum):
            reject(queue, pending, waiting.clip_id, "this very reply was applied before: a tip is never shown twice")
            return ClaimOutcome.SHOWN, b"", None
        claimed_for = ClaimedFor(str(target), waiting.digest)
        return _take(queue, waiting, document, StoredContext(context, waiting.digest, claimed_for))


def _take(
    queue: QueueFolders, waiting: Waiting, document: bytes, stored: StoredContext
) -> tuple[ClaimOutcome, bytes, OwnChange | None]:
    pending, claimed, name = queue[PENDING], queue[CLAIMED], entry_name(waiting.clip_id)
    queue[CONTEXT].write(context_name(waiting.clip_id), context_bytes(stored), mode=PRIVATE)
    before = stamp_of(pending)
    try:
        move_entry(pending, name, claimed)
    except FileNotFoundError:
        return ClaimOutcome.GONE, b"", None
    except OSError:
        with contextlib.suppress(OSError):
            os.rename(name, name, src_dir_fd=claimed.fd, dst_dir_fd=pending.fd)
        raise
    return ClaimOutcome.TAKEN, document, OwnChange(before, stamp_of(pending))


# claimed/ → applied/, or back to pending/


def complete(root: Path, clip_id: str, document: bytes) -> None:
    """Move a claimed entry to `applied/`, durably; its time of change is when it was applied.

    An older copy of the same clip gets a number. May be called again after an OSError.
    """
    with QueueFolders(root) as queue:
        claimed, applied, name = queue[CLAIMED], queue[APPLIED], entry_name(clip_id)
        if holds_bytes(applied, name, document):
            claimed.unlink(name)
            claimed.sync()
        else:
            _move_to_applied(claimed, applied, clip_id, document)
        os.utime(name, dir_fd=applied.fd, follow_symlinks=False)
        if not queue[PENDING].exists(name):
            queue[CONTEXT].unlink(context_name(clip_id))


def _move_to_applied(claimed: Folder, applied: Folder, clip_id: str, document: bytes) -> None:
    name = entry_name(clip_id)
    if applied.exists(name):
        older = free_copy_name(applied, clip_id, 1)
        os.rename(name, older, src_dir_fd=applied.fd, dst_dir_fd=applied.fd)
        applied.sync()
    try:
        move_entry(claimed, name, applied)
    except FileNotFoundError:  # somebody removed it, but it was shown: the audit keeps it
        applied.write(name, document, mode=PRIVATE)


def put_back(root: Path, clip_id: str, superseding: Callable[[], None]) -> OwnChange | None:
    """Move a claimed entry back to `pending/`, durably; may be called again after an OSError.

    Returns None if it waits no more: a newer reply of the clip does (`superseding` was called), or it is gone.
    """
    with QueueFolders(root) as queue:
        claimed, pending, name = queue[CLAIMED], queue[PENDING], entry_name(clip_id)
        if not claimed.exists(name):
            return None
        if pending.exists(name):
            superseding()
            claimed.unlink(name)
            claimed.sync()
            return None
        before = stamp_of(pending)
        move_entry(claimed, name, pending)
        return OwnChange(before, stamp_of(pending))
