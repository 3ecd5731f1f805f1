"""The corpus of AI texts: what may be shown to a player and what may not, and the rules behind it as properties."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.make_reply_corpus import corpus
from sg_coach.hints import TRENDS, compose_hint
from sg_coach.models import Focus
from sg_coach.progression import V1_DEFAULT
from sg_hybrid.errors import AiInvalid
from sg_hybrid.grounding import check_grounded, clean_text
from sg_hybrid.prompt import system_prompt
from sg_hybrid.simulator.texts import reply_for
from tests.conftest import FIXTURES

REPLIES = FIXTURES / "replies"
FACTS: dict[str, dict[str, Any]] = json.loads((REPLIES / "facts.json").read_text("ascii"))


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (REPLIES / f"{name}.jsonl").read_text("ascii").splitlines()]


def may_be_shown(text: str, facts: dict[str, Any]) -> bool:
    try:
        clean = clean_text(text)
        check_grounded(clean or "", facts)
    except AiInvalid:
        return False
    return True


# The corpus


def test_every_good_text_is_accepted() -> None:
    refused = [row for row in rows("accepted") if not may_be_shown(row["text"], FACTS[row["facts"]])]
    assert refused == []


def test_every_bad_text_is_refused() -> None:
    shown = [row for row in rows("refused") if may_be_shown(row["text"], FACTS[row["facts"]])]
    assert shown == []


def test_a_refusal_can_be_printed_and_does_not_repeat_the_text() -> None:
    for row in rows("refused"):
        with pytest.raises(AiInvalid) as caught:
            check_grounded(clean_text(row["text"]) or "", FACTS[row["facts"]])
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 120


def test_the_corpus_is_large_and_of_every_kind() -> None:
    kinds = Counter(row["why"] for row in rows("refused"))
    assert len(rows("accepted")) >= 300
    assert kinds.total() >= 500
    assert kinds.keys() >= {
        *("number", "word_number", "range", "share", "decimal_comma", "unit", "direction", "beat", "bar", "tempo"),
        *("density", "trend", "drift", "verdict", "set_up", "echo", "language", "hidden", "link", "markup", "length"),
        *("cause", "judgement"),
    }


def test_the_corpus_is_what_its_rules_make() -> None:
    assert {name: (REPLIES / name).read_text("ascii") for name in corpus()} == corpus()


def test_a_text_is_good_or_bad_and_not_both() -> None:
    good = {(row["text"], row["facts"]) for row in rows("accepted")}
    bad = {(row["text"], row["facts"]) for row in rows("refused")}
    assert good.isdisjoint(bad)


# Our own words


@pytest.mark.parametrize("band", V1_DEFAULT.bands, ids=lambda band: band.name)
@pytest.mark.parametrize("cell", TRENDS)
@pytest.mark.parametrize("facts", FACTS)
def test_every_hint_of_the_rules_passes(band: Any, cell: Any, facts: str) -> None:
    for trend in {"up": (3.0, 8.0), "flat": (0.0, None), "down": (-3.0, -8.0)}[cell]:
        decision = V1_DEFAULT.decide(band, trend)
        following = {
            "tempo_delta_bpm": decision.tempo_delta_bpm,
            "difficulty_delta": decision.difficulty_delta,
            "density": decision.density_bucket,
            "syncopation": decision.syncopation_bucket,
        }
        text = compose_hint(V1_DEFAULT.hints[band.name][cell], decision)
        check_grounded(text, {**FACTS[facts], "score_trend": trend, "next_round": following})


def test_every_example_of_the_prompt_may_be_said_when_the_tempo_rises() -> None:
    _, _, voice = system_prompt().partition("## Examples")
    examples = re.findall(r'^- "(.+)"$', voice, re.MULTILINE)
    assert len(examples) >= 3
    facts = {**FACTS["fine"], "clave_hit_pct": 52}
    assert [text for text in examples if not may_be_shown(text, facts)] == []


@pytest.mark.parametrize("focus", [*map(str, Focus), "unknown"])
@pytest.mark.parametrize("facts", FACTS)
def test_everything_that_the_simulator_says_passes(focus: str, facts: str) -> None:
    set_up = {"panic_used": focus == Focus.REALTIME_SAFETY, "underrun_detected": focus == Focus.REALTIME_TUNING}
    take = {**FACTS[facts], "focus": focus, **set_up}
    for number in range(12):
        reply = reply_for(take, number)
        for text in (reply["coaching_tip"], reply["timing_insight"], reply["exercise_hint"]):
            assert text is None or may_be_shown(text, take), text


@pytest.mark.parametrize("facts", ["clave", "beats", "fine"])
def test_nothing_is_said_of_a_timing_that_could_not_be_measured(facts: str) -> None:
    take = {**FACTS[facts], "timing_measurable": False, "findings": [], "focus": "progress"}
    figures = [
        f"Your widest notes lie {take['timing_p95_ms']} ms from the grid.",
        f"{take['notes_on_grid_pct']} percent of your notes sit on the grid.",
        f"{take['late_events']} notes came late.",
        "Beat 4 comes late.",
        "You are a little late.",
    ]
    assert [text for text in figures if may_be_shown(text, take)] == []
    assert may_be_shown(f"Play it once more at {take['bpm']} BPM with fewer chords.", take)
    for number in range(12):
        assert reply_for(take, number)["timing_insight"] is None


@pytest.mark.parametrize("unmeasured", [{"timing_measurable": False}, {"total_events": 0, "late_events": 0}])
def test_a_timing_that_could_not_be_measured_is_neither_praised_nor_blamed(unmeasured: dict[str, Any]) -> None:
    take = {**FACTS["fine"], "findings": [{"code": "TIMING_NOT_MEASURABLE", "severity": "INFO"}], **unmeasured}
    judgements = [
        "Your timing was rock solid. Add an accent.",
        "Tight groove! Play it again.",
        "The pulse held from start to end.",
        "You kept great time.",
        "You locked in with the click.",
        "You were in the pocket.",
        "Every note landed right where it belongs.",
        "That was a very steady take.",
        "Rock solid. Now add a fill.",
        "Well timed!",
        "I love how steady your pulse is.",
        "Your timing was shaky; use the click.",
        "You struggled to stay with the click.",
    ]
    tasks = [
        "Keep a steady pulse: strum on every beat.",
        "Steady strumming on every beat gives us something to measure.",
        "Try to lock in with the click for four bars.",
        "Play until your strumming feels even.",
        "The next take wants a steady strum on all four beats.",
        "Your goal: four bars with a steady strum.",
        "Nothing about your timing could be measured. Strum once a beat next time.",
    ]
    assert [text for text in judgements if may_be_shown(text, take)] == []
    assert [text for text in tasks if not may_be_shown(text, take)] == []


def test_what_happened_to_the_set_up_is_not_denied() -> None:
    take = {**FACTS["clave"], "panic_used": True, "underrun_detected": True}
    denials = ["No need for the panic button this time.", "There were no dropouts.", "You never hit the panic button."]
    assert [text for text in denials if may_be_shown(text, take)] == []
    assert may_be_shown("Check the cables, then play it once more without the panic button.", take)
    assert may_be_shown("You never hit the panic button.", FACTS["clave"])


# Numbers

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SENTENCES = {
    "ms": ("Your widest notes lie {} ms from the grid.", "{} milliseconds is your average error.", "Aim for {} ms."),
    "bpm": ("Set the click to {} BPM and play.", "Play at {} beats per minute.", "Choose a tempo of {}."),
    "pct": ("{} % of your notes were good.", "You met it with {} percent.", "{} per cent, and steady."),
    "count": ("Play it {} times.", "Take {} breaths.", "Count to {} and start.", "Leave {} out."),
    "notes": ("Choose {} chords.", "{} notes are enough.", "{} came late."),
    "bars": ("Loop {} bars.", "Breathe over {} bars."),
    "points": ("Your score is {}.", "{} points for that."),
    "none": (
        "Practise for {} minutes.",
        "Turn it up by {} dB.",
        "Use fret {}.",
        "Rest {} hours.",
        "Play {} octaves up.",
    ),
}


def spelled(value: int) -> str:
    if value >= 100:
        rest = f" and {spelled(value % 100)}" if value % 100 else ""
        return f"{spelled(value // 100)} hundred{rest}"
    if value < 20:
        return ONES[value]
    return TENS[value // 10] + (f"-{ONES[value % 10]}" if value % 10 else "")


def facts_of(unit: str, facts: dict[str, Any]) -> list[float]:
    """Every number of the facts that a number of this unit may stand for."""
    beats = [abs(ms) for ms in facts["error_by_beat_ms"] or () if ms is not None]
    names = {
        "ms": ("timing_mean_ms", "timing_p95_ms"),
        "bpm": ("bpm",),
        "pct": ("notes_on_grid_pct", "clave_hit_pct"),
        "notes": ("late_events", "total_events"),
        "bars": ("bars",),
        "points": ("score", "score_trend"),
        "count": (),
        "none": (),
    }[unit]
    found = [abs(facts[name]) for name in names if facts[name] is not None]
    delta = facts["next_round"]["tempo_delta_bpm"]
    more = {"ms": beats, "bpm": [abs(delta), facts["bpm"] + delta]}.get(unit, [])
    return [*found, *more]


@given(
    st.sampled_from(sorted(FACTS)),
    st.sampled_from([(unit, sentence) for unit, sentences in SENTENCES.items() for sentence in sentences]),
    st.integers(9, 999),
    st.sampled_from(["digits", "words", "decimal", "comma", "range"]),
)
def test_no_number_passes_that_is_not_in_the_facts(name: str, said: tuple[str, str], value: int, form: str) -> None:
    (unit, sentence), facts = said, FACTS[name]
    written = {
        "digits": f"{value}",
        "words": spelled(value),
        "decimal": f"{value}.4",
        "comma": f"{value},4",
        "range": f"{value}-{value + 1}",
    }[form]
    number, tolerance = (value + 0.4, 0.05) if form in ("decimal", "comma") else (float(value), 0.5)
    grounded = any(abs(number - fact) <= tolerance + 1e-6 for fact in facts_of(unit, facts))
    if may_be_shown(sentence.format(written), facts):
        assert grounded, sentence.format(written)


@given(st.floats(0, 400), st.floats(0, 400), st.sampled_from(["{} ms", "{} milliseconds", "about {} ms"]))
def test_a_measured_number_passes_however_it_is_rounded(mean: float, p95: float, form: str) -> None:
    facts = {**FACTS["clave"], "timing_mean_ms": round(mean, 1), "timing_p95_ms": round(p95, 1)}
    for value in (facts["timing_mean_ms"], facts["timing_p95_ms"]):
        for digits in (0, 1):
            text = f"Your notes lie {form.format(f'{value:.{digits}f}')} from the grid."
            assert may_be_shown(text, facts), text


@given(st.integers(0, 8), st.sampled_from(SENTENCES["count"]))
def test_a_small_count_needs_no_fact(count: int, sentence: str) -> None:
    assert may_be_shown(sentence.format(count), FACTS["clave"])
    assert may_be_shown(sentence.format(spelled(count)), FACTS["clave"])


# Signs


@given(
    st.lists(st.none() | st.floats(-90, 90).map(lambda ms: round(ms, 1)), min_size=4, max_size=4),
    st.integers(1, 6),
    st.sampled_from([("late", 1), ("early", -1)]),
    st.sampled_from(["Beat {} is {}.", "On beat {}, you are {}.", "You come in {1} on beat {0}."]),
)
def test_a_beat_is_late_or_early_as_it_was_measured(
    errors: list[float | None], beat: int, said: tuple[str, int], sentence: str
) -> None:
    word, sign = said
    error = errors[beat - 1] if beat <= len(errors) else None
    text = sentence.format(beat, word)
    assert may_be_shown(text, {**FACTS["beats"], "error_by_beat_ms": errors}) is (
        error is not None and error * sign > 0
    )


@given(st.floats(-10, 10), st.sampled_from([("Play faster.", 1), ("Play slower.", -1), ("Keep the same tempo.", 0)]))
def test_faster_and_slower_are_what_was_decided(delta: float, said: tuple[str, int]) -> None:
    facts = {**FACTS["clave"], "next_round": {**FACTS["clave"]["next_round"], "tempo_delta_bpm": delta}}
    assert may_be_shown(said[0], facts) is ((delta > 0) - (delta < 0) == said[1])


# Whatever comes


@lru_cache
def good_texts() -> list[str]:
    return sorted({row["text"] for row in rows("accepted")})


HIDDEN = st.characters(categories=["Cc", "Cf", "Cs", "Co"], exclude_characters="\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85")


@given(st.data(), HIDDEN)
def test_no_hidden_character_passes_anywhere(data: st.DataObject, hidden: str) -> None:
    text = data.draw(st.sampled_from(good_texts()))
    at = data.draw(st.integers(0, len(text)))
    with pytest.raises(AiInvalid):
        clean_text(text[:at] + hidden + text[at:])


FRAGMENTS = st.sampled_from(
    [
        *("beat", "bar", "notes", "late", "early", "the", "your", "is", "of", "ms", "%", "BPM", "tempo", "and", "on"),
        *(
            "half",
            "one",
            "two hundred",
            "point five",
            "third",
            "not",
            "no",
            "or",
            "earlier",
            "than",
            "faster",
            "-",
            "/",
        ),
        *(
            "4",
            "41.5",
            "41,5",
            "1,2,3",
            ".5",
            "-",
            ":",
            ",",
            ".",
            "4/4",
            "16th",
            "last",
            "off",
            "by",
            "every",
            "out of",
        ),
    ]
)


@given(st.text(max_size=60) | st.lists(FRAGMENTS, max_size=14).map(" ".join), st.sampled_from(sorted(FACTS)))
def test_any_text_may_be_shown_or_is_refused(text: str, name: str) -> None:
    assert may_be_shown(text, FACTS[name]) in (True, False)


@given(st.dictionaries(st.sampled_from(sorted(FACTS["beats"])), st.none() | st.integers() | st.text(max_size=3)))
def test_facts_that_are_missing_or_odd_ground_nothing(facts: dict[str, Any]) -> None:
    assert not may_be_shown("Your average error is 14.3 ms, and beat two is late.", facts)
