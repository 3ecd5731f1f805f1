"""The types of fields that the contracts share: numbers, ids, times, texts.

Numbers are strict: `"5"` and `true` are refused where a number is meant, `5.0` is accepted for an integer (JSON does
not tell them apart), NaN and infinities are refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeGuard
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from .contract import CLIP_ID_PATTERN
from .timestamps import check_rfc3339, check_utc_text

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CLIP_ID: Final = re.compile(CLIP_ID_PATTERN)


def whole_number(value: object) -> object:
    """JSON has one number type: 5.0 is the integer 5."""
    return int(value) if type(value) is float and value.is_integer() else value


def _canonical_uuid(value: object) -> object:
    """Accept only the 8-4-4-4-12 form (any case); braces, URNs and bare hex are refused."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise ValueError("not a UUID of the form 8-4-4-4-12 hexadecimal digits")


def is_clip_id(value: object) -> TypeGuard[str]:
    """Whether a value is a clip id: nothing else may become a part of a path."""
    return isinstance(value, str) and _CLIP_ID.fullmatch(value) is not None


def _safe_clip_id(value: object) -> object:
    if is_clip_id(value):
        return value
    raise ValueError("a clip id is 1 to 128 of A-Z a-z 0-9 . _ - and starts with a letter or a digit")


Int = Annotated[int, BeforeValidator(whole_number), Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Ratio = Annotated[Number, Field(ge=0, le=1)]
Milliseconds = Annotated[Number, Field(ge=0)]
Uuid = Annotated[UUID, BeforeValidator(_canonical_uuid)]
ClipId = Annotated[str, BeforeValidator(_safe_clip_id)]
Rfc3339 = Annotated[str, BeforeValidator(check_rfc3339)]
UtcText = Annotated[str, BeforeValidator(check_utc_text)]
NotBlank = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
