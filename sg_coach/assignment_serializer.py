"""Values of the coach as JSON. Pure; the same value gives the same text, whatever the process or the hash seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from .jsontext import to_json_text
from .models import PracticeAssignment
from .timestamps import utc_text


def to_jsonable(value: object) -> Any:
    """Return `value` made of dict, list, str, int, float, bool and None.

    Takes models, dataclasses, enums, UUIDs, paths, aware datetimes (as UTC with milliseconds), mappings (keys become
    text), sequences and sets (sorted by their JSON text). Raises TypeError for anything else. NaN and infinities
    pass here and are refused by the writer (`jsontext`).
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return to_jsonable(asdict(value))
    if isinstance(value, Enum):
        return to_jsonable(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _from_container(value) if isinstance(value, Mapping | list | tuple | set | frozenset) else _as_text(value)


def _from_container(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]) -> Any:
    if isinstance(value, Mapping):
        return {str(to_jsonable(key)): to_jsonable(item) for key, item in value.items()}
    items = [to_jsonable(item) for item in value]
    return sorted(items, key=to_json_text) if isinstance(value, set | frozenset) else items


def _as_text(value: object) -> str:
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, datetime):
        return utc_text(value)
    raise TypeError(f"no JSON form for a {type(value).__name__}")


def assignment_to_jsonable(assignment: PracticeAssignment) -> dict[str, Any]:
    """Return the content of `assignment.json`: every field, null where nothing is asked."""
    return assignment.model_dump(mode="json")


def assignment_to_json(assignment: PracticeAssignment) -> str:
    """Return the text of `assignment.json`: sorted keys, indent of 2, a newline at the end."""
    return to_json_text(assignment_to_jsonable(assignment))
