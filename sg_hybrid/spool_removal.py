"""What leaves the queue: expired replies, and audit copies that are old enough. Each function blocks, one thread hop.

The caller logs an expiry before it comes here, so a crash leaves an entry in `pending/` or in the log (or in both, and
then it expires again at the next start). A context that a crash leaves behind is an orphan: the next start removes it.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sg_coach.files import Folder

from .models import ENTRY_SUFFIX
from .queue_entry import APPLIED, CONTEXT, CONTEXT_SUFFIX, PENDING, clip_of_copy
from .queue_folders import QueueFolders
from .spool_index import Waiting


@dataclass(slots=True)
class Discarded:
    """How a removal of expired entries ended."""

    count: int = 0
    failed: list[Waiting] = field(default_factory=list)
    """The disk refused."""
    changed: list[Waiting] = field(default_factory=list)
    """Somebody put another file there; it was left alone."""

    @classmethod
    def sum(cls, parts: Iterable[Discarded]) -> Self:
        """Put the results of several removals together."""
        total = cls()
        for part in parts:
            total.count += part.count
            total.failed += part.failed
            total.changed += part.changed
        return total


def discard(root: Path, keep_contexts: Collection[str], entries: Iterable[Waiting]) -> Discarded:
    """Unlink entries with their contexts. It is durable after `settle_removals`.

    Contexts of `keep_contexts` (clip ids) stay: an earlier reply of the clip is in `claimed/`. Several may run beside
    each other, of different entries.
    """
    discarded = Discarded()
    with QueueFolders(root) as queue:
        pending, context = queue[PENDING], queue[CONTEXT]
        for entry in entries:
            try:
                if not _unlink_same(pending, entry):
                    discarded.changed.append(entry)
                    continue
                if entry.clip_id not in keep_contexts:
                    context.unlink(entry.clip_id + CONTEXT_SUFFIX)
                discarded.count += 1
            except OSError:
                discarded.failed.append(entry)
    return discarded


def settle_removals(root: Path) -> None:
    """Make all removals until now durable."""
    with QueueFolders(root) as queue:
        queue[PENDING].sync()
        queue[CONTEXT].sync()


def _unlink_same(pending: Folder, entry: Waiting) -> bool:
    """Return whether the entry is gone; False if another file stands there."""
    name = entry.clip_id + ENTRY_SUFFIX
    status = pending.status(name)
    if status is not None and (status.st_ino, status.st_mtime_ns) != (entry.file.inode, entry.file.mtime_ns):
        return False
    pending.unlink(name)
    return True


def remove_applied(root: Path, before: float) -> int:
    """Remove audit copies that were applied before a moment (seconds since 1970); return how many."""
    with QueueFolders(root) as queue:
        applied = queue[APPLIED]
        return sum(_unlink_older(applied, name, before) for name in applied.names() if clip_of_copy(name))


def _unlink_older(applied: Folder, name: str, before: float) -> bool:
    status = applied.status(name)
    is_old = status is not None and stat.S_ISREG(status.st_mode) and status.st_mtime < before
    return is_old and applied.unlink(name)
