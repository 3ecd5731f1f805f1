"""A bundle that holds a `take.mid` and no `session.json`: the take is analysed and `session.json` written. Blocking.

Bounded by the sizes of what is read: the cost of an analysis is linear in the notes. It is computing, so it runs in a
thread of its own and outside the folder's lock; only the write is inside.
"""

from __future__ import annotations

from typing import Any, Final

from sg_coach.contract import COMP_FILE
from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.take_files import analyse_files, session_bytes

from .layout import OTA_PREFIX
from .models import SESSION_FILE, TAGS_FILE, TAKE_FILE

MAX_TAKE_BYTES: Final = 256 * 1024
"""Largest MIDI file that the worker analyses: about 30,000 notes, a second of computing on a small machine."""

_MAX_TAGS_BYTES: Final = 4 * 1024 * 1024


def analyse_take_file(folder: Folder) -> bool:
    """Write the `session.json` of the take in `folder`, durably; return whether there is one now.

    A `session.json` that somebody else wrote is left alone. The clip's comping is what the take is measured against; a
    take of something else is measured against the grid. Raises InvalidInput or UnsafePath, naming the file, if the
    take cannot be used, ExtraMissing without the MIDI package, LockTimeout, OSError.
    """
    if folder.exists(SESSION_FILE):
        return True
    take = folder.read_if_there(TAKE_FILE, MAX_TAKE_BYTES)
    if take is None:
        return False
    report = analyse_files(
        take,
        name=folder.path.name.removeprefix(OTA_PREFIX),
        clip=folder.read_if_there(COMP_FILE, MAX_TAKE_BYTES),
        tags=_tags(folder),
        grid_if_another=True,
    )
    with folder.lock():
        if not folder.exists(SESSION_FILE):
            folder.write(SESSION_FILE, session_bytes(report.session))
    return True


def _tags(folder: Folder) -> dict[str, Any]:
    """What the clip's tags say; tags that cannot be read help nobody and count as absent."""
    try:
        raw = folder.read_if_there(TAGS_FILE, _MAX_TAGS_BYTES)
        return {} if raw is None else parse_json_object(raw)
    except (InvalidInput, UnsafePath):
        return {}
