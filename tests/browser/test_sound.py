"""Playing the clip: the notes sound when they should, the chart follows, and stop is stop."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import expect

from .practice import Practice
from .world import World

TOLERANCE_S = 0.001


def starts(practice: Practice, kind: str) -> list[float]:
    return sorted(voice["start"] for voice in practice.voices() if voice["kind"] == kind)


def expected(world: World, clip: str, track: str) -> list[float]:
    notes: list[dict[str, Any]] = world.get(f"/clips/{clip}/notes")["tracks"][track]
    return sorted(note["time_s"] for note in notes)


def begin(practice: Practice, *, count_in: bool = False, loop: bool = False) -> None:
    if not count_in:
        practice.button("Count-in").click()
    if loop:
        practice.button("Loop").click()
    practice.play_button.click()
    expect(practice.stop_button).to_be_visible()


def test_every_note_sounds_at_its_time(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7 | G7")
    begin(practice)
    expect(practice.play_button).to_be_visible()  # it ended by itself
    for kind in ("comp", "bass"):
        heard, asked = starts(practice, kind), expected(world, clip, kind)
        origin = heard[0] - asked[0]
        assert [time - origin for time in heard] == pytest.approx(asked, abs=TOLERANCE_S)
    assert starts(practice, "comp")[0] - expected(world, clip, "comp")[0] == pytest.approx(
        starts(practice, "bass")[0] - expected(world, clip, "bass")[0], abs=TOLERANCE_S
    )


def test_the_chord_that_sounds_is_lit(practice: Practice) -> None:
    practice.make("Dm7 | G7", tempo=200)
    assert practice.lit() == []
    begin(practice)
    lit = practice.chart.locator("[aria-current=true]")
    expect(lit).to_have_text("Dm7")
    expect(practice.page.get_by_text("Bar 1 of 2")).to_be_visible()
    expect(lit).to_have_text("G7")
    expect(practice.page.get_by_text("Bar 2 of 2")).to_be_visible()
    practice.stop_button.click()
    expect(lit).to_have_count(0)


def test_the_chart_follows_the_music_only_while_it_is_looked_at(practice: Practice) -> None:
    practice.make("C", tempo=300, bars=64, meter="2/4")
    begin(practice)
    expect(practice.page.get_by_text("Bar 1 of 64")).to_be_visible()
    practice.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    before = practice.page.evaluate("scrollY")
    expect(practice.page.get_by_text(re.compile(r"Bar ([3-9]|\d\d) of 64"))).to_be_attached()
    assert practice.page.evaluate("scrollY") == before > 0
    practice.stop_button.click()


def test_a_repeated_bar_is_lit_in_its_turn(practice: Practice) -> None:
    practice.make("Dm7 | Dm7", tempo=200)
    begin(practice)
    expect(practice.chart.get_by_role("listitem").nth(1).locator("[aria-current=true]")).to_have_count(1)
    expect(practice.chart.locator("[aria-current=true]")).to_have_count(1)


def test_the_count_in_is_one_bar_of_clicks_before_the_first_note(practice: Practice, world: World) -> None:
    clip = practice.make("C", tempo=240, bars=1, meter="3/4")
    begin(practice, count_in=True)
    expect(practice.page.get_by_text("Count-in")).to_have_count(2)  # the button, and the position
    expect(practice.play_button).to_be_visible()
    clicks = starts(practice, "click")
    first_beat = starts(practice, "bass")[0] - expected(world, clip, "bass")[0]
    assert [click - first_beat for click in clicks[:3]] == pytest.approx([-0.75, -0.5, -0.25], abs=TOLERANCE_S)


def test_a_loop_goes_on_without_a_gap_until_it_is_let_go(practice: Practice, world: World) -> None:
    clip = practice.make("C | F", tempo=300, bars=1)
    asked = expected(world, clip, "bass")
    begin(practice, loop=True)
    practice.wait_until(f"audio.voices.filter(one => one.kind === 'bass').length > {2 * len(asked)}")
    practice.button("Loop").click()
    expect(practice.play_button).to_be_visible()
    heard = starts(practice, "bass")
    rounds = [heard[i : i + len(asked)] for i in range(0, len(heard), len(asked))]
    assert len(rounds) >= 3
    lengths = [later[0] - earlier[0] for earlier, later in pairwise(rounds)]
    assert lengths == pytest.approx([4 * 60 / 300] * len(lengths), abs=TOLERANCE_S)


def test_stop_ends_every_voice_at_once(practice: Practice) -> None:
    practice.make("Dm7 | G7", tempo=60, bars=8)
    begin(practice)
    practice.wait_until("audio.voices.length > 4")
    assert practice.page.evaluate("audio.peak(150)") > 0.01
    practice.stop_button.click()
    now, voices = practice.page.evaluate("[audio.context.currentTime, audio.voices]")
    assert [voice for voice in voices if not voice["ended"] and voice["stop"] > now + 0.1] == []
    practice.wait_until("audio.voices.every(voice => voice.ended)", 2.0)
    started = len(practice.voices())
    practice.page.wait_for_timeout(150)
    assert practice.page.evaluate("audio.peak(250)") < 0.001
    assert len(practice.voices()) == started


def test_the_clip_is_over_when_its_end_has_been_heard(practice: Practice) -> None:
    practice.page.evaluate("void Object.defineProperty(AudioContext.prototype, 'outputLatency', { get: () => 0.7 })")
    practice.make("Dm7", tempo=300, bars=1, style="rock")
    practice.button("Count-in").click()
    practice.play_button.click()
    expect(practice.stop_button).to_be_visible()
    expect(practice.play_button).to_be_visible()
    ran = practice.page.evaluate("audio.context.currentTime - audio.voices[0].start")
    assert ran >= 0.8 + 0.7


def test_the_metronome_is_heard_only_while_it_is_on(practice: Practice) -> None:
    practice.make("N.C.", tempo=240, bars=8)
    practice.page.get_by_role("slider", name="Volume of the band").fill("0")
    begin(practice, loop=True)
    practice.page.wait_for_timeout(200)
    assert practice.page.evaluate("audio.peak(400)") < 0.001
    practice.button("Metronome").click()
    practice.page.wait_for_timeout(100)
    assert practice.page.evaluate("audio.peak(400)") > 0.05
    practice.button("Metronome").click()
    practice.page.wait_for_timeout(200)
    assert practice.page.evaluate("audio.peak(400)") < 0.001


def test_twelve_eight_has_four_clicks_a_bar(practice: Practice) -> None:
    practice.make("Am", tempo=240, bars=1, style="flamenco", meter="12/8")
    begin(practice)
    expect(practice.play_button).to_be_visible()
    clicks = starts(practice, "click")
    assert len(clicks) == 4


def test_the_buttons_say_their_state(practice: Practice) -> None:
    practice.make("C")
    for name, at_first in {"Loop": "false", "Metronome": "false", "Count-in": "true"}.items():
        button = practice.button(name)
        expect(button).to_have_attribute("aria-pressed", at_first)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false" if at_first == "true" else "true")


def test_a_new_clip_stops_the_old_one(practice: Practice) -> None:
    practice.make("Dm7", tempo=60, bars=8)
    begin(practice)
    practice.make("G7", tempo=60, bars=8)
    expect(practice.play_button).to_be_visible()
    practice.wait_until("audio.voices.every(voice => voice.ended)", 2.0)
