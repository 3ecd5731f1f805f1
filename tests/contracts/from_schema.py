"""Documents drawn from a JSON Schema file itself, for the keywords that our contracts use (others are refused).

Most of what comes out is valid, all of it has the schema's shape; the test asks both readers for their verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Any]

ANNOTATIONS: Final = {"$schema", "$comment", "$defs", "title", "description", "default", "format"}
UNDERSTOOD: Final = {
    "$ref", "const", "enum", "anyOf", "type", "not", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "items", "maxItems",
    "properties", "required", "additionalProperties", "allOf",
}  # fmt: skip


def documents_of(schema: Schema, files: Mapping[str, Schema]) -> Strategy:
    """Return a strategy for `schema`; `files` holds the schemas that it may refer to, by file name."""
    return _any(schema, schema, files)


def _any(schema: Schema, root: Schema, files: Mapping[str, Schema]) -> Strategy:
    unknown = set(schema) - ANNOTATIONS - UNDERSTOOD
    if unknown:
        raise NotImplementedError(f"teach the generator what these keywords mean: {sorted(unknown)}")
    if "$ref" in schema:
        return _referred(schema["$ref"], root, files)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_any(option, root, files) for option in schema["anyOf"]])
    if "type" not in schema:
        return st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_BY_TYPE[kind](schema, root, files) for kind in types])


def _referred(ref: str, root: Schema, files: Mapping[str, Schema]) -> Strategy:
    if ref.startswith("#/$defs/"):
        return _any(root["$defs"][ref.removeprefix("#/$defs/")], root, files)
    return _any(files[ref], files[ref], files)


def _object(schema: Schema, root: Schema, files: Mapping[str, Schema]) -> Strategy:
    variants = [schema, *(_special(schema, rule) for rule in schema.get("allOf", ()))]
    return st.one_of([_plain_object(variant, root, files) for variant in variants])


def _special(schema: Schema, rule: Schema) -> Schema:
    """The schema where an if/then of it applies."""
    fixed = {**rule["if"]["properties"], **rule["then"]["properties"]}
    typed = {key: value for key, value in fixed.items() if set(value) & {"const", "enum", "type", "$ref"}}
    return {**schema, "properties": {**schema["properties"], **typed}}


def _plain_object(schema: Schema, root: Schema, files: Mapping[str, Schema]) -> Strategy:
    inner = {key: _any(value, root, files) for key, value in schema["properties"].items()}
    required = {key: inner[key] for key in schema.get("required", ())}
    optional = {key: value for key, value in inner.items() if key not in required}
    if schema.get("additionalProperties", True):
        optional["a key of somebody else"] = st.text() | st.lists(st.integers())
    return st.fixed_dictionaries(required, optional=optional)


def _array(schema: Schema, root: Schema, files: Mapping[str, Schema]) -> Strategy:
    return st.lists(_any(schema["items"], root, files), max_size=schema.get("maxItems", 5))


def _string(schema: Schema, *_: object) -> Strategy:
    longest = schema.get("maxLength")
    strings: st.SearchStrategy[str]
    if "pattern" in schema:
        strings = st.from_regex(re.compile(schema["pattern"]))
        strings = strings.filter(lambda text: longest is None or len(text) <= longest)
    else:
        strings = st.text(min_size=schema.get("minLength", 0), max_size=longest)
    if "not" not in schema:
        return strings
    refused = Draft202012Validator(schema["not"])
    return strings.filter(lambda text: not refused.is_valid(text))


def _number(schema: Schema, *_: object) -> Strategy:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    open_end = "exclusiveMinimum" in schema
    return st.floats(low, high, exclude_min=open_end, allow_nan=False, allow_infinity=False)


def _integer(schema: Schema, *_: object) -> Strategy:
    whole = st.integers(schema.get("minimum"), schema.get("maximum"))
    return whole | whole.filter(lambda number: abs(number) < 2**53).map(float)


_BY_TYPE: Final[Mapping[str, Callable[..., Strategy]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
}
