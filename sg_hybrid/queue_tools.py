"""What a person may do with a queue from outside, also while a worker runs. Everything here blocks.

Listing only reads: nothing is made, moved or locked. `expire_ids` and `requeue` lock `pending/` against each other;
against the worker they need no lock, because they take an entry out (of two that do, one wins) or bring one under a
name that is free, and never replace one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import PRIVATE, Folder
from sg_coach.timestamps import utc_text

from . import policy
from .queue_entry import (
    APPLIED,
    CLAIMED,
    CONTEXT,
    MAX_CONTEXT_BYTES,
    MAX_ENTRY_BYTES,
    PENDING,
    REJECTED,
    STATES,
    WHY_SUFFIX,
    Entry,
    clip_of_copy,
    context_name,
    entry_name,
    parse_context,
    parse_entry,
    requeued,
)
from .queue_folders import QueueFolders, copies_in, refuse_other_folder, was_applied

_MAX_WHY_BYTES: Final = 16 * 1024

_MILLISECONDS: Final = 3
"""Decimals of a second that ages are told with: `queued_at_utc` knows no more."""

_File = tuple[int, int]
"""Which file it is, whatever its name: one that is renamed stays the same."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One late reply as a person sees it. What could not be found out is None."""

    state: str
    """Its folder: `pending`, `claimed`, `applied` or `rejected`."""
    clip_id: str
    path: Path
    session_id: str | None = None
    queued_at_utc: str | None = None
    age_s: float | None = None
    """Seconds since `queued_at_utc` by the wall clock; where that lies ahead, since its file was written."""
    left_s: float | None = None
    """Seconds in which it may still be applied, if it waits; 0 when its time is over."""
    tip: str | None = None
    """Its first text, as it stands in the file: clean it before printing."""
    problem: str | None = None
    """Why it cannot be read, or was rejected."""


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What became of one clip id that a command named."""

    clip_id: str
    problem: str = ""

    @property
    def done(self) -> bool:
        return not self.problem


def is_there(root: Path) -> bool:
    """Tell whether there is a queue; the first worker makes it. Raises UnsafePath if no folder stands there, OSError.

    What leads on to another folder (a symlink) is none, as for the worker.
    """
    with contextlib.ExitStack() as stack:
        return _open_if_there(stack, root) is not None


def list_queue(root: Path, now: datetime, ttl_s: float, states: Iterable[str] = STATES) -> list[QueueRow]:
    """Return the replies in the folders `states`, oldest first within each. A queue that is not there is empty.

    A reply that moves on meanwhile is listed once, in the later of its states. Raises UnsafePath if `root` or one of
    the folders is none, OSError.
    """
    with contextlib.ExitStack() as stack:
        if _open_if_there(stack, root) is None:
            return []
        contexts = _open_if_there(stack, root / CONTEXT)
        opened = {state: _open_if_there(stack, root / state) for state in states}
        folders = {state: folder for state, folder in opened.items() if folder is not None}
        read = partial(_row, contexts, now=now, ttl_s=ttl_s)
        seen = {place: read(*place) for place in _places(folders)}
        if None in seen.values():  # moved on, perhaps to where we had looked already
            seen |= {place: read(*place) for place in _places(folders) if place not in seen}
    order = list(folders)
    rows = _once(found for found in seen.values() if found is not None)
    return sorted(rows, key=lambda row: (order.index(row.state), -(row.age_s or 0.0), row.path.name))


def _places(folders: Mapping[str, Folder]) -> list[tuple[Folder, str, str]]:
    """All entries by folder, name and clip id; looked for in the order of a reply's life: one that moves is not missed.

    All are looked for before any is read.
    """
    in_order = [folders[state] for state in STATES if state in folders]
    return [(folder, name, found[0]) for folder in in_order for name in folder.names() if (found := clip_of_copy(name))]


def _once(found: Iterable[tuple[_File | None, QueueRow]]) -> Iterable[QueueRow]:
    """Of two rows of one file, keep the later state: it moved between two looks."""
    rows: dict[_File | Path, QueueRow] = {}
    for file, row in sorted(found, key=lambda one: STATES.index(one[1].state)):
        rows[file or row.path] = row
    return rows.values()


def _open_if_there(stack: contextlib.ExitStack, path: Path) -> Folder | None:
    try:
        return stack.enter_context(Folder.open(path))
    except FileNotFoundError:
        return None


def count_entries(root: Path) -> dict[str, int]:
    """Return how many replies stand in each folder; a queue that is not there is empty. Raises UnsafePath, OSError."""
    return {state: _count(root / state) for state in STATES}


def _count(path: Path) -> int:
    try:
        with Folder.open(path) as folder:
            return sum(clip_of_copy(name) is not None for name in folder.names())
    except FileNotFoundError:
        return 0


def _row(
    contexts: Folder | None, folder: Folder, name: str, clip_id: str, *, now: datetime, ttl_s: float
) -> tuple[_File | None, QueueRow] | None:
    """Return what an entry's name stands for, and which file it is if it could be read; None if it moved on."""
    state, status = folder.path.name, folder.status(name)
    try:
        entry = parse_entry(folder.read(name, MAX_ENTRY_BYTES), clip_id)
    except FileNotFoundError:
        return None
    except (CoachError, OSError) as error:
        why = _why(folder, name) if state == REJECTED else None
        return None, QueueRow(state, clip_id, folder.path / name, problem=why or str(error))
    left_s = _left(entry, status, now, ttl_s)
    return status and (status.st_dev, status.st_ino), QueueRow(
        state,
        clip_id,
        folder.path / name,
        session_id=_session_id(contexts, entry),
        queued_at_utc=entry.addendum.queued_at_utc,
        age_s=None if left_s is None else round(ttl_s - left_s, _MILLISECONDS),
        left_s=None if left_s is None or state != PENDING else max(round(left_s, _MILLISECONDS), 0.0),
        tip=entry.addendum.coaching_tip or entry.addendum.timing_insight or entry.addendum.exercise_hint,
        problem=_why(folder, name) if state == REJECTED else None,
    )


