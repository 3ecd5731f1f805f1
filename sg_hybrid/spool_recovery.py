"""What a start does with what the last worker left. Blocks; one thread hop, before anything is claimed or put.

claimed/X there   the bundle that `claimed_for` names holds that very file: it was applied, finish it
                  the bundle does not: it was not, it waits again (or expires with the next sweep)
                  nobody can tell (no context, another file): rejected/, for a person to decide
context/X alone   an orphan of a put or of an end, removed
temporaries       of a dead process, removed
rejected/X and pending/X one reply    `requeue` was cut short: it waits, the rejected copy goes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError, InvalidInput, LockTimeout, UnsafePath

from .queue_entry import (
    CLAIMED,
    CONTEXT,
    MAX_CONTEXT_BYTES,
    MAX_ENTRY_BYTES,
    PENDING,
    REJECTED,
    WHY_SUFFIX,
    ClaimedFor,
    clip_of_context,
    clip_of_copy,
    clip_of_entry,
    context_name,
    entry_name,
    holds_reply,
    parse_context,
    parse_entry,
)
from .queue_folders import FOLDERS, ROOT, QueueFolders, holds_bytes, read_settled, reject
from .spool_moves import complete, put_back

Settle = Callable[[Path, str], bool]
"""Tells whether a bundle holds, as its applied reply, the very file of a digest (`sha256:…`); if it does and its
manifest does not list it yet, lists it. Blocks; raises OSError if the bundle cannot be looked at now."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Recovered:
    """What a start found and did."""

    finished: int = 0
    returned: int = 0
    superseded: int = 0
    rejected: int = 0
    left: int = 0
    """Claims that could not be decided now; they stay in `claimed/` for the next start."""
    orphans: int = 0
    temporaries: int = 0


def recover(root: Path, settle: Settle) -> Recovered:
    """Bring the folders of a queue in order. The caller holds the queue's lock. Raises OSError, UnsafePath."""
    recovered = Recovered()
    with QueueFolders(root) as queue:
        recovered.temporaries = sum(_remove_temporaries(queue, name) for name in (ROOT, *FOLDERS))
        for name in queue[CLAIMED].names():
            clip_id = clip_of_entry(name)
            if clip_id is not None:
                _recover_claim(queue, clip_id, settle, recovered)
        recovered.orphans = _remove_orphans(queue)
        _end_requeues(queue)
    return recovered


def _remove_temporaries(queue: QueueFolders, name: str) -> int:
    """The lock keeps those of a `requeue` or an `ai off` that runs right now."""
    try:
        with queue[name].lock():
            return queue[name].remove_stale_temporaries()
    except LockTimeout as error:
        _log.warning("temporaries_left", error=str(error))
        return 0


def _recover_claim(queue: QueueFolders, clip_id: str, settle: Settle, recovered: Recovered) -> None:
    """One claim that cannot be decided stops neither the others nor the start."""
    try:
        _decide_claim(queue, clip_id, settle, recovered)
    except (OSError, CoachError) as error:
        recovered.left += 1
        _log.error("claim_left", clip=clip_id, error=str(error), remedy="it is looked at again at the next start")


def _decide_claim(queue: QueueFolders, clip_id: str, settle: Settle, recovered: Recovered) -> None:
    document, claimed_for = _read_claim(queue, clip_id)
    if document is None or claimed_for is None:
        why = "it was being applied, but nobody can tell any more to which bundle: look whether it was shown"
        reject(queue, queue[CLAIMED], clip_id, why)
        recovered.rejected += 1
    elif settle(Path(claimed_for.bundle), claimed_for.sha256):
        complete(queue.root, clip_id, document)
        recovered.finished += 1
        _log.info("reply_applied", clip=clip_id, bundle=claimed_for.bundle, after="a crash")
    else:
        _put_back(queue, clip_id, document, recovered)


def _read_claim(queue: QueueFolders, clip_id: str) -> tuple[bytes | None, ClaimedFor | None]:
    """Return the claimed bytes, and where they were going if that is certain. Raises OSError if that is open now."""
    try:
        document = queue[CLAIMED].read(entry_name(clip_id), MAX_ENTRY_BYTES)
    except (InvalidInput, UnsafePath):
        return None, None
    stored = parse_context(read_settled(queue[CONTEXT], context_name(clip_id), MAX_CONTEXT_BYTES), clip_id)
    claimed_for = stored.claimed_for if stored else None
    is_certain = claimed_for is not None and claimed_for.sha256 == sha256_bytes(document)
    return document, claimed_for if is_certain else None


def _put_back(queue: QueueFolders, clip_id: str, document: bytes, recovered: Recovered) -> None:
    def superseding() -> None:
        _log.info("reply_expired", clip=clip_id, reason="superseded")
        recovered.superseded += 1

    twin = holds_bytes(queue[PENDING], entry_name(clip_id), document)  # a power cut left it in both folders
    if put_back(queue.root, clip_id, (lambda: None) if twin else superseding) is not None or twin:
        recovered.returned += 1
        _log.info("reply_returned", clip=clip_id, after="a crash")


def _remove_orphans(queue: QueueFolders) -> int:
    """Remove contexts whose entry is nowhere."""
    entries = {clip_of_entry(name) for folder in (PENDING, CLAIMED) for name in queue[folder].names()}
    contexts = ((name, clip_of_context(name)) for name in queue[CONTEXT].names())
    orphans = [name for name, clip_id in contexts if clip_id is not None and clip_id not in entries]
    return sum(_remove_orphan(queue, name) for name in orphans)


def _end_requeues(queue: QueueFolders) -> None:
    """Remove rejected copies of replies that wait again."""
    copies = [(name, found[0]) for name in queue[REJECTED].names() if (found := clip_of_copy(name))]
    waiting = {clip_of_entry(name) for name in queue[PENDING].names()} if copies else set()
    for name, clip_id in copies:
        if clip_id in waiting:
            try:
                _end_requeue(queue, name, clip_id)
            except (OSError, CoachError) as error:
                _log.warning("rejected_copy_left", path=str(queue[REJECTED].path / name), error=str(error))


def _end_requeue(queue: QueueFolders, name: str, clip_id: str) -> None:
    rejected = queue[REJECTED]
    entry = parse_entry(queue[PENDING].read(entry_name(clip_id), MAX_ENTRY_BYTES), clip_id)
    if holds_reply(rejected.read(name, MAX_ENTRY_BYTES), entry.addendum):
        rejected.unlink(name)
        rejected.unlink(name + WHY_SUFFIX)


def _remove_orphan(queue: QueueFolders, name: str) -> bool:
    try:
        return queue[CONTEXT].unlink(name)
    except OSError as error:  # a folder of that name
        _log.warning("orphan_left", path=str(queue[CONTEXT].path / name), error=str(error))
        return False
