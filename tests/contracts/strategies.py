"""Documents for the contract tests: made by hand from the prose of the contracts, and broken in every small way."""

from __future__ import annotations

import copy
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from sg_coach.timestamps import utc_text

Document = dict[str, Any]

numbers = st.floats(allow_nan=False, allow_infinity=False)
ratios = st.floats(0, 1)
names = st.text(min_size=1, max_size=40)
uuids = st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
instants = st.datetimes(timezones=st.just(UTC))
utc_texts = instants.map(utc_text)
moments = utc_texts | st.builds(
    lambda moment, zone: moment.replace(tzinfo=None).isoformat() + zone,
    instants,
    st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-12:00", "+14:00", "+23:59"]),
)


def document(required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


decisions = document(
    {
        "difficulty_delta": st.floats(-0.1, 0.1),
        "tempo_delta_bpm": st.floats(-10, 10) | st.integers(-10, 10),
        "density_bucket": st.sampled_from(["sparse", "medium", "dense"]),
        "syncopation_bucket": st.sampled_from(["straight", "light", "heavy"]),
    },
    {},
)
coachings = document(
    {
        "schema_id": st.just("coaching_deterministic"),
        "schema_version": st.just("v1"),
        "session_id": uuids,
        "clip_id": names,
        "created_at_utc": utc_texts,
        "score": st.floats(0, 100) | st.integers(0, 100),
        "take_result": st.sampled_from(["pass", "struggle", "fail"]),
        "policy_id": names,
        "decision": decisions,
        "coach_hint": st.text(min_size=1, max_size=500),
    },
    {"score_trend": maybe(numbers), "rationale": st.text()},
)
breakdowns = document({}, {"timing": ratios, "dynamics": ratios, "feel": ratios})
texts = maybe(st.text(max_size=300))
addenda = document(
    {
        "schema_id": st.just("coaching_ai_addendum"),
        "schema_version": st.just("v1"),
        "clip_id": st.text(),
        "ai_available": st.booleans(),
        "ai_latency_ms": st.integers(0, 10**9) | st.integers(0, 10**6).map(float),
        "model_id": st.from_regex(r"[a-z0-9_-]+:[a-z0-9_.-]+@[a-z0-9_.-]+", fullmatch=True),
    },
    {
        "coaching_tip": texts,
        "timing_insight": texts,
        "exercise_hint": texts,
        "ai_groove_score": maybe(st.floats(0, 100)),
        "ai_groove_breakdown": maybe(breakdowns),
        "confidence": maybe(ratios),
        "queued": st.booleans(),
        "queued_at_utc": maybe(moments),
    },
)
envelopes = document(
    {
        "schema_id": st.just("coaching_envelope"),
        "schema_version": st.just("v1"),
        "source": st.sampled_from(["deterministic", "hybrid"]),
        "deterministic": coachings,
    },
    {
        "ai": maybe(addenda),
        "ai_request_status": st.sampled_from(["not_requested", "success", "timeout", "error", "disabled", None]),
        "total_latency_ms": maybe(st.integers(0, 10**9)),
    },
)
sessions = document(
    {
        "session_id": uuids,
        "program": document(
            {"kind": st.sampled_from(["ztprog", "ztex", "live"]), "name": names},
            {"path": maybe(st.text(max_size=1000))},
        ),
        "bpm": st.floats(0, 1000, exclude_min=True),
        "bars": st.integers(1, 10**6),
        "timing_mean_error_ms": st.floats(0, 1000),
        "timing_p95_error_ms": st.floats(0, 1000),
        "total_events": st.integers(10**6, 10**9),
        "notes_on_grid_ratio": ratios,
    },
    {
        "device_id": maybe(st.text(max_size=200)),
        "started_at": maybe(moments),
        "ended_at": maybe(moments),
        "meter": st.sampled_from(["4/4", "2/4", "3/4", "5/4", "6/8", "12/8"]),
        "grid": st.sampled_from([8, 16, 8.0, 16.0]),
        "late_events": st.integers(0, 10**6),
        "clave_hit_ratio": maybe(ratios),
        "panic_used": st.booleans(),
        "underrun_detected": st.booleans(),
        "coach_contract": st.just("v1"),
        "midi_contract": maybe(st.text(max_size=40)),
        "error_by_beat_ms": maybe(st.lists(maybe(numbers), max_size=12)),
        "latency_removed_ms": maybe(st.floats(-80, 80)),
        "timing_p95_se_ms": maybe(st.floats(0, 500)),
        "timing_measurable": maybe(st.booleans()),
        "take_sha256": maybe(st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)),
        "a key of a newer firmware": st.text() | numbers,
    },
)
clip_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.from_regex(r"(sha256:)?[0-9a-f]{64}", fullmatch=True)
foreign_artifacts = document(
    {
        "artifact_id": names.filter(lambda name: name not in {"coach", "ai_coach", "ai_coach_queued"}),
        "kind": st.sampled_from(["midi", "tags", "attachment"]),
        "path": st.sampled_from(["clip.mid", "a/b.mid", "..a/b..", "clip..mid", "ünï code.mid", "12:b", ".hidden"]),
        "sha256": digests,
        "bytes": st.integers(0, 10**12),
    },
    {"origin": st.text() | numbers, "input_sha256": st.none(), "note": st.text()},
)
coach_artifacts = document(
    {
        "artifact_id": st.just("coach"),
        "kind": st.just("coach"),
        "path": st.just("clip.coach.json"),
        "sha256": digests,
        "bytes": st.integers(0, 10**6),
    },
    {"input_sha256": digests},
)
ai_artifacts = document(
    {
        "artifact_id": st.just("ai_coach"),
        "kind": st.just("ai_coach"),
        "path": st.just("clip.ai_coach.json"),
        "sha256": digests,
        "bytes": st.integers(0, 10**6),
    },
    {"origin": st.sampled_from(["live", "prepared"])},
)