def _left(entry: Entry, status: os.stat_result | None, now: datetime, ttl_s: float) -> float | None:
    """Seconds in which a worker that finds this entry now could apply it, below 0 when they are over; None: unknown."""
    written_at = status.st_mtime if status else 0.0
    age = policy.judge_found(entry.queued_at, written_at, now, 0.0, ttl_s)
    return age.deadline if age.known else None


def _why(folder: Folder, name: str) -> str | None:
    try:
        return folder.read(name + WHY_SUFFIX, _MAX_WHY_BYTES).decode("utf-8", "replace").strip()
    except (CoachError, OSError):
        return None


def _session_id(contexts: Folder | None, entry: Entry) -> str | None:
    clip_id = entry.addendum.clip_id
    if contexts is None:
        return None
    try:
        stored = parse_context(contexts.read_if_there(context_name(clip_id), MAX_CONTEXT_BYTES), clip_id)
    except (CoachError, OSError):
        return None
    return stored.context.session_id if stored and stored.entry_sha256 == entry.digest else None


# Changing


def expire_ids(root: Path, ids: Sequence[str]) -> list[QueueChange]:
    """Discard waiting replies, with their contexts; return what became of each clip id.

    Raises FileNotFoundError if there is no queue, LockTimeout if another command holds it, UnsafePath, OSError.
    """
    refuse_other_folder(root)
    with QueueFolders(root) as queue, queue[PENDING].lock():
        changes = [_attempt(_expire, queue, clip_id) for clip_id in ids]
        queue[PENDING].sync()
    return changes


def requeue(root: Path, ids: Sequence[str], now: datetime) -> list[QueueChange]:
    """Let rejected replies wait again, queued `now`, if they are usable after all; return what became of each clip id.

    One that was applied is refused: a tip is never shown twice. Raises as `expire_ids`, and InvalidInput if the wall
    clock was never set.
    """
    if not policy.is_credible(now):
        raise InvalidInput(f"the wall clock shows {utc_text(now)}", remedy="set it first: ages are counted from it")
    refuse_other_folder(root)
    with QueueFolders(root) as queue, queue[PENDING].lock():
        return [_attempt(partial(_requeue, utc_text(now)), queue, clip_id) for clip_id in ids]


def _attempt(change: Callable[[QueueFolders, str], str], queue: QueueFolders, clip_id: str) -> QueueChange:
    """One clip id that cannot be changed does not keep the others from being changed."""
    try:
        return QueueChange(clip_id, change(queue, clip_id))
    except (CoachError, OSError) as error:
        return QueueChange(clip_id, str(error))


def _expire(queue: QueueFolders, clip_id: str) -> str:
    name = entry_name(clip_id)
    is_being_applied = queue[CLAIMED].exists(name)
    if queue[PENDING].unlink(name):
        if not is_being_applied:
            queue[CONTEXT].unlink(context_name(clip_id))
        return ""
    return "it is being applied right now" if is_being_applied else "no reply of this clip waits"


def _requeue(queued_at_utc: str, queue: QueueFolders, clip_id: str) -> str:
    """Bring the newest rejected copy back; return why not, if not."""
    name, rejected = entry_name(clip_id), queue[REJECTED]
    if queue[PENDING].exists(name) or queue[CLAIMED].exists(name):
        return "another reply of this clip waits or is being applied"
    copies = copies_in(rejected, clip_id)
    if not copies:
        was_shown = bool(copies_in(queue[APPLIED], clip_id))
        return "it was applied, and a tip is never shown twice" if was_shown else "no reply of this clip was rejected"
    entry = requeued(rejected.read(copies[-1], MAX_ENTRY_BYTES), clip_id, queued_at_utc)
    if was_applied(queue[APPLIED], entry.addendum):
        return "this very reply was applied before, and a tip is never shown twice"
    if not _bring(queue[PENDING], name, entry.document):
        return "another reply of this clip came in just now"
    rejected.unlink(copies[-1])
    rejected.unlink(copies[-1] + WHY_SUFFIX)
    rejected.sync()
    return ""


def _bring(pending: Folder, name: str, document: bytes) -> bool:
    """Write an entry durably unless the name is taken; return whether it was free. A link never replaces a file."""
    temporary, fd = pending.stage(name, document, mode=PRIVATE)
    try:
        os.fsync(fd)
        os.link(temporary, name, src_dir_fd=pending.fd, dst_dir_fd=pending.fd, follow_symlinks=False)
    except FileExistsError:
        return False
    finally:
        os.close(fd)
        pending.unlink(temporary)
    pending.sync()
    return True
