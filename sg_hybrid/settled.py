"""Which takes of a batch still need their cycle, by session. Blocking; nothing is written.

After a start every take that was ever played comes in; those that stand as a finished cycle leaves them are left out
here, for a tenth of what the cycle would cost that finds out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sg_coach.contract import (
    AI_FILE,
    COACH_FILE,
    ERROR_FILE,
    MANIFEST_FILE,
    MAX_DOCUMENT_BYTES,
    MAX_SESSION_BYTES,
    SESSION_FILE,
    TAGS_FILE,
    TAKE_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder, is_temporary
from sg_coach.jsontext import parse_json_object

from .manifest import AI_COACH, coach_entry, lists, parse_clip_identity
from .take_intake import MAX_TAKE_BYTES, is_of_another

Admitted = Callable[[Path, str, str], bool]
"""Whether the session index of a day folder has the entry of a take, by clip id and take id."""


def unsettled_by_session(bundles: Sequence[Path], admitted: Admitted) -> list[list[Path]]:
    """Group the bundles that need a cycle by the session of their take, in the order given.

    What cannot be read is a group of its own: its cycle will say why.
    """
    groups: dict[object, list[Path]] = {}
    for bundle in bundles:
        session_id: object = None
        with suppress(OSError, InvalidInput, UnsafePath), Folder.open(bundle) as folder:
            raw = folder.read(SESSION_FILE, MAX_SESSION_BYTES)
            session = parse_json_object(raw)
            session_id = session.get("session_id")
            if _is_settled(folder, raw, session, admitted):
                continue
        groups.setdefault(session_id if isinstance(session_id, str) else bundle, []).append(bundle)
    return list(groups.values())


def is_listed(entry: Mapping[str, Any], take_id: str, coaching: bytes) -> bool:
    """Whether a manifest's entry names this coach file, made from this take (a bare hash without prefix counts too)."""
    listed = "sha256:" + str(entry.get("sha256", "")).removeprefix("sha256:")
    return entry.get("input_sha256") == take_id and listed == sha256_bytes(coaching)


def _is_settled(folder: Folder, raw: bytes, session: Mapping[str, Any], admitted: Admitted) -> bool:
    manifest, take_id = document_or_none(folder, MANIFEST_FILE) or {}, sha256_bytes(raw)
    entry = coach_entry(manifest)
    if entry is None or not is_listed(entry, take_id, folder.read(COACH_FILE, MAX_DOCUMENT_BYTES)):
        return False
    names = set(folder.names())
    if ERROR_FILE in names or any(is_temporary(name) for name in names):
        return False
    if AI_FILE in names and not lists(manifest, AI_COACH):
        return False
    if TAKE_FILE in names and is_of_another(session.get("take_sha256"), folder.read(TAKE_FILE, MAX_TAKE_BYTES)):
        return False
    tags = document_or_none(folder, TAGS_FILE) if TAGS_FILE in names else None
    return admitted(folder.path.parent, parse_clip_identity(tags, manifest, folder.path.name), take_id)
