"""What a bundle says, for whoever reads it: a player's screen, the command line, a library user. Read-only.

The manifest decides which AI files belong to a bundle: one that it does not list, or lists with another hash, is not
shown, but said. The deterministic coaching is authoritative and shown whenever it can be read. Every function here
blocks; nothing is locked: a manifest that changed while its files were read sends the reader back to the start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sg_coach.contract import (
    AI_FILE,
    BUNDLE_VERSION,
    COACH_FILE,
    ERROR_FILE,
    MANIFEST_FILE,
    MAX_DOCUMENT_BYTES,
    QUEUED_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.models import CoachingDeterministic, first_problem
from sg_coach.timestamps import parse_rfc3339, utc_text

from .errors import BundleRefused
from .models import AiAddendum, AiStatus, Envelope

LEGACY_KEYS: Final = ("coach", "coaching")
"""Where a v1.0 manifest holds the deterministic coaching itself."""

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class BundleView:
    """What a player should read of one bundle."""

    bundle: Path
    coaching: CoachingDeterministic
    ai: AiAddendum | None = None
    """The AI's reply to this take."""
    queued: AiAddendum | None = None
    """The AI's late reply to an earlier take of the session; its `clip_id` is that take's."""
    legacy: bool = False
    """True if the coaching stands in a v1.0 manifest instead of a file."""
    notes: tuple[str, ...] = ()
    """What stands in the bundle and is not shown, and why; one line each."""

    @property
    def clip_id(self) -> str:
        return self.coaching.clip_id

    def envelope(self, *, ai_request_status: AiStatus | None = None, total_latency_ms: int | None = None) -> Envelope:
        """Return both coachings as one object; the reply to this take goes before an earlier one's.

        How the request ended, and how long everything took (ms), only the one who ran the cycle knows.
        """
        ai = self.ai or self.queued
        return Envelope(
            schema_id="coaching_envelope",
            schema_version="v1",
            source="deterministic" if ai is None else "hybrid",
            deterministic=self.coaching,
            ai=ai,
            ai_request_status="success" if self.ai is not None else ai_request_status,
            total_latency_ms=total_latency_ms,
        )


def read_bundle(bundle: Path) -> BundleView:
    """Return what the bundle in the folder `bundle` says.

    Raises FileNotFoundError if there is no such folder, BundleRefused if `clip.error.json` says why there is no
    coaching, InvalidInput (naming
    file and field) if there is no coaching that can be read, UnsafePath, OSError.
    """
    with Folder.open(bundle) as folder:
        for _ in range(_TRIES - 1):
            before = _bytes(folder, MANIFEST_FILE)
            with contextlib.suppress(CoachError, BundleRefused):
                view = _view(folder)
                if _bytes(folder, MANIFEST_FILE) == before:
                    return view
        return _view(folder)


def is_legacy(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a manifest is of v1.0: it holds the coaching itself."""
    return manifest.get("bundle_version") != BUNDLE_VERSION and legacy_coaching(manifest) is not None


def legacy_coaching(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the coaching that a v1.0 manifest holds, with what the manifest itself tells filled in; None if none."""
    found = next((value for key in LEGACY_KEYS if isinstance(value := manifest.get(key), dict)), None)
    return None if found is None else _modernised(found, manifest)


def coaching_from(document: Mapping[str, Any], source: str) -> CoachingDeterministic:
    """Return the coaching that `document` holds. Raises InvalidInput naming `source` and the field."""
    try:
        return CoachingDeterministic.model_validate(document)
    except ValidationError as error:
        raise first_problem(error, source) from error


def addendum_from(document: Mapping[str, Any], source: str) -> AiAddendum:
    """Return the AI addendum that `document` holds. Raises InvalidInput naming `source` and the field."""
    try:
        return AiAddendum.model_validate(document)
    except ValidationError as error:
        raise first_problem(error, source) from error


def listed_as(manifest: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return the manifest's entry of the file `name`, or None. Anything may stand in `manifest`."""
    found = manifest.get("artifacts")
    entries = found if isinstance(found, list) else []
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("path") == name), None)


def is_that_file(entry: Mapping[str, Any], data: bytes) -> bool:
    """Tell whether `data` is the file that a manifest's entry names, by hash (also a bare one) and size."""
    listed = "sha256:" + str(entry.get("sha256", "")).removeprefix("sha256:")
    return listed == sha256_bytes(data) and entry.get("bytes", len(data)) == len(data)


# One reading