@st.composite
def manifests(draw: st.DrawFn) -> Document:
    artifacts = draw(st.lists(foreign_artifacts | coach_artifacts | ai_artifacts, max_size=4))
    found: Document = {
        "bundle_version": "v1.1",
        "clip_id": draw(clip_ids),
        "created_at_utc": draw(moments),
        "artifacts": artifacts,
    }
    if draw(st.booleans()):
        of_the_ai = any(entry["kind"] == "ai_coach" for entry in artifacts)
        found["coaching_source"] = "hybrid" if of_the_ai else "deterministic"
    if draw(st.booleans()):
        found[draw(names.filter(lambda name: name not in found and name != "coaching_source"))] = draw(st.text())
    return found


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 5.0, 5.5, -0.0, 1e300, -1e300, 10**30, 0.1, 1.0000001, 100, 100.5, 501,
    "", " ", "\n", "5", "v1", "v2", "v1\n", "pass", "PASS", "live", "coach", "ai_coach", "hybrid", "4/4", "7/8",
    "x" * 301, "x" * 501, "x" * 1001, "clip.coach.json", "manifest.json", "../x", "a/../b", "a/..", "..\n", "/x", "C:x",
    "a\\b", "a\x00b", "a\nb", "0" * 64, "sha256:" + "0" * 64, "sha256:" + "0" * 64 + "\n", "0" * 64 + "\n", "F" * 64,
    "550e8400-e29b-41d4-a716-446655440000", "{550e8400-e29b-41d4-a716-446655440000}",
    "550e8400e29b41d4a716446655440000", "550e8400-e29b-41d4-a716-446655440000\n",
    "2026-02-04T12:34:56.789Z", "2026-02-04T12:34:56.789Z\n", "2026-02-04t12:34:56.789z", "2026-02-30T00:00:00.000Z",
    "2026-02-04T12:34:60.000Z", "2026-02-04T12:34:56", "2026-02-04 12:34:56.789Z", "2026-02-04T12:34:56.1234567891Z",
    "2026-02-04T12:34:56+99:99", "2026-02-04T24:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00", "٢٠٢٦-02-04T12:34:56.789Z", "1970-01-01T00:00:00Z",
    "a:b@c", "a:b@c\n", "A:b@c", "a:b", [], [None], [1, "x"], [0.0] * 13, {}, {"x": 1}, {"timing": None}, {"timing": 1},
]  # fmt: skip
"""Values that readers of JSON tend to judge differently."""

Place = tuple[str | int, ...]


def places(value: Any, prefix: Place = ()) -> list[Place]:
    """Every place of a document that can be replaced or removed."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [place for key, inner in items for place in ((*prefix, key), *places(inner, (*prefix, key)))]


def broken(documents: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    """One document, changed at one to three places: removed, replaced by something odd, or something added."""

    @st.composite
    def build(draw: st.DrawFn) -> Document:
        found = copy.deepcopy(draw(documents))
        for _ in range(draw(st.integers(1, 3))):
            _break_once(draw, found)
        return found

    return build()


def _break_once(draw: st.DrawFn, found: Document) -> None:
    *path, key = draw(st.sampled_from(places(found) or [("",)]))
    parent: Any = found
    for part in path:
        parent = parent[part]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    if how == "replace":
        parent[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    elif how == "remove":
        parent.pop(key, None) if isinstance(parent, dict) else parent.pop()
    elif isinstance(parent, dict):
        parent["unknown"] = 1
    else:
        parent.append(draw(st.sampled_from(ODD)))
