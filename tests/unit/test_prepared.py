"""Prepared tips as values: nine classes, texts with slots, the facts filled in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.coach_policy import evaluate_session
from sg_hybrid.errors import AiInvalid
from sg_hybrid.models import AiReply
from sg_hybrid.prepared import (
    SLOTS,
    SLOTS_OF,
    Clip,
    PreparedTip,
    TipClass,
    addendum_from_tip,
    check_template,
    class_of,
    clip_from,
    fill,
    key_for,
    prepare_request,
    tip_from,
)
from sg_hybrid.simulator.texts import prepared_for
from tests.fake_edges import session

FINE: dict[str, Any] = {"timing_p95_error_ms": 10.0, "notes_on_grid_ratio": 0.95}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"clave_hit_ratio": 0.5}, "clave_fail"),
        ({"clave_hit_ratio": 0.7}, "clave_warn"),
        ({"timing_p95_error_ms": 60.0}, "timing_fail"),
        ({"timing_p95_error_ms": 40.0}, "timing_warn"),
        ({"notes_on_grid_ratio": 0.6}, "grid_fail"),
        ({"notes_on_grid_ratio": 0.8}, "grid_warn"),
        ({"underrun_detected": True}, "underrun_warn"),
        ({"panic_used": True}, "panic_warn"),
        ({}, "progress"),
        ({"timing_p95_error_ms": 60.0, "clave_hit_ratio": 0.7}, "timing_fail"),
    ],
)
def test_every_take_has_one_of_nine_classes(facts: dict[str, Any], expected: str) -> None:
    assert class_of(evaluate_session(session(**(FINE | facts)))) == expected


@pytest.mark.parametrize("facts", [{}, {"timing_p95_error_ms": 60.0}])
def test_no_prepared_text_fits_a_take_that_could_not_be_measured(facts: dict[str, Any]) -> None:
    assert class_of(evaluate_session(session(**(FINE | facts | {"timing_measurable": False})))) is None


def test_each_class_is_reached_and_has_its_slots() -> None:
    assert set(SLOTS_OF) == set(TipClass)
    assert len(TipClass) == 9
    assert {name for names in SLOTS_OF.values() for name in names} <= set(SLOTS)


@pytest.mark.parametrize(
    "text",
    [
        "Most notes sit within {timing_p95_ms} ms of the beat. Play softer.",
        "{late_events} of {total_events} notes came late.",
        "Loop two bars at {bpm} bpm.",
    ],
)
def test_a_text_with_slots_is_kept(text: str) -> None:
    assert check_template(text, SLOTS_OF[TipClass.TIMING_WARN]) == text


def test_a_percent_sign_may_follow_a_percent_slot() -> None:
    text = "You meet {clave_hit_pct} % of the clave."
    assert check_template(text, SLOTS_OF[TipClass.CLAVE_WARN]) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Play within 35 ms.", "number"),
        ("Play within ３ ms.", "number"),
        ("Half, that is fifty percent.", "number"),
        ("Aim for a hundred beats.", "number"),
        ("You meet {timing_p95_ms} % of it.", "number"),
        ("You meet {clave_hit_pct} % of it.", "clave_hit_pct"),
        ("Mind the {beat_two}.", "beat_two"),
        ("Mind the {timing_p95_ms.", "brace"),
        ("Mind the {{bpm}}.", "brace"),
        ("x" * 201, "201 characters"),
    ],
)
def test_a_text_with_a_number_of_its_own_or_a_foreign_slot_is_refused(text: str, named: str) -> None:
    with pytest.raises(AiInvalid, match=re.escape(named)):
        check_template(text, SLOTS_OF[TipClass.TIMING_WARN])


@given(st.text(max_size=80), st.sampled_from(sorted(SLOTS)), st.sampled_from(sorted(TipClass)))
def test_every_number_in_a_filled_text_is_a_fact(words: str, slot: str, tip_class: TipClass) -> None:
    take = session(clave_hit_ratio=0.71, late_events=3, bpm=92.0)
    try:
        text = check_template(f"{words} {{{slot}}}", SLOTS_OF[tip_class])
    except AiInvalid:
        return
    filled = fill(text, take)
    assert filled is not None
    facts = {str(round(value)) for name in SLOTS_OF[tip_class] if (value := SLOTS[name](take)) is not None}
    assert set(re.findall(r"\d+", filled)) <= facts


def test_a_slot_that_was_not_measured_cannot_be_filled() -> None:
    assert fill("You meet {clave_hit_pct} % of the clave.", session()) is None


@pytest.mark.parametrize(
    ("text", "measured", "filled"),
    [
        ("The pulse holds at {bpm} bpm.", {"bpm": 92.5}, "The pulse holds at 92.5 bpm."),
        ("The pulse holds at {bpm} bpm.", {"bpm": 92.04}, "The pulse holds at 92 bpm."),
        ("{late_events} notes came late.", {"late_events": 2}, "2 notes came late."),
        ("{late_events} notes came late.", {"late_events": 1}, None),
        ("{late_events} notes came late.", {"late_events": 0}, None),
        ("Play all {bars} bars softer.", {"bars": 1}, None),
        ("Most notes sit within {timing_p95_ms} ms.", {"timing_p95_error_ms": 0.4}, None),
        ("You meet {clave_hit_pct} % of the clave.", {"clave_hit_ratio": 0.0}, "You meet 0 % of the clave."),
    ],
)
def test_a_filled_text_reads_well_or_is_not_said(text: str, measured: dict[str, float], filled: str | None) -> None:
    assert fill(text, session(**measured)) == filled


def test_a_reply_gives_each_of_its_texts_that_may_be_kept() -> None:
    key = key_for(clip_from({}), TipClass.TIMING_WARN, "m")
    reply = AiReply("a:b@c", coaching_tip="Play softer.", timing_insight="Within 35 ms.", exercise_hint="Clap first.")
    assert tip_from(reply, key, "2026-02-04T12:00:00.000Z").texts == ("Play softer.", "Clap first.")
    with pytest.raises(AiInvalid, match="number"):
        tip_from(AiReply("a:b@c", coaching_tip="Within 35 ms."), key, "2026-02-04T12:00:00.000Z")


def test_a_prepared_tip_becomes_an_addendum_of_this_take() -> None:
    key = key_for(clip_from({}), TipClass.TIMING_WARN, "m")
    tip = PreparedTip(key, ("Within {timing_p95_ms} ms.", "Next."), "a:b@c", "2026-02-04T12:00:00.000Z")
    addendum = addendum_from_tip(tip, session(), clip_id="clip_a", latency_ms=450)
    assert addendum is not None
    assert (addendum.clip_id, addendum.coaching_tip, addendum.ai_latency_ms) == ("clip_a", "Within 41 ms.", 450)
    assert addendum.model_id == "a:b@c"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, Clip("any", "any", "4/4", None)),
        ({"style": "salsa", "tempo_bpm": 108, "meter": "4/4"}, Clip("salsa", "salsa", "4/4", 108.0)),
        ({"program": {"kind": "ztprog", "name": "salsa_minor_Dm"}}, Clip("salsa_minor_Dm", "any", "4/4", None)),
        ({"style": 5, "tempo_bpm": "fast", "meter": "a waltz"}, Clip("any", "any", "4/4", None)),
        ({"style": "x\x1b[31m/../y", "tempo_bpm": 1e9}, Clip("x 31m .. y", "x 31m .. y", "4/4", None)),
    ],
)
def test_tags_become_closed_values(tags: dict[str, Any], expected: Clip) -> None:
    assert clip_from(tags) == expected


def test_what_is_asked_holds_no_id_and_only_closed_values() -> None:
    request = prepare_request(clip_from({"style": "salsa", "tempo_bpm": 108, "meter": "4/4"}), TipClass.CLAVE_WARN)
    assert request.purpose == "prepare"
    assert dict(request.facts) == {
        "diagnosis": "clave_warn",
        "program": "salsa",
        "style": "salsa",
        "meter": "4/4",
        "tempo_bpm": 108.0,
        "slots": ["{clave_hit_pct}", "{bpm}", "{bars}"],
    }


# What the simulator says in advance


@pytest.mark.parametrize("tip_class", TipClass)
def test_every_text_that_the_simulator_prepares_may_be_kept_and_tells_what_to_do(tip_class: TipClass) -> None:
    facts = prepare_request(clip_from({}), tip_class).facts
    for number in range(15):
        for text in prepared_for(facts, number).values():
            check_template(text, SLOTS_OF[tip_class])
            assert not re.match(r"(?:In the next take, |Next time, |Now )(?:all|nothing|the pulse)", text)
            assert text.count("the next take") < 2
            assert not re.fullmatch(r"[^.;]*\{[^.]*\.", text), "a figure and nothing to do"