def _view(folder: Folder) -> BundleView:
    notes: list[str] = []
    manifest = _noted(folder, MANIFEST_FILE, notes)
    coaching, legacy = _coaching(folder, manifest or {}, notes)
    ai = None if legacy else _addendum(folder, AI_FILE, manifest, notes)
    if ai is not None and (ai.queued or ai.clip_id != coaching.clip_id):
        notes.append(f"{AI_FILE}: not a reply to this take; not shown")
        ai = None
    queued = None if legacy else _addendum(folder, QUEUED_FILE, manifest, notes)
    if queued is not None and (not queued.queued or queued.clip_id == coaching.clip_id):
        notes.append(f"{QUEUED_FILE}: not a late reply to an earlier take; not shown")
        queued = None
    return BundleView(folder.path, coaching, ai, queued, legacy, tuple(notes))


def _coaching(folder: Folder, manifest: Mapping[str, Any], notes: list[str]) -> tuple[CoachingDeterministic, bool]:
    """Return the coaching, and whether it stands in the manifest."""
    raw = folder.read_if_there(COACH_FILE, MAX_DOCUMENT_BYTES)
    refusal = _refusal(folder)
    if raw is None:
        document = legacy_coaching(manifest)
        if document is not None:
            return coaching_from(document, MANIFEST_FILE), True
        if refusal is not None:
            raise BundleRefused(f"{folder.path}: no coaching; {ERROR_FILE} says: {refusal}")
        raise InvalidInput("no coaching yet", source=str(folder.path), remedy="coach it with `sg-hybrid coach DIR`")
    if refusal is not None:
        notes.append(f"{ERROR_FILE} says: {refusal}")
    entry = listed_as(manifest, COACH_FILE)
    if entry is not None and not is_that_file(entry, raw):
        notes.append(f"{COACH_FILE}: not the file that {MANIFEST_FILE} lists")
    return coaching_from(_modernised(_parsed(raw, COACH_FILE), manifest), COACH_FILE), False


def _addendum(folder: Folder, name: str, manifest: Mapping[str, Any] | None, notes: list[str]) -> AiAddendum | None:
    """Return an AI file that belongs to the bundle and says something; why one is not shown goes into `notes`."""
    entry = listed_as(manifest or {}, name)
    try:
        raw = folder.read_if_there(name, MAX_DOCUMENT_BYTES)
        doubt = _doubt(raw, entry, manifest)
        addendum = None if raw is None or doubt else addendum_from(_parsed(raw, name), name)
    except (CoachError, OSError) as error:
        notes.append(f"{_named(error, name)}; not shown")
        return None
    if doubt:
        notes.append(f"{name}: {doubt}; not shown")
    return addendum if addendum is not None and addendum.says_something else None


def _doubt(raw: bytes | None, entry: Mapping[str, Any] | None, manifest: Mapping[str, Any] | None) -> str:
    """Why an AI file does not count; empty if it does, or if there is none and none is due.

    Without any manifest nothing speaks against a file.
    """
    if raw is None:
        return f"{MANIFEST_FILE} lists it, but it is not there" if entry is not None else ""
    if entry is None:
        return "" if manifest is None else f"{MANIFEST_FILE} does not list it"
    return "" if is_that_file(entry, raw) else f"not the file that {MANIFEST_FILE} lists (hash or size differ)"


def _refusal(folder: Folder) -> str | None:
    """What `clip.error.json` says, if it is there and says something."""
    document = _noted(folder, ERROR_FILE, [])
    message = None if document is None else document.get("message")
    return message if isinstance(message, str) else None


def _noted(folder: Folder, name: str, notes: list[str]) -> dict[str, Any] | None:
    """Return a document that helps but is not needed; one that cannot be read counts as empty, and is said."""
    try:
        raw = folder.read_if_there(name, MAX_DOCUMENT_BYTES)
        return None if raw is None else _parsed(raw, name)
    except (CoachError, OSError) as error:
        notes.append(_named(error, name))
        return {}


def _modernised(coaching: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return an old-style coaching in today's form: names that its manifest holds instead, time in milliseconds."""
    known = {"schema_id": "coaching_deterministic", "schema_version": "v1"}
    known |= {key: manifest[key] for key in ("clip_id", "session_id", "created_at_utc") if key in manifest}
    document = {**known, **coaching}
    with contextlib.suppress(ValueError, TypeError):  # the model says what is wrong with it
        document["created_at_utc"] = utc_text(parse_rfc3339(document.get("created_at_utc", "")))
    return document


def _parsed(raw: bytes, name: str) -> dict[str, Any]:
    try:
        return parse_json_object(raw)
    except InvalidInput as error:
        raise error.in_file(name) from error


def _bytes(folder: Folder, name: str) -> bytes | None:
    """The file as it stands, for comparing; None if it cannot be read."""
    try:
        return folder.read_if_there(name, MAX_DOCUMENT_BYTES)
    except (CoachError, OSError):
        return None


def _named(error: CoachError | OSError, name: str) -> str:
    text = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    return text if name in text else f"{name}: {text}"
