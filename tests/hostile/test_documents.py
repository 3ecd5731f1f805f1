"""JSON: bytes that two programs could read differently, as a take, as a manifest and as an entry of the queue."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sg_coach.jsontext import to_json_bytes
from sg_hybrid.queue_entry import entry_name
from tests.fakes import EPOCH
from tests.late_replies import queued

from .place import GOOD_SESSION, Place, is_coached, refusal

Damage = Callable[[bytes], bytes]


def with_value(value: bytes) -> Damage:
    """Put another key with that value in front."""
    return lambda whole: b'{"more": ' + value + b"," + whole.strip()[1:]


BYTES: dict[str, Damage] = {
    "JSON-01-no-bytes": lambda _whole: b"",
    "JSON-02-200-nuls": lambda _whole: bytes(200),
    "JSON-03-valid-and-nuls": lambda whole: whole + bytes(64),
    "JSON-04-cut-in-a-string": lambda whole: whole[: whole.rindex(b'"') - 2],
    "JSON-05-scalar": lambda _whole: b"5",
    "JSON-05-list": lambda whole: b"[" + whole + b"]",
    "JSON-06-duplicate-keys": with_value(b'1, "more": 2'),
    "JSON-07-nan": with_value(b"NaN"),
    "JSON-07-infinity": with_value(b"-Infinity"),
    "JSON-07-1e400": with_value(b"1e400"),
    "JSON-08-4000-digits": with_value(b"9" * 4000),
    "JSON-09-depth-500": with_value(b"[" * 500 + b"]" * 500),
    "JSON-09-depth-100000": with_value(b"[" * 100_000 + b"]" * 100_000),
    "JSON-10-10-mb-string": with_value(b'"' + b"x" * 10_000_000 + b'"'),
    "JSON-11-100000-keys": lambda _whole: json.dumps({f"k{number}": 1 for number in range(100_000)}).encode(),
    "JSON-12-byte-order-mark": lambda whole: b"\xef\xbb\xbf" + whole,
    "JSON-13-utf-16": lambda whole: whole.decode().encode("utf-16"),
    "JSON-14-byte-ff": with_value(b'"\xff"'),
    "JSON-14-byte-c0-af": with_value(b'"\xc0\xaf"'),
    "JSON-14-byte-ed-a0-80": with_value(b'"\xed\xa0\x80"'),
    "JSON-15-raw-control-character": with_value(b'"\x07"'),
    "JSON-16-comment": lambda whole: whole + b"// said",
    "JSON-16-trailing-comma": lambda whole: whole.strip()[:-1] + b",}",
    "JSON-16-single-quotes": lambda whole: whole.replace(b'"', b"'"),
    "JSON-17-two-documents": lambda whole: whole + whole,
}
HARMLESS_TAKES = {"JSON-09-depth-500"}
"""A key that nobody knows is passed over, whatever stands in it."""

HARMLESS_MANIFESTS = {"JSON-09-depth-500", "JSON-11-100000-keys"}
"""Foreign keys of a manifest go through, whatever they are, up to its limits."""


@pytest.mark.parametrize("name", BYTES)
async def test_bytes_that_are_no_document_of_ours(name: str, tmp_path: Path) -> None:
    damage, place = BYTES[name], Place(tmp_path)
    take, manifest = damage(to_json_bytes(GOOD_SESSION)), damage(b'{"artifacts": [], "generator": "x"}\n')
    bad_take = place.bundle("clip_x", {"session.json": take})
    bad_manifest = place.bundle("clip_y", {"manifest.json": manifest})
    entry = place.pending / entry_name("clip_x")
    entry.write_bytes(damage(to_json_bytes(queued("clip_x", EPOCH).model_dump(mode="json"))))
    os.utime(entry, (1, 1))

    await place.drain()

    if name in HARMLESS_TAKES:
        assert is_coached(bad_take)
    else:
        assert refusal(bad_take).startswith("session.json: ")
    assert (bad_take / "session.json").read_bytes() == take
    assert (bad_manifest / "clip.coach.json").exists()
    if name not in HARMLESS_MANIFESTS:
        assert (bad_manifest / "manifest.json").read_bytes() == manifest
        assert any("manifest.json" in str(event.get("error")) for event in place.logs)
    else:
        assert is_coached(bad_manifest)
    assert place.rejected().startswith(entry.name)
    assert len(place.rejected()) < 400


ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "JSON-18-text-for-an-integer": ({"ai_latency_ms": "5"}, "ai_latency_ms"),
    "JSON-18-true-for-an-integer": ({"ai_latency_ms": True}, "ai_latency_ms"),
    "JSON-19-wrong-schema-id": ({"schema_id": "coaching_deterministic"}, "schema_id"),
    "JSON-19-v2": ({"schema_version": "v2"}, "schema_version"),
    "JSON-20-confidence-1.5": ({"confidence": 1.5}, "confidence"),
    "JSON-21-latency-minus-1": ({"ai_latency_ms": -1}, "ai_latency_ms"),
    "JSON-22-queued-contradicts-its-place": ({"queued": False}, "queued"),
    "JSON-23-clip-id-contradicts-the-file-name": ({"clip_id": "clip_other"}, "clip_id"),
}


@pytest.mark.parametrize("name", ENTRIES)
async def test_an_entry_with_a_value_that_cannot_be(name: str, tmp_path: Path) -> None:
    changes, field = ENTRIES[name]
    place = Place(tmp_path)
    entry = place.pending / entry_name("clip_x")
    entry.write_bytes(to_json_bytes(queued("clip_x", EPOCH).model_dump(mode="json") | changes))
    os.utime(entry, (1, 1))

    await place.drain()

    assert place.rejected().startswith(f"{entry.name}: {field}: ")


@pytest.mark.parametrize(
    ("value", "fits"), [("8", False), (8.0, True), (True, False)], ids=["JSON-18-text", "JSON-18-5.0", "JSON-18-true"]
)
async def test_a_take_whose_integer_is_another_type(value: object, fits: bool, tmp_path: Path) -> None:
    """RFC 8259 knows one kind of number: 8.0 is 8, as JSON Schema has it; text and booleans are none."""
    place = Place(tmp_path)
    bundle = place.bundle(files={"session.json": to_json_bytes(GOOD_SESSION | {"bars": value})})

    await place.drain()

    assert is_coached(bundle) is fits
    assert fits or refusal(bundle).startswith("session.json: bars: ")
