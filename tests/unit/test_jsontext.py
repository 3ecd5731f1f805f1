"""JSON in: what two readers could read differently is refused. JSON out: one text for one value."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.errors import InvalidJson
from sg_coach.jsontext import parse_json, parse_json_object, to_compact_json, to_json_bytes, to_json_text

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_reads_back(value: Any) -> None:
    assert parse_json(to_json_bytes(value)) == value
    assert parse_json(to_compact_json(value).encode()) == value


@given(st.dictionaries(st.text(), values))
def test_the_order_of_keys_does_not_show(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert to_json_text(value) == to_json_text(turned)
    assert to_compact_json(value) == to_compact_json(turned)


def test_the_text_of_a_file() -> None:
    assert to_json_bytes({"b": 1, "a": [1.5, None, "ü♪"]}) == (
        '{\n  "a": [\n    1.5,\n    null,\n    "ü♪"\n  ],\n  "b": 1\n}\n'.encode()
    )
    assert to_compact_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": [float("-inf")]}])
def test_numbers_that_json_does_not_know_are_never_written(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json_text(value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_compact_json(value)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\x00" * 200, "not JSON"),
        (b'{"a": 1}' + b"\x00" * 3, "Extra data"),
        (b'{"a": "cut', "Unterminated string"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1}{"b": 2}', "Extra data"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} // note', "Extra data"),
        (b'{"a": /* note */ 1}', "not JSON"),
        (b'{"a": "x\ny"}', "control character"),
        (b'{"a": "x\x1by"}', "control character"),
        (b'{"a": 1, "b": 2, "a": 3}', "a: the key stands twice"),
        (b'[{"x": {"a": 1, "a": 1}}]', "a: the key stands twice"),
        (b'{"b": 1, "c": 2, "a": 3, "a": 4}', "a: the key stands twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": Infinity}', "Infinity is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "1e400 is out of range"),
        (b'{"a": -1e400}', "out of range"),
        (b'{"a": ' + b"7" * 4000 + b"}", "a number of 4000 digits"),
        (b'{"a": 0.' + b"7" * 4000 + b"}", "out of range"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": +1}', "not JSON"),
        (b'{"a": .5}', "not JSON"),
        (b'{"a": 0x10}', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "byte order mark"),
        ('{"a": 1}'.encode("utf-16-le"), "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        (b'{"a": "\xc0\xaf"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\\ud83c"}', "lone surrogate"),
        (b'{"\\udfff": 1}', "lone surrogate"),
        (b'{"a": "\\x41"}', "not JSON"),
        (b"True", "not JSON"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(raw)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json(b'"\\ud83c\\udfb8"') == "🎸"


def test_a_long_key_that_stands_twice_is_not_echoed() -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(json.dumps({"k" * 5000: 1})[:-1].encode() + b', "' + b"k" * 5000 + b'": 2}')
    assert len(str(caught.value)) < 150


def test_numbers_keep_their_kind() -> None:
    assert [type(number) for number in parse_json(b"[5, 5.0, 5e0, -0.0]")] == [int, float, float, float]


@pytest.mark.parametrize("raw", [b'{"a": ' + b" " * 5 + b"1}", b'{"a": "' + b"x" * 5 + b'"}'])
def test_size_is_limited_before_parsing(raw: bytes) -> None:
    assert parse_json(raw, max_bytes=len(raw)) is not None
    with pytest.raises(InvalidJson, match=f"too large: {len(raw)} bytes, the limit is {len(raw) - 1}"):
        parse_json(raw, max_bytes=len(raw) - 1)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"[]", "a list"),
        (b'"x"', "a string"),
        (b"5", "a number"),
        (b"5.5", "a number"),
        (b"true", "a boolean"),
        (b"null", "null"),
    ],
)
def test_only_an_object_will_do(raw: bytes, kind: str) -> None:
    with pytest.raises(InvalidJson, match=f"the top level is {kind}, an object is needed"):
        parse_json_object(raw)


@given(values, st.integers(0, 40), st.integers(0, 3), st.binary(max_size=3))
def test_damaged_bytes_are_a_value_or_a_clear_error(value: Any, at: int, gone: int, noise: bytes) -> None:
    whole = to_json_bytes(value)
    raw = whole[:at] + noise + whole[at + gone :]
    with contextlib.suppress(InvalidJson):
        assert parse_json(raw) == json.loads(raw)


def test_an_error_names_its_file() -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(b'{"a": 1, "a": 2}')
    assert str(caught.value.in_file("session.json")) == "session.json: a: the key stands twice; keep one"
