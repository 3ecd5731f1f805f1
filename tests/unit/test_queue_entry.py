"""Entries and contexts of the queue: what passes, and what is said about what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.errors import InvalidInput
from sg_hybrid import queue_entry
from sg_hybrid.queue_entry import ClaimedFor, StoredContext, context_bytes, parse_context, parse_entry
from tests.late_replies import addendum, context, queued

WHEN = "2026-02-04T12:34:56.789Z"
NAME = "clip_a_ai_addendum.json"

GOOD_IDS = ["a", "clip_a", "A.b-c_9", "x" * 128, "clip_a_ai_addendum.json", "a.tmp", "a..b", "0"]
BAD_IDS = [
    *["", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\n", "a\x1b[2J", "x" * 129, "x" * 239],
    *["é" * 128, ".hidden", "-rf", "_a", "~root", "a%2fb", "a b", "a\u202eb", "．．", "e\u0301", "\udc80", "a:b"],
]


def document(**changes: Any) -> dict[str, Any]:
    return queued("clip_a", WHEN).model_dump(mode="json") | changes


def raw(**changes: Any) -> bytes:
    return json.dumps(document(**changes)).encode()


# Names


@pytest.mark.parametrize("clip_id", GOOD_IDS)
def test_names_lead_back_to_their_clip(clip_id: str) -> None:
    assert queue_entry.clip_of_entry(queue_entry.entry_name(clip_id)) == clip_id
    assert queue_entry.clip_of_context(queue_entry.context_name(clip_id)) == clip_id
    for number in (0, 1, 17):
        assert queue_entry.clip_of_copy(queue_entry.copy_name(clip_id, number)) == (clip_id, number)


@pytest.mark.parametrize("clip_id", BAD_IDS)
def test_what_is_no_clip_id_never_becomes_a_path(clip_id: str) -> None:
    with pytest.raises(InvalidInput, match="clip_id"):
        queue_entry.entry_name(clip_id)
    with pytest.raises(InvalidInput, match="clip_id"):
        queue_entry.context_name(clip_id)
    assert queue_entry.clip_of_entry(f"{clip_id}_ai_addendum.json") is None
    assert queue_entry.clip_of_copy(f"{clip_id}_ai_addendum.1.json") is None


@pytest.mark.parametrize("name", ["clip_a.json", ".clip_a_ai_addendum.json.77-0.tmp", "clip_a_ai_addendum.json.why"])
def test_other_names_are_no_entries(name: str) -> None:
    assert queue_entry.clip_of_entry(name) is None
    assert queue_entry.clip_of_copy(name) is None


def test_a_further_copy_does_not_match_the_readers_pattern() -> None:
    assert queue_entry.copy_name("clip_a", 1) == "clip_a_ai_addendum.1.json"
    assert queue_entry.clip_of_entry("clip_a_ai_addendum.1.json") is None


# Entries


def test_an_entry_is_indented_json_with_sorted_keys_and_a_newline() -> None:
    text = queue_entry.entry_bytes(queued("clip_a", WHEN)).decode()

    keys = list(json.loads(text))
    assert keys == sorted(keys)
    assert text.startswith('{\n  "ai_available": true')
    assert text.endswith("}\n")


def test_what_is_written_is_read_back() -> None:
    reply = queued("clip_a", WHEN, timing_insight="Too early on 2.", confidence=0.5)

    entry = parse_entry(queue_entry.entry_bytes(reply), "clip_a")

    assert entry.addendum == reply
    assert entry.queued_at.isoformat() == "2026-02-04T12:34:56.789000+00:00"
    assert entry.digest.startswith("sha256:")


def test_a_whole_number_may_be_written_with_a_fraction() -> None:
    assert parse_entry(raw(ai_latency_ms=5.0), "clip_a").addendum.ai_latency_ms == 5


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "2026-02-04T12:34:56+14:00",
        "2026-02-04T12:34:56.123456789Z",
    ],
)
def test_unusual_but_possible_times_are_read(text: str) -> None:
    assert parse_entry(raw(queued_at_utc=text), "clip_a").addendum.queued_at_utc == text


BAD_VALUES: dict[str, list[Any]] = {
    "clip_id": ["clip_b", "CLIP_A", "", None, 5, ["clip_a"], "../clip_a"],
    "queued": [False, None, "true", 1],
    "queued_at_utc": [
        *[None, "", "yesterday", "2026-02-04", 1770208496, "2026-02-04T12:34:56", "2026-02-30T12:34:56Z"],
        *["2026-02-04T12:34:60Z", "2026-02-04T12:34:56+99:99", "0000-01-01T00:00:00Z"],
    ],
    "schema_id": ["coaching_deterministic", None],
    "schema_version": ["v2", 1],
    "ai_latency_ms": [-1, "5", True, 1.5, None, 10**70],
    "ai_available": ["yes", 1, None],
    "model_id": ["", "claude", "A:b@c", "a:b@c\n"],
    "confidence": [1.5, -0.1, "0.5", True],
    "ai_groove_score": [101, -1],
    "ai_groove_breakdown": [{"timing": 2}, {"swing": 0.5}, []],
    "coaching_tip": ["x" * 301, 5, None, ""],
    "score": [72.5],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD_VALUES.items() for value in values]
)
def test_a_bad_value_is_refused_by_file_and_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_entry(raw(**{field: value}), "clip_a")

    assert NAME in str(refused.value)
    assert field in str(refused.value) or isinstance(value, int)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("field", ["schema_id", "clip_id", "ai_available", "ai_latency_ms", "model_id", "queued"])
def test_a_missing_field_is_refused(field: str) -> None:
    facts = document()
    del facts[field]

    with pytest.raises(InvalidInput, match=field):
        parse_entry(json.dumps(facts).encode(), "clip_a")


GOOD = json.dumps(document()).encode()
BAD_BYTES = {
    "empty": b"",
    "zeros": bytes(200),
    "zeros at the end": GOOD + bytes(64),
    "cut in a string": GOOD[: GOOD.index(b"Land") + 2],
    "scalar": b"5",
    "list": b"[" + GOOD + b"]",
    "duplicate keys": GOOD[:-1] + b', "clip_id": "clip_a"}',
    "NaN": GOOD.replace(b"812", b"NaN"),
    "infinity": GOOD.replace(b"812", b"Infinity"),
    "1e400": GOOD.replace(b"812", b"1e400"),
    "4,000 digits": GOOD.replace(b"812", b"9" * 4000),
    "depth 500": GOOD[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}",
    "depth 100,000": b"[" * 100_000,
    "10 MB string": GOOD.replace(b"Land", b"x" * 10_000_000),
    "100,000 keys": json.dumps({f"k{i}": 1 for i in range(100_000)}).encode(),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "byte FF": GOOD.replace(b"Land", b"\xff"),
    "overlong": GOOD.replace(b"Land", b"\xc0\xaf"),
    "surrogate bytes": GOOD.replace(b"Land", b"\xed\xa0\x80"),
    "lone surrogate": GOOD.replace(b"Land", b"\\ud800"),
    "raw control character": GOOD.replace(b"Land", b"La\x01nd"),
    "comment": GOOD + b"// ok",
    "trailing comma": GOOD[:-1] + b",}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "two documents": GOOD + b"\n" + GOOD,
}


@pytest.mark.parametrize("data", BAD_BYTES.values(), ids=BAD_BYTES.keys())
def test_bad_bytes_are_refused_with_a_short_reason(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=NAME) as refused:
        parse_entry(data, "clip_a")

    assert len(str(refused.value)) < 400


def test_a_reply_that_says_nothing_has_no_place_in_the_queue() -> None:
    with pytest.raises(InvalidInput, match="says nothing"):
        parse_entry(raw(coaching_tip=None, timing_insight="", exercise_hint=None), "clip_a")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_entry(data, "clip_a")


# The same reply in another place


def test_a_rejected_entry_gets_a_new_time_and_its_place() -> None:
    entry = queue_entry.requeued(raw(queued=False, queued_at_utc="yesterday"), "clip_a", WHEN)

    assert entry.addendum == queued("clip_a", WHEN)


def test_what_is_wrong_with_it_otherwise_stays_wrong() -> None:
    with pytest.raises(InvalidInput, match="confidence"):
        queue_entry.requeued(raw(confidence=7), "clip_a", WHEN)


def test_a_reply_is_recognised_whatever_the_queue_set() -> None:
    reply = queued("clip_a", WHEN)

    assert queue_entry.holds_reply(queue_entry.entry_bytes(reply), addendum("clip_a"))
    assert queue_entry.holds_reply(raw(queued_at_utc="2026-02-05T00:00:00.000Z"), reply)
    assert not queue_entry.holds_reply(raw(ai_latency_ms=813), reply)
    assert not queue_entry.holds_reply(b"{", reply)


# Contexts

DIGEST = "sha256:" + "0" * 64
STORED = StoredContext(context(), DIGEST, ClaimedFor("/music/bundles/clip_now", "sha256:" + "1" * 64))


@pytest.mark.parametrize("stored", [STORED, StoredContext(context(), DIGEST)], ids=["claimed", "waiting"])
def test_a_context_is_read_back(stored: StoredContext) -> None:
    assert parse_context(context_bytes(stored), "clip_a") == stored


@given(st.binary(min_size=1, max_size=40).filter(lambda data: b"\0" not in data))
def test_any_bundle_path_is_read_back_also_one_that_is_not_utf8(data: bytes) -> None:
    path = "/" + data.decode("utf-8", "surrogateescape")
    stored = StoredContext(context(bundle=path), DIGEST, ClaimedFor(path, DIGEST))

    assert parse_context(context_bytes(stored), "clip_a") == stored


def test_a_context_of_another_clip_counts_as_absent() -> None:
    assert parse_context(context_bytes(STORED), "clip_b") is None


@pytest.mark.parametrize(
    "change",
    [
        *[{"session_id": 5}, {"focus": None}, {"entry_sha256": "abc"}, {"claimed_for": "x"}, {"claimed_for": {}}],
        *[{"claimed_for": {"bundle": 5, "sha256": DIGEST}}, {"bundle": []}],
        *[{"bundle": "/a\0b"}, {"bundle": "file:///a%00b"}],
        *[{"claimed_for": {"bundle": path, "sha256": DIGEST}} for path in ("/a\0b", "file:///a%00b")],
    ],
)
def test_a_broken_context_counts_as_absent(change: dict[str, Any]) -> None:
    facts = json.loads(context_bytes(STORED)) | change

    assert parse_context(json.dumps(facts).encode(), "clip_a") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_context_or_none(data: bytes) -> None:
    assert parse_context(data, "clip_a") is None
    assert parse_context(None, "clip_a") is None
