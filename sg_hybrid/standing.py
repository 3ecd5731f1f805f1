"""What a bundle holds already when its take is coached: kept, mended, or cleared away for a new take. Blocking.

The caller holds the folder's lock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sg_coach.contract import AI_FILE, COACH_FILE, MANIFEST_FILE, MAX_DOCUMENT_BYTES, QUEUED_FILE
from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.models import CoachingDeterministic

from .manifest import AI_COACH, artifact, coach_entry, lists, manifest_with, manifest_without_ours
from .models import AiAddendum, Coached
from .settled import is_listed


def as_it_stands(folder: Folder, manifest: dict[str, Any], coached: Coached) -> Coached:
    """Compare a coaching with what its bundle holds, and prepare the folder for what is new.

    Returns what is to stand there: a coaching of the same take stays as it is, to the byte. `manifest` is empty if
    there is none. Raises OSError if the disk refuses.
    """
    standing, entry = _standing_coaching(folder), coach_entry(manifest)
    if standing is not None and entry is not None and is_listed(entry, coached.take.take_id, standing[0]):
        _mend_manifest(folder, manifest, coached)
        return replace(coached, coaching=standing[1], new=False)
    if standing is not None and entry is None and _same_but_time(standing[1], coached.coaching):
        return replace(coached, coaching=standing[1])  # a crash came before its manifest: keep it to the byte
    if entry is not None or folder.exists(AI_FILE) or folder.exists(QUEUED_FILE):
        _clear_previous(folder, manifest)
    return coached


def _standing_coaching(folder: Folder) -> tuple[bytes, CoachingDeterministic] | None:
    """Return the coach file that stands there, if it is whole and valid."""
    try:
        raw = folder.read_if_there(COACH_FILE, MAX_DOCUMENT_BYTES)
        return None if raw is None else (raw, CoachingDeterministic.model_validate(parse_json_object(raw)))
    except (InvalidInput, UnsafePath, ValueError):
        return None


def _same_but_time(one: CoachingDeterministic, other: CoachingDeterministic) -> bool:
    return one == other.model_copy(update={"created_at_utc": one.created_at_utc})


def _clear_previous(folder: Folder, manifest: dict[str, Any]) -> None:
    """A new take begins: the manifest lets go of the old coaching, then the old AI files go, each step durable."""
    if manifest:
        folder.write(MANIFEST_FILE, to_json_bytes(manifest_without_ours(manifest)))
    removed = [folder.unlink(name) for name in (AI_FILE, QUEUED_FILE)]
    if any(removed):
        folder.sync()


def _mend_manifest(folder: Folder, manifest: dict[str, Any], coached: Coached) -> None:
    """List an in-time reply that a crash left between file and manifest. Whether it was prepared nobody knows then."""
    if lists(manifest, AI_COACH):
        return
    try:
        raw = folder.read_if_there(AI_FILE, MAX_DOCUMENT_BYTES)
        if raw is None:
            return
        addendum = AiAddendum.model_validate(parse_json_object(raw))
    except (InvalidInput, UnsafePath, ValueError):
        return
    if addendum.clip_id == coached.take.clip_id and not addendum.queued:
        entry = artifact("ai_coach", "ai_coach", AI_FILE, raw)
        clip_id, created = coached.take.clip_id, coached.coaching.created_at_utc
        mended = manifest_with(manifest, entry=entry, clip_id=clip_id, created_at_utc=created)
        folder.write(MANIFEST_FILE, to_json_bytes(mended))
