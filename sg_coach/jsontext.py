"""JSON in and out, the one way this product does it.

Reading is strict where parsers differ (RFC 8259 leaves these open): UTF-8 without a byte order mark, no duplicate
keys, no NaN or infinities, no lone surrogates, bounded size, depth and number length. Writing is deterministic:
sorted keys, indent of 2, a newline at the end, non-ASCII characters as themselves.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from .errors import InvalidJson

MAX_NUMBER_LENGTH: Final = 64
"""Longest number literal, in characters; nothing in our contracts needs more than 20."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def to_json_text(value: object) -> str:
    """Return `value` as indented JSON with sorted keys and a newline at the end."""
    return _ENCODER.encode(value) + "\n"


def to_json_bytes(value: object) -> bytes:
    """Return `to_json_text(value)` as UTF-8."""
    return to_json_text(value).encode("utf-8")


def to_compact_json(value: object) -> str:
    """Return `value` as one line of JSON with sorted keys: for logs, digests and requests."""
    return _COMPACT.encode(value)


def parse_json(raw: bytes, *, max_bytes: int | None = None) -> Any:
    """Return the value that `raw` holds.

    Raises InvalidJson, saying what is wrong and where, for anything that two readers could read differently.
    """
    if max_bytes is not None and len(raw) > max_bytes:
        raise InvalidJson(f"too large: {len(raw)} bytes, the limit is {max_bytes}")
    text = _decode(raw)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise InvalidJson("not usable: nested too deeply") from error
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def parse_json_object(raw: bytes, *, max_bytes: int | None = None) -> dict[str, Any]:
    """Return the object that `raw` holds; raise InvalidJson if the top level is anything else."""
    value = parse_json(raw, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise InvalidJson(f"the top level is {_kind(value)}, an object is needed")
    return value


def _decode(raw: bytes) -> str:
    if not raw.strip():
        raise InvalidJson("empty")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidJson("starts with a byte order mark; write plain UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJson(f"not UTF-8 at byte {error.start}") from error


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidJson("the key stands twice; keep one", field=twice[:80])
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not a JSON number")


def _to_int(literal: str) -> int:
    if len(literal) > MAX_NUMBER_LENGTH:
        raise InvalidJson(f"a number of {len(literal)} digits")
    return int(literal)


def _to_float(literal: str) -> float:
    number = float(literal) if len(literal) <= MAX_NUMBER_LENGTH else math.inf
    if not math.isfinite(number):
        raise InvalidJson(f"the number {literal[:20]} is out of range")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_to_int, parse_float=_to_float
)


def _refuse_lone_surrogates(value: object) -> None:
    try:
        _COMPACT.encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidJson("a string holds a lone surrogate (half of a character)") from error
