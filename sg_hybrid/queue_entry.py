"""The documents of the queue as values: entries and their contexts, their names, what passes for one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from pydantic import ValidationError

from sg_coach.contract import CLIP_ID_PATTERN
from sg_coach.digest import sha256_bytes
from sg_coach.errors import InvalidInput, InvalidJson
from sg_coach.field_types import is_clip_id
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.models import first_problem
from sg_coach.timestamps import parse_rfc3339

from .models import ENTRY_SUFFIX, AiAddendum, ReplyContext

PENDING: Final = "pending"
CLAIMED: Final = "claimed"
APPLIED: Final = "applied"
REJECTED: Final = "rejected"
CONTEXT: Final = "context"
STATES: Final = (PENDING, CLAIMED, APPLIED, REJECTED)
"""Folders that hold entries, in the order of a late reply's life."""

CONTEXT_SUFFIX: Final = ".json"
WHY_SUFFIX: Final = ".why"

MAX_ENTRY_BYTES: Final = 64 * 1024
"""Largest entry that is read, in bytes; three texts of 300 characters need 11 KiB when every character is escaped."""

MAX_CONTEXT_BYTES: Final = 64 * 1024

_COPY: Final = re.compile(rf"({CLIP_ID_PATTERN})_ai_addendum(?:\.([1-9][0-9]{{0,8}}))?\.json")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_QUOTED: Final = "file://"


def entry_name(clip_id: str) -> str:
    """Return `{clip_id}_ai_addendum.json`. Raises InvalidInput for what is no clip id: it never becomes a path."""
    return _checked(clip_id) + ENTRY_SUFFIX


def context_name(clip_id: str) -> str:
    """Return `{clip_id}.json`. Raises InvalidInput for what is no clip id."""
    return _checked(clip_id) + CONTEXT_SUFFIX


def clip_of_entry(name: str) -> str | None:
    """Return the clip id of an entry's file name, or None for any other name."""
    return _clip_before(name, ENTRY_SUFFIX)


def clip_of_context(name: str) -> str | None:
    """Return the clip id of a context's file name, or None for any other name."""
    return _clip_before(name, CONTEXT_SUFFIX)


def copy_name(clip_id: str, number: int) -> str:
    """Return the name of a further copy, `X_ai_addendum.1.json`; 0 is the entry's own name.

    Readers look for `*_ai_addendum.json`, so they see one file a clip.
    """
    name = entry_name(clip_id)
    return f"{name.removesuffix('.json')}.{number}.json" if number else name


def clip_of_copy(name: str) -> tuple[str, int] | None:
    """Return clip id and number of an entry's name as `applied/` and `rejected/` have it, or None for other names."""
    found = _COPY.fullmatch(name)
    return (found[1], int(found[2] or 0)) if found else None


def _checked(clip_id: str) -> str:
    if not is_clip_id(clip_id):
        raise InvalidInput("not 1 to 128 of A-Z a-z 0-9 . _ - starting with a letter or a digit", field="clip_id")
    return clip_id


def _clip_before(name: str, suffix: str) -> str | None:
    clip_id = name.removesuffix(suffix)
    return clip_id if clip_id != name and is_clip_id(clip_id) else None


# Entries


@dataclass(frozen=True, slots=True)
class Entry:
    """A waiting reply as its file holds it."""

    addendum: AiAddendum
    queued_at: datetime
    """UTC."""
    document: bytes
    digest: str
    """`sha256:…` of the document: what binds a context to it."""


def entry_bytes(addendum: AiAddendum) -> bytes:
    """Return the file of an entry: one object, indented, sorted keys, newline at the end."""
    return to_json_bytes(addendum.model_dump(mode="json"))


def parse_entry(raw: bytes, clip_id: str) -> Entry:
    """Return the waiting reply that `raw` holds, found under the name of `clip_id`.

    Raises InvalidInput naming file, field and problem if it is not schema `coaching_ai_addendum_v1`, or contradicts
    its place: another clip id than its name, not marked as queued, no possible `queued_at_utc`, nothing to say.
    """
    name = entry_name(clip_id)
    addendum = _parse_addendum(raw, name)
    if addendum.clip_id != clip_id:
        raise InvalidInput(
            f"{addendum.clip_id[:140]!r} contradicts the file's name",
            source=name,
            field="clip_id",
            remedy="one of them is wrong",
        )
    if not addendum.queued:
        raise InvalidInput("false contradicts its place in the queue", source=name, field="queued", remedy="set true")
    if addendum.queued_at_utc is None:
        raise InvalidInput("missing: its age is not known", source=name, field="queued_at_utc", remedy="requeue it")
    if not addendum.says_something:
        raise InvalidInput("all three texts are empty: the reply says nothing", source=name, field="coaching_tip")
    return Entry(addendum, parse_rfc3339(addendum.queued_at_utc), raw, sha256_bytes(raw))


