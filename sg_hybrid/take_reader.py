"""What a bundle says of its take: the record, the clip it was played over, the context of a reply to it. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sg_coach.coach_policy import judge
from sg_coach.contract import MANIFEST_FILE, MAX_SESSION_BYTES, SESSION_FILE, TAGS_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.models import session_from

from .manifest import parse_clip_identity
from .models import ReplyContext, Take, program_key


def context_in(bundle: Path) -> ReplyContext:
    """Return the context that a reply to the take in `bundle` has, from its own facts. Blocking.

    Raises InvalidInput, UnsafePath or OSError if the take cannot be read.
    """
    with Folder.open(bundle) as folder:
        take = read_take(folder, document_or_none(folder, MANIFEST_FILE))
    return ReplyContext(
        clip_id=take.clip_id,
        session_id=str(take.session.session_id),
        program=program_key(take.session),
        focus=judge(take.session).focus_code,
        bundle=str(bundle),
    )


def read_take(folder: Folder, manifest: dict[str, Any] | None) -> Take:
    """Return the take that a bundle holds. Raises InvalidInput or UnsafePath naming the file and the field."""
    raw = folder.read(SESSION_FILE, MAX_SESSION_BYTES)
    try:
        session = session_from(parse_json_object(raw), source=SESSION_FILE)
    except InvalidInput as error:
        raise error if error.source else error.in_file(SESSION_FILE) from error
    tags = document_or_none(folder, TAGS_FILE) or {}
    clip_id = parse_clip_identity(tags, manifest or {}, folder.path.name)
    return Take(folder.path, clip_id, sha256_bytes(raw), session, tags)


def tags_in(bundle: Path) -> Mapping[str, Any]:
    """Return what a generator said about its clip; empty if that cannot be read."""
    try:
        with Folder.open(bundle) as folder:
            return document_or_none(folder, TAGS_FILE) or {}
    except (OSError, UnsafePath):
        return {}
