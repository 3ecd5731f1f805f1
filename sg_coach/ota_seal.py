"""One id and one form as bytes for a document of a bundle, so that any damage to it shows. Pure.

A sealed document carries a UUIDv5 of all its other fields, and is written in one form: sorted keys, indent of 2,
a newline at the end. This finds damage, not forgery: for that there are signatures (`ota_signing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel

from .errors import CoachError
from .jsontext import to_compact_json, to_json_bytes

Document = TypeVar("Document", bound=BaseModel)


def content_id(document: Mapping[str, Any], id_field: str, namespace: UUID) -> UUID:
    """Return the UUIDv5 of a document's compact JSON (sorted keys) without the field `id_field`."""
    return uuid5(namespace, to_compact_json({key: item for key, item in document.items() if key != id_field}))


def sealed(document: Document, id_field: str, namespace: UUID) -> Document:
    """Return the document with the id that its content gives."""
    made = content_id(document.model_dump(mode="json"), id_field, namespace)
    return document.model_copy(update={id_field: made})


def check_seal(raw: bytes, document: BaseModel, id_field: str, namespace: UUID, error: type[CoachError]) -> None:
    """Raise `error` if the document's id is not the one of its content, or `raw` is not its form as bytes."""
    content = document.model_dump(mode="json")
    if content[id_field] != str(content_id(content, id_field, namespace)):
        raise error(f"{id_field} does not fit the content: the file was changed after it was made")
    if raw != document_bytes(document):
        raise error("not written in the one form (sorted keys, indent of 2): the file was changed after it was made")


def document_bytes(document: BaseModel) -> bytes:
    """Return the document as it stands on disk."""
    return to_json_bytes(document.model_dump(mode="json"))
