"""`manifest.json` as a value: who the bundle is, which files it holds, what changes when a coaching file comes. Pure.

The worker sets `coaching_source` and `bundle_version`, fills in `clip_id` and `created_at_utc` where they are missing,
and owns three entries of `artifacts`; everything else goes through untouched, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from sg_coach.contract import (
    AI_FILE,
    BUNDLE_VERSION,
    COACH_FILE,
    MANIFEST_FILE,
    OTA_PREFIX,
    QUEUED_FILE,
    TAGS_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.errors import InvalidInput
from sg_coach.field_types import ClipId, Int, Rfc3339, is_clip_id

COACH: Final = "coach"
AI_COACH: Final = "ai_coach"
AI_COACH_QUEUED: Final = "ai_coach_queued"

OURS: Final[Mapping[str, tuple[str, str]]] = {
    COACH: (COACH, COACH_FILE),
    AI_COACH: (AI_COACH, AI_FILE),
    AI_COACH_QUEUED: (AI_COACH, QUEUED_FILE),
}
"""Artifact id to (kind, path) of the worker's own entries."""

_OUR_PATHS: Final = {path: artifact_id for artifact_id, (_, path) in OURS.items()}
_UNSAFE_PATH: Final = re.compile(r"\A/|\A[A-Za-z]:|\\|(?:\A|/)\.\.(?:/|\Z)|[\x00-\x1f\x7f]")
_DIGEST: Final = r"^(sha256:)?[0-9a-f]{64}$"

Digest = Annotated[str, StringConstraints(pattern=_DIGEST)]
Source = Literal["deterministic", "hybrid"]
NotEmpty = Annotated[str, StringConstraints(min_length=1)]


def _inside(path: str) -> str:
    if _UNSAFE_PATH.search(path) or path == MANIFEST_FILE:
        raise ValueError("not a path inside the bundle: no leading slash, drive, `..`, backslash, control character")
    return path


def _present(value: object) -> object:
    if value is None:
        raise ValueError("neither deterministic nor hybrid")
    return value


class Artifact(BaseModel):
    """One entry of `artifacts`. Foreign entries may carry any other key; ours have a fixed kind and path."""

    model_config = ConfigDict(frozen=True, extra="allow")

    artifact_id: NotEmpty
    kind: NotEmpty
    path: Annotated[NotEmpty, AfterValidator(_inside)]
    sha256: Digest
    bytes: Annotated[Int, Field(ge=0)]

    @model_validator(mode="after")
    def _ours_are_as_promised(self) -> Self:
        promised = OURS.get(self.artifact_id)
        if promised is None:
            return self
        if (self.kind, self.path) != promised:
            raise ValueError(f"{self.artifact_id} is of kind {promised[0]} and stands at {promised[1]}")
        _check_extra(self.artifact_id, self.model_extra or {})
        return self