def _parse_addendum(raw: bytes, name: str) -> AiAddendum:
    try:
        return AiAddendum.model_validate(parse_json_object(raw, max_bytes=MAX_ENTRY_BYTES))
    except InvalidJson as error:
        raise error.in_file(name) from error
    except ValidationError as error:
        raise first_problem(error, name) from error


def requeued(raw: bytes, clip_id: str, queued_at_utc: str) -> Entry:
    """Return a rejected entry as a waiting one, queued at `queued_at_utc`. Raises InvalidInput if it is still unusable.

    Only what its place decides is set (`queued`, `queued_at_utc`); everything else must hold as it is.
    """
    name = entry_name(clip_id)
    try:
        document = parse_json_object(raw, max_bytes=MAX_ENTRY_BYTES)
    except InvalidJson as error:
        raise error.in_file(name) from error
    return parse_entry(to_json_bytes(document | {"queued": True, "queued_at_utc": queued_at_utc}), clip_id)


def is_same_reply(one: AiAddendum, other: AiAddendum) -> bool:
    """Tell whether two addenda are one reply: equal in all but what the queue sets."""
    place = {"queued": True, "queued_at_utc": None}
    return one.model_copy(update=place) == other.model_copy(update=place)


def holds_reply(raw: bytes, addendum: AiAddendum) -> bool:
    """Tell whether the file of an applied entry holds this reply; one that cannot be read does not."""
    try:
        return is_same_reply(_parse_addendum(raw, ""), addendum)
    except InvalidInput:
        return False


# Contexts


@dataclass(frozen=True, slots=True)
class ClaimedFor:
    """Where a claimed reply goes: the bundle, and the digest of the file that will stand there."""

    bundle: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredContext:
    """A context as its file holds it."""

    context: ReplyContext
    entry_sha256: str
    """Digest of the entry that it was written for; for any other entry of the clip it counts as absent."""
    claimed_for: ClaimedFor | None = None


def context_bytes(stored: StoredContext) -> bytes:
    """Return the file of a context."""
    context = stored.context
    document: dict[str, object] = {
        "clip_id": context.clip_id,
        "session_id": context.session_id,
        "program": context.program,
        "focus": context.focus,
        "bundle": _path_to_text(context.bundle),
        "entry_sha256": stored.entry_sha256,
    }
    if stored.claimed_for is not None:
        claimed_for = stored.claimed_for
        document["claimed_for"] = {"bundle": _path_to_text(claimed_for.bundle), "sha256": claimed_for.sha256}
    return to_json_bytes(document)


def parse_context(raw: bytes | None, clip_id: str) -> StoredContext | None:
    """Return what a context's file holds; one that is missing, broken or about another clip counts as absent."""
    if raw is None:
        return None
    try:
        document = parse_json_object(raw, max_bytes=MAX_CONTEXT_BYTES)
        stored = StoredContext(_context_from(document), _digest(document["entry_sha256"]), _claimed_for(document))
    except (InvalidJson, KeyError, TypeError, ValueError):
        return None
    return stored if stored.context.clip_id == clip_id else None


def _context_from(document: dict[str, Any]) -> ReplyContext:
    fields = ("clip_id", "session_id", "program", "focus")
    return ReplyContext(**{key: _text(document[key]) for key in fields}, bundle=_text_to_path(document["bundle"]))


def _claimed_for(document: dict[str, Any]) -> ClaimedFor | None:
    found = document.get("claimed_for")
    return None if found is None else ClaimedFor(_text_to_path(found["bundle"]), _digest(found["sha256"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is needed, not {type(value).__name__}")
    return value


def _digest(value: object) -> str:
    if not _DIGEST.fullmatch(_text(value)):
        raise ValueError("no sha256 digest")
    return _text(value)


def _path_to_text(path: str) -> str:
    """A path as JSON text; one that is not UTF-8 on disk is quoted as a file URI."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return _QUOTED + quote(path, errors="surrogateescape")
    return path


def _text_to_path(text: object) -> str:
    path = _text(text)
    if path.startswith(_QUOTED):
        path = unquote(path.removeprefix(_QUOTED), errors="surrogateescape")
    if "\0" in path:  # the one character that no disk call takes
        raise ValueError("a NUL byte is in no path")
    return path
