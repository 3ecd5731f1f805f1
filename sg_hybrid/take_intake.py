"""A bundle whose `take.mid` has no `session.json` yet: the take is analysed and `session.json` written. Blocking.

Bounded by the sizes of what is read: the cost of an analysis is linear in the notes. It is computing, so it runs in a
thread of its own and outside the folder's lock; only the write is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sg_coach.contract import COMP_FILE, MAX_SESSION_BYTES, OTA_PREFIX, SESSION_FILE, TAGS_FILE, TAKE_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.models import SessionRecord
from sg_coach.take_files import analyse_files, session_bytes

MAX_TAKE_BYTES: Final = 256 * 1024
"""Largest MIDI file that the worker analyses: about 30,000 notes, a second of computing on a small machine."""

ANALYSIS_THREADS: Final = 1
"""Takes are analysed one after the other: it is all computing, and nobody else's hint shall wait for it."""


def analyse_take_file(folder: Folder, analysed: Callable[[SessionRecord], None] = lambda _session: None) -> bool:
    """Write the `session.json` of the take in `folder`, durably; return whether there is one now.

    `analysed` is told of a record that was written.

    A `session.json` that somebody else wrote is left alone; one that was made from an earlier take is replaced. The
    clip's comping is what the take is measured against; a take of something else is measured against the grid. Raises
    InvalidInput or UnsafePath, naming the file, if the take cannot be used, ExtraMissing without the MIDI package,
    LockTimeout, OSError.
    """
    before = folder.read_if_there(SESSION_FILE, MAX_SESSION_BYTES)
    take = folder.read_if_there(TAKE_FILE, MAX_TAKE_BYTES)
    if take is None or (before is not None and not is_of_another(_made_from(before), take)):
        return before is not None
    report = analyse_files(
        take,
        name=folder.path.name.removeprefix(OTA_PREFIX),
        clip=folder.read_if_there(COMP_FILE, MAX_TAKE_BYTES),
        tags=document_or_none(folder, TAGS_FILE) or {},
        grid_if_another=True,
    )
    with folder.lock():
        ours = folder.read_if_there(SESSION_FILE, MAX_SESSION_BYTES) == before
        if ours:
            folder.write(SESSION_FILE, session_bytes(report.session))
    if ours:
        analysed(report.session)
    return True


class NotAnalysed(CoachError):
    """The `take.mid` there is another take than the one that `session.json` was made from."""


def refuse_outdated(folder: Folder, session: SessionRecord) -> None:
    """Raise NotAnalysed if the record was made from another `take.mid` than the one there now.

    A record of the instrument's own is never outdated. Raises InvalidInput and UnsafePath, too.
    """
    if session.take_sha256 is None:
        return
    take = folder.read_if_there(TAKE_FILE, MAX_TAKE_BYTES)
    if take is not None and is_of_another(session.take_sha256, take):
        raise NotAnalysed


def is_of_another(made_from: object, take: bytes) -> bool:
    """Whether a record says (`take_sha256`) that it was made from another `take.mid`; the instrument's own never do."""
    return isinstance(made_from, str) and made_from != sha256_bytes(take)


def _made_from(record: bytes) -> object:
    """What a record says that it was made from. One that cannot be read is not ours."""
    try:
        return parse_json_object(record).get("take_sha256")
    except InvalidInput:
        return None