class Manifest(BaseModel):
    """`manifest.json` of a v1.1 bundle (contract `bundle_manifest_v1`)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    bundle_version: Literal["v1.1"]
    clip_id: ClipId
    created_at_utc: Rfc3339
    artifacts: tuple[Artifact, ...]
    coaching_source: Annotated[Source | None, BeforeValidator(_present)] = None

    @model_validator(mode="after")
    def _source_is_what_is_listed(self) -> Self:
        listed = _source(entry.kind for entry in self.artifacts)
        if self.coaching_source not in (None, listed):
            raise ValueError(f"coaching_source is {self.coaching_source}, the artifacts say {listed}")
        return self


def check_manifest(document: object) -> list[str]:
    """Return what is wrong with a v1.1 manifest, one line a problem (`artifacts.0.path: …`); empty if it is valid."""
    try:
        Manifest.model_validate(document)
    except ValidationError as error:
        return [_line(detail) for detail in error.errors(include_url=False, include_input=False, include_context=False)]
    return []


def _line(detail: Mapping[str, Any]) -> str:
    field, message = ".".join(map(str, detail["loc"])), detail["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def artifact(artifact_id: str, kind: str, path: str, data: bytes, **extra: object) -> dict[str, Any]:
    """Return the entry of a file that holds `data`."""
    entry = {"artifact_id": artifact_id, "kind": kind, "path": path, "sha256": sha256_bytes(data), "bytes": len(data)}
    return entry | extra


def entries(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of `artifacts` that are objects. Anything may stand in `manifest`."""
    found = manifest.get("artifacts")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def coach_entry(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry of `clip.coach.json`, or None. Anything may stand in `manifest`."""
    return next((entry for entry in entries(manifest) if _whose(entry) == COACH), None)


def lists(manifest: Mapping[str, Any], artifact_id: str) -> bool:
    """Whether one of our files is listed by its id. Anything may stand in `manifest`."""
    return any(entry.get("artifact_id") == artifact_id for entry in entries(manifest))


def manifest_with(
    manifest: Mapping[str, Any],
    *,
    entry: Mapping[str, Any],
    clip_id: str | None = None,
    created_at_utc: str | None = None,
) -> dict[str, Any]:
    """Return `manifest` with one of our entries put in, in the place of the one that it replaces, else at the end.

    `clip_id` and `created_at_utc` are filled in where the manifest has none. Raises InvalidInput if `artifacts` is
    there and is no list (nothing can be added without losing what somebody else wrote), ValueError for an entry that
    is not ours.
    """
    found = manifest.get("artifacts")
    if not isinstance(found, list | None):
        raise InvalidInput(
            "not a list", source=MANIFEST_FILE, field="artifacts", remedy="make it a list of entries or remove it"
        )
    given = {"clip_id": clip_id, "created_at_utc": created_at_utc}
    missing = {key: value for key, value in given.items() if value is not None and manifest.get(key) is None}
    return _with_source({**manifest, **missing, "artifacts": _put(found or [], dict(entry))})


def manifest_without_ours(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return `manifest` without the worker's entries: what a bundle says between two takes of its clip."""
    found = manifest.get("artifacts")
    if not isinstance(found, list):
        return _with_source(dict(manifest))
    return _with_source({**manifest, "artifacts": [entry for entry in found if _whose(entry) is None]})


def parse_clip_identity(tags: Mapping[str, Any] | None, manifest: Mapping[str, Any] | None, folder_name: str) -> str:
    """Return the clip id of a bundle: what the tags or the manifest name, else its folder (without `ota_bundle__`).

    Raises InvalidInput, naming file and field, if the two disagree or the id is not one that may touch a path.
    """
    named = [
        (source, _safe_id(document["clip_id"], source))
        for source, document in ((TAGS_FILE, tags), (MANIFEST_FILE, manifest))
        if document and "clip_id" in document
    ]
    if len(named) == 2 and named[0][1] != named[1][1]:
        raise InvalidInput(
            f"{named[0][1]} disagrees with {MANIFEST_FILE}, which says {named[1][1]}",
            source=TAGS_FILE,
            field="clip_id",
            remedy="make both the same",
        )
    return named[0][1] if named else _safe_id(folder_name.removeprefix(OTA_PREFIX), "the folder's name")


def _safe_id(value: object, source: str) -> str:
    if is_clip_id(value):
        return value
    shown = ascii(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"
    raise InvalidInput(
        f"{shown} is no clip id",
        source=source,
        field="clip_id",
        remedy="use 1 to 128 of A-Z a-z 0-9 . _ - and start with a letter or a digit",
    )


def _whose(entry: object) -> str | None:
    """Which of our files an entry names, by its id or by its path (an older writer used other ids), or None."""
    if not isinstance(entry, dict):
        return None
    artifact_id, path = entry.get("artifact_id"), entry.get("path")
    if isinstance(artifact_id, str) and artifact_id in OURS:
        return artifact_id
    return _OUR_PATHS.get(path) if isinstance(path, str) else None


def _put(found: list[Any], entry: dict[str, Any]) -> list[Any]:
    whose = _whose(entry)
    if whose is None:
        raise ValueError("only the worker's own entries are put into a manifest")
    places = [index for index, old in enumerate(found) if _names(old, whose)] or [len(found)]
    return [*found[: places[0]], entry, *(old for old in found[places[0] + 1 :] if not _names(old, whose))]


def _names(entry: object, whose: str) -> bool:
    """Whether an entry claims this file of ours, by its id or by its path (they may contradict each other)."""
    return isinstance(entry, dict) and (entry.get("artifact_id") == whose or entry.get("path") == OURS[whose][1])


def _with_source(manifest: dict[str, Any]) -> dict[str, Any]:
    source = _source(entry.get("kind") for entry in entries(manifest))
    return {**manifest, "bundle_version": BUNDLE_VERSION, "coaching_source": source}


def _source(kinds: Iterable[object]) -> Source:
    return "hybrid" if any(kind == AI_COACH for kind in kinds) else "deterministic"


def _check_extra(artifact_id: str, extra: Mapping[str, Any]) -> None:
    digest = extra.get("input_sha256", "0" * 64)
    if artifact_id == COACH and not (isinstance(digest, str) and re.fullmatch(_DIGEST, digest)):
        raise ValueError("input_sha256 is not 64 lower-case hexadecimal digits")
    if artifact_id == AI_COACH and extra.get("origin", "live") not in ("live", "prepared"):
        raise ValueError("origin is neither live nor prepared")
