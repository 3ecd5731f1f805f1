"""Reading a JSON document of a bundle that may be anybody's: bounded, whole or not at all. Blocking."""

from __future__ import annotations

from typing import Any

from .contract import MAX_DOCUMENT_BYTES
from .errors import InvalidInput, UnsafePath
from .files import Folder
from .jsontext import parse_json_object


def document_or_none(folder: Folder, name: str) -> dict[str, Any] | None:
    """Return a document that helps but is not needed: one that cannot be read counts as absent. Raises OSError."""
    try:
        raw = folder.read_if_there(name, MAX_DOCUMENT_BYTES)
        return None if raw is None else parse_json_object(raw)
    except (InvalidInput, UnsafePath):
        return None
