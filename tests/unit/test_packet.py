"""What a companion service is sent, to the byte, and what is accepted from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.jsontext import to_compact_json
from sg_hybrid.ai_client.packet import context_packet
from sg_hybrid.ai_client.reply import usable_addendum
from sg_hybrid.errors import AiInvalid, AiRejected
from sg_hybrid.models import CoachRequest

FACTS: dict[str, Any] = {
    "program": {"kind": "ztprog", "name": "salsa_minor_Dm"},
    "meter": "4/4",
    "bpm": 120,
    "grid": 16,
    "bars": 32,
    "timing_mean_ms": 14.3,
    "timing_p95_ms": 41.5,
    "late_events": 37,
    "total_events": 412,
    "notes_on_grid_pct": 82.7,
    "clave_hit_pct": 61,
    "error_by_beat_ms": [1, -3.2, None, 12],
    "next_round": {"tempo_delta_bpm": 1},
}
REQUEST = CoachRequest("clip_1", "550e8400-e29b-41d4-a716-446655440000", FACTS, "Hold. Tempo up by 1 BPM.")


def packet(**changes: Any) -> dict[str, Any]:
    return context_packet(CoachRequest("clip_1", REQUEST.session_id, {**FACTS, **changes}, REQUEST.hint))


def test_the_packet_is_these_bytes() -> None:
    assert to_compact_json(context_packet(REQUEST)).encode() == (
        b'{"clip_id":"clip_1","deterministic_hint":"Hold. Tempo up by 1 BPM.",'
        b'"groove_metrics":{"articulation_clarity":null,"beat_accuracy":0.827,"phrase_coherence":null,'
        b'"tempo_stability":0.336},'
        b'"schema_id":"coach_context_packet","schema_version":"v1",'
        b'"session_id":"550e8400-e29b-41d4-a716-446655440000",'
        b'"session_stats":{"bars_completed":32,"style_id":"salsa","tempo_bpm":120,"total_takes":null},'
        b'"timing_detail":{"error_by_beat":[1,-3.2,null,12],"timing_error_ms_avg":14.3,"timing_error_ms_max":null}}'
    )


def test_what_was_not_measured_is_null() -> None:
    bare = context_packet(CoachRequest("clip_1", "s", {}))
    assert set(bare["groove_metrics"].values()) == {None}
    assert set(bare["timing_detail"].values()) == {None}
    assert bare["session_stats"] == {
        "tempo_bpm": None,
        "bars_completed": None,
        "total_takes": None,
        "style_id": "plain",
    }


@pytest.mark.parametrize(
    ("p95", "bpm", "grid", "stability"),
    [
        (0, 120, 16, 1.0),
        (62.5, 120, 16, 0.0),  # a slot is 125 ms
        (31.25, 120, 16, 0.5),
        (62.5, 120, 8, 0.5),
        (62.5, 60, 16, 0.5),
        (500, 120, 16, 0.0),
    ],
)
def test_stability_is_what_is_left_of_half_a_grid_slot(p95: float, bpm: float, grid: int, stability: float) -> None:
    assert packet(timing_p95_ms=p95, bpm=bpm, grid=grid)["groove_metrics"]["tempo_stability"] == stability


@given(st.floats(0, 1e6), st.floats(0.001, 1e6), st.sampled_from([8, 16]), st.floats(0, 100))
def test_groove_metrics_lie_between_0_and_1(p95: float, bpm: float, grid: int, on_grid: float) -> None:
    metrics = packet(timing_p95_ms=p95, bpm=bpm, grid=grid, notes_on_grid_pct=on_grid)["groove_metrics"]
    assert 0 <= metrics["tempo_stability"] <= 1
    assert 0 <= metrics["beat_accuracy"] <= 1


@pytest.mark.parametrize(("name", "style"), [("bossa_nova_C", "bossa"), ("My private song", "plain"), ("", "plain")])
def test_of_the_program_only_its_style_is_sent(name: str, style: str) -> None:
    sent = packet(program={"kind": "live", "name": name})
    assert sent["session_stats"]["style_id"] == style
    assert "private" not in json.dumps(sent)


ADDENDUM: dict[str, Any] = {
    "schema_id": "coaching_ai_addendum",
    "schema_version": "v1",
    "clip_id": "clip_1",
    "ai_available": True,
    "ai_latency_ms": 287,
    "model_id": "anthropic:claude-haiku-5-5@latest",
    "coaching_tip": "  Clap the clave\nfirst. ",
    "timing_insight": "61 percent of your strokes met the clave.",
    "exercise_hint": None,
    "ai_groove_score": 68.5,
    "ai_groove_breakdown": {"timing": 0.68},
    "confidence": 0.85,
}


def read(**changes: Any) -> Any:
    body = json.dumps({**ADDENDUM, **changes}).encode()
    return usable_addendum(body, clip_id="clip_1", facts=FACTS)


def test_an_addendum_becomes_a_reply() -> None:
    reply = read()
    assert reply.model_id == "anthropic:claude-haiku-5-5@latest"
    assert reply.coaching_tip == "Clap the clave first."
    assert (reply.ai_groove_score, reply.confidence, reply.exercise_hint) == (68.5, 0.85, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clip_id": "clip_2"}, "another clip"),
        ({"ai_available": False}, "no AI at hand"),
        ({"schema_id": "coaching_deterministic"}, "schema_id"),
        ({"schema_version": "v2"}, "schema_version"),
        ({"model_id": "Claude"}, "model_id"),
        ({"coaching_tip": 5}, "coaching_tip"),
        ({"coaching_tip": "x" * 301}, "coaching_tip"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": "0.5"}, "confidence"),
        ({"ai_groove_score": 101}, "ai_groove_score"),
        ({"ai_groove_breakdown": {"timing": 2}}, "ai_groove_breakdown"),
        ({"ai_latency_ms": -1}, "ai_latency_ms"),
        ({"secret_key": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_addendum_about_this_clip_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AiInvalid, match=reason) as caught:
        read(**changes)
    assert not isinstance(caught.value, AiRejected)
    assert "secret_key" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"coaching_tip": None, "timing_insight": None}, "nothing to add"),
        ({"coaching_tip": "90 percent of your strokes met the clave."}, "coaching_tip: a percentage"),
        ({"exercise_hint": "See https://x.example"}, "exercise_hint: a link"),
        ({"timing_insight": "You rush."}, "timing_insight: the facts do not say early"),
    ],
)
def test_words_that_may_not_be_shown_are_refused_as_such(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AiRejected, match=reason):
        read(**changes)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"<html>", b"\xff", b'{"a": 1, "a": 2}', b'{"confidence": NaN}']
)
def test_bytes_that_are_no_addendum_are_refused(body: bytes) -> None:
    with pytest.raises(AiInvalid, match=r"^addendum: "):
        usable_addendum(body, clip_id="clip_1", facts=FACTS)


def test_an_addendum_cut_anywhere_is_refused() -> None:
    whole = json.dumps(ADDENDUM).encode()
    for end in range(len(whole)):
        with pytest.raises(AiInvalid):
            usable_addendum(whole[:end], clip_id="clip_1", facts=FACTS)
