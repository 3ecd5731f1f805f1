"""What the coach says about the take in a bundle, read from the worker's files. Blocking; nothing is changed.

The rules of a reader (contracts/BUNDLE.md): the deterministic coaching is authoritative; an AI file counts only if the
manifest lists it with its right hash; a coaching that was made from an earlier take is not this take's. A view in
between (the worker writes while we read) is repeated.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from sg_coach.contract import AI_FILE, COACH_FILE, ERROR_FILE, MANIFEST_FILE, QUEUED_FILE, SESSION_FILE, TAKE_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import CoachError
from sg_coach.files import Folder
from sg_coach.models import CoachingDeterministic, SessionRecord

from .answers import Coaching, CoachingState, Envelope, TakeFacts
from .documents import document_and_digest, entry_of, is_listed

WATCHED: Final = (MANIFEST_FILE, SESSION_FILE, TAKE_FILE, COACH_FILE, AI_FILE, QUEUED_FILE, ERROR_FILE)
"""The files that an answer is made of."""

_MAX_TAKE_BYTES: Final = 1024 * 1024
_TRIES: Final = 3
_ERROR_KEYS: Final = ("error_code", "message", "created_at_utc")

Signature = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What stands in the bundle."""

    manifest: dict[str, Any] | None
    session: SessionRecord | None
    session_sha256: str | None
    has_take: bool
    is_outdated: bool
    """`take.mid` is another one than `session.json` was made from."""
    coaching: CoachingDeterministic | None
    ai: dict[str, Any] | None
    queued: dict[str, Any] | None
    error: dict[str, Any] | None


def signature(bundle: str) -> Signature:
    """Return a value that changes whenever one of the files that an answer is made of does (cheap: no reading)."""
    return tuple(_stamp(f"{bundle}/{name}") for name in WATCHED)


def coaching_of(folder: Folder, clip_id: str) -> Coaching:
    """Return what the coach says now about the take in an open bundle. Raises OSError."""
    before = signature(str(folder.path))
    for _ in range(_TRIES):
        answer = _answer(clip_id, _look(folder))
        after = signature(str(folder.path))
        if after == before:
            return answer
        before = after
    return _answer(clip_id, _look(folder))


def _look(folder: Folder) -> _Seen:
    manifest = document_or_none(folder, MANIFEST_FILE)
    raw_session, digest = document_and_digest(folder, SESSION_FILE)
    session = _session(raw_session)
    take = _take_digest(folder)
    return _Seen(
        manifest=manifest,
        session=session,
        session_sha256=digest,
        has_take=take is not None or folder.exists(SESSION_FILE),
        is_outdated=take is not None and (session is None or session.take_sha256 not in (None, take)),
        coaching=_current_coaching(folder, manifest, digest),
        ai=_listed(folder, manifest, AI_FILE),
        queued=_listed(folder, manifest, QUEUED_FILE),
        error=document_or_none(folder, ERROR_FILE),
    )


def _answer(clip_id: str, seen: _Seen) -> Coaching:
    state = _state(seen)
    coaching = seen.coaching if state == "coached" else None
    return Coaching(
        clip_id=clip_id,
        state=state,
        envelope=None if coaching is None else _envelope(coaching, seen.ai),
        origin=_origin(seen) if coaching is not None and seen.ai is not None else None,
        queued=seen.queued if coaching is not None else None,
        error={key: seen.error.get(key) for key in _ERROR_KEYS} if seen.error and state == "refused" else None,
        take=None if seen.session is None or seen.is_outdated else _facts(seen.session, coaching),
    )


def _state(seen: _Seen) -> CoachingState:
    if seen.coaching is not None and not seen.is_outdated:
        return "coached"
    if seen.error is not None:
        return "refused"
    return "waiting" if seen.has_take else "no_take"


def _envelope(coaching: CoachingDeterministic, ai: dict[str, Any] | None) -> Envelope:
    return Envelope(
        source="deterministic" if ai is None else "hybrid",
        deterministic=coaching,
        ai=ai,
        ai_request_status=None if ai is None else "success",
    )


def _origin(seen: _Seen) -> Literal["live", "prepared"] | None:
    """None: the manifest does not say, see contracts/BUNDLE.md."""
    match (entry_of(seen.manifest, AI_FILE) or {}).get("origin"):
        case "live":
            return "live"
        case "prepared":
            return "prepared"
    return None


def _facts(session: SessionRecord, coaching: CoachingDeterministic | None) -> TakeFacts:
    facts = session.model_dump(mode="json", include=set(TakeFacts.model_fields))
    return TakeFacts.model_validate({**facts, "score": None if coaching is None else coaching.score})


def _current_coaching(
    folder: Folder, manifest: dict[str, Any] | None, session_sha256: str | None
) -> CoachingDeterministic | None:
    """The coaching, unless it was made from an earlier take than the one there now."""
    raw, digest = document_and_digest(folder, COACH_FILE)
    if raw is None:
        return None
    entry = entry_of(manifest, COACH_FILE)
    if entry is None:
        if not _is_newer(folder):
            return None
    elif not is_listed(manifest, COACH_FILE, digest) or entry.get("input_sha256", session_sha256) != session_sha256:
        return None
    try:
        return CoachingDeterministic.model_validate(raw)
    except ValidationError:
        return None


def _is_newer(folder: Folder) -> bool:
    """Whether a coaching that no manifest lists (yet) came after the take: the hint is visible before it is listed."""
    coach, session = folder.status(COACH_FILE), folder.status(SESSION_FILE)
    return coach is not None and (session is None or coach.st_mtime_ns >= session.st_mtime_ns)


def _listed(folder: Folder, manifest: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    found, digest = document_and_digest(folder, name)
    return found if is_listed(manifest, name, digest) else None


def _session(raw: dict[str, Any] | None) -> SessionRecord | None:
    try:
        return None if raw is None else SessionRecord.model_validate(raw)
    except ValidationError:
        return None


def _take_digest(folder: Folder) -> str | None:
    try:
        raw = folder.read_if_there(TAKE_FILE, _MAX_TAKE_BYTES)
    except CoachError:
        return ""  # something stands there that the worker will refuse
    return None if raw is None else sha256_bytes(raw)


def _stamp(path: str) -> object:
    try:
        status = os.lstat(path)
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino
