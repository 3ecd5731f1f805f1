"""Reading the JSON documents of a bundle that may be anybody's: bounded, whole or not at all. Blocking."""

from __future__ import annotations

from typing import Any

from sg_coach.contract import MAX_DOCUMENT_BYTES
from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object


def document_and_digest(folder: Folder, name: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return a document and the digest of its bytes; both None if it is not there or cannot be read."""
    try:
        raw = folder.read_if_there(name, MAX_DOCUMENT_BYTES)
        return (None, None) if raw is None else (parse_json_object(raw), sha256_bytes(raw))
    except CoachError:
        return None, None


def entry_of(manifest: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """Return the manifest's entry of the file `name`, or None. Anything may stand in a manifest."""
    artifacts = (manifest or {}).get("artifacts")
    entries = artifacts if isinstance(artifacts, list) else []
    return next((one for one in entries if isinstance(one, dict) and one.get("path") == name), None)


def is_listed(manifest: dict[str, Any] | None, name: str, digest: str | None) -> bool:
    """Whether the manifest names this very file (a bare hash without its prefix counts too)."""
    entry = entry_of(manifest, name)
    if entry is None or digest is None:
        return False
    return "sha256:" + str(entry.get("sha256", "")).removeprefix("sha256:") == digest
