"""Making a clip: what is typed or picked becomes a chart; what cannot be read is named where it was typed."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from playwright.sync_api import Route, expect

from .practice import Practice, Visit
from .world import World


def test_the_chart_shows_the_chords_bar_by_bar(practice: Practice) -> None:
    practice.make("Dm7 G7 | Cmaj7 | Bbmaj7/D | F#m7b5", bars=4)
    bars = practice.chart.get_by_role("listitem")
    expect(bars).to_have_text(["Dm7G7", "Cmaj7", "B♭maj7/D", "F♯m7♭5"])


def test_without_bar_lines_each_chord_is_a_bar_and_the_form_repeats(practice: Practice) -> None:
    practice.make("Am7 D7", bars=4)
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Am7", "D7", "Am7", "D7"])


def test_a_chord_that_goes_on_stands_in_the_next_bar_again(practice: Practice) -> None:
    practice.make("Dm7 | Dm7 | Dm7 G7 | C", bars=4)
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Dm7", "%same chord", "Dm7G7", "C"])


def test_a_picked_progression_fills_the_form_and_names_the_clip(practice: Practice) -> None:
    picker = practice.page.get_by_label("Progression")
    title = picker.get_by_role("option").nth(1).inner_text()
    picker.select_option(label=title)
    assert practice.chords.input_value() != ""
    practice.make_button.click()
    expect(practice.page.get_by_role("region", name=title)).to_be_visible()
    expect(practice.chart.get_by_role("listitem").first).to_be_visible()


def test_style_tempo_meter_and_bars_reach_the_server(practice: Practice, world: World) -> None:
    clip = practice.make("Gmaj7 | E7", tempo=132, bars=4, style="waltz", meter="3/4")
    notes = world.get(f"/clips/{clip}/notes")
    assert (notes["style"], notes["tempo_bpm"], notes["meter"], notes["bars"]) == ("waltz", 132, "3/4", 4)
    expect(practice.page.get_by_text("132 bpm · 3/4 · 4 bars")).to_be_visible()
    practice.make("Am", tempo=120, bars=1, meter="12/8", style="blues")  # its metronome ticks 80 times a minute
    expect(practice.page.get_by_text(re.compile("120 quarter notes a minute · 12/8 · 1 bar$"))).to_be_visible()


def test_whoever_waits_for_a_clip_is_told_so(practice: Practice) -> None:
    held: list[Route] = []
    practice.page.route("**/generate", lambda route: held.append(route))
    practice.fill("Dm7 | G7")
    practice.make_button.click()
    busy = practice.page.get_by_role("status").filter(has_text="Making the clip")
    expect(busy).to_be_visible()
    expect(practice.make_button).to_be_disabled()
    held[0].continue_()
    expect(practice.chart.get_by_role("listitem").first).to_be_visible()
    expect(busy).to_have_count(0)


def test_a_bad_chord_is_named_and_selected_where_it_was_typed(practice: Practice) -> None:
    practice.fill("Dm7 Gm | Dm7 Hq9 | C")
    practice.make_button.click()
    field = practice.chords
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(practice.page.get_by_role("alert").filter(has_text="Bar 2: 'Hq9'")).to_be_visible()
    expect(field).to_have_accessible_description(re.compile("Hq9"))
    selected = "field => field.value.slice(field.selectionStart, field.selectionEnd)"
    assert field.evaluate(selected) == "Hq9"
    practice.make("Dm7 | G7 | C")
    expect(practice.page.get_by_role("alert").filter(has_text="Hq9")).to_have_count(0)


def test_a_number_out_of_its_limits_is_said_at_its_field(practice: Practice) -> None:
    for label, value, words in (("Bars", "", "1 to 256"), ("Tempo", "500", "30 to 300")):
        field = practice.page.get_by_label(label, exact=label == "Bars")
        field.fill(value)
        practice.make_button.click()
        expect(field).to_be_focused()
        expect(practice.page.get_by_role("alert").filter(has_text=words)).to_be_visible()
        field.fill("100")


def test_roman_numerals_are_read_in_the_key(practice: Practice) -> None:
    practice.fill("IIm7 | V7 | Imaj7", bars=3)
    practice.page.get_by_label("Key", exact=True).fill("C")
    practice.make_button.click()
    expect(practice.chart.get_by_role("listitem")).to_have_count(3)


def test_an_error_without_a_field_is_said_at_the_top(practice: Practice) -> None:
    failed = {"status": "failed", "error_code": "GENERATION_ERROR", "error_message": "no space left on device"}
    practice.page.route("**/generate", lambda route: route.fulfill(json=failed))
    practice.fill("Dm7")
    practice.make_button.click()
    expect(practice.page.get_by_role("alert").filter(has_text="no space left on device")).to_be_visible()
    expect(practice.make_button).to_be_enabled()


def test_a_generator_that_is_gone_is_said_in_plain_words(practice: Practice) -> None:
    held: list[Route] = []
    practice.page.route("**/generate", lambda route: held.append(route))
    practice.fill("Dm7")
    practice.make_button.click()
    expect(practice.page.get_by_role("status").filter(has_text="Making the clip")).to_be_visible()
    held[0].abort()
    expect(practice.page.get_by_role("alert").filter(has_text="sg-generator serve")).to_be_visible()
    expect(practice.make_button).to_be_focused()
    practice.watch.expect("net::ERR_FAILED")


def test_a_long_chart_keeps_its_chords_in_their_bars(practice: Practice) -> None:
    practice.make("Dm7 G7 | Cmaj7", tempo=140, bars=256, meter="12/8")
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Dm7G7", "Cmaj7"] * 128)


@pytest.mark.parametrize("unanswered", ["**/styles", "**/notes"])
def test_the_page_begins_as_soon_as_the_generator_is_back(practice: Practice, unanswered: str) -> None:
    practice.make("Dm7 | G7")
    practice.page.route(unanswered, lambda route: route.abort())
    practice.page.reload()
    notice = practice.page.get_by_role("alert").filter(has_text="sg-generator serve")
    expect(notice).to_be_visible()
    practice.page.unroute(unanswered)
    look = "document.dispatchEvent(new Event('visibilitychange'))"  # again: one may come while the page tries in vain
    practice.wait_until(f"({look}, document.querySelectorAll('#chart li').length > 0)")
    expect(practice.chart.get_by_role("listitem")).to_have_count(2)
    expect(notice).to_be_hidden()
    practice.watch.expect("net::ERR_FAILED")
    assert practice.page.get_by_label("Style").input_value() == "swing"


def test_what_is_typed_while_nobody_answers_stays(practice: Practice) -> None:
    practice.page.get_by_role("combobox", name="Progression").select_option("blues-12")
    practice.make_button.click()
    expect(practice.play_button).to_be_visible()
    practice.page.route("**/styles", lambda route: route.abort())
    practice.page.reload()
    notice = practice.page.get_by_role("alert").filter(has_text="sg-generator serve")
    expect(notice).to_be_visible()
    practice.chords.fill("Am7 | D7")
    practice.page.unroute("**/styles")
    practice.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(notice).to_be_hidden()
    practice.watch.expect("net::ERR_FAILED")
    expect(practice.chart).to_be_visible()
    expect(practice.page.get_by_role("heading", level=2, name="Twelve-bar blues in A")).to_be_visible()
    expect(practice.page.get_by_label("Style")).to_have_value("blues")
    expect(practice.chords).to_have_value("Am7 | D7")
    expect(practice.page.get_by_role("combobox", name="Progression")).to_have_value("")


def test_a_reload_keeps_the_clip_and_a_new_session_lets_it_go(practice: Practice) -> None:
    practice.make("Ebmaj7 | Cm7")
    before = practice.page.evaluate("sessionStorage.getItem('sg.session')")
    practice.page.reload()
    expect(practice.chart.get_by_role("listitem")).to_have_text(["E♭maj7", "Cm7"])
    practice.button("New session").click()
    expect(practice.chart).to_be_hidden()
    expect(practice.make_button).to_be_visible()
    after = practice.page.evaluate("sessionStorage.getItem('sg.session')")
    assert len(before) == len(after) == 36
    assert before != after


def test_the_clip_of_before_a_reload_comes_too_late_over_a_new_one(practice: Practice) -> None:
    old = practice.make("Ebmaj7 | Cm7")
    held: list[Route] = []
    practice.page.route(f"**/clips/{old}/notes", lambda route: held.append(route))
    practice.page.reload()
    practice.fill("Am7 | D7")
    practice.make_button.click()
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Am7", "D7"])
    with practice.page.expect_response(f"**/clips/{old}/notes"):
        held[0].continue_()
    practice.page.wait_for_timeout(200)
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Am7", "D7"])


def test_a_clip_asked_for_before_the_styles_are_known_is_the_one_that_comes(practice: Practice, world: World) -> None:
    practice.make("Ebmaj7 | Cm7", style="bossa")
    held: list[Route] = []
    practice.page.route("**/styles", lambda route: held.append(route))
    practice.page.reload()
    practice.chords.fill("Am7 | D7")
    practice.make_button.click()
    expect(practice.page.get_by_role("status").filter(has_text="Making the clip")).to_be_visible()
    with practice.page.expect_response("**/generate"):
        held[0].continue_()
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Am7", "D7"])
    practice.page.wait_for_timeout(200)
    expect(practice.chart.get_by_role("listitem")).to_have_text(["Am7", "D7"])
    clip = practice.page.evaluate("sessionStorage.getItem('sg.clip')")
    assert world.get(f"/clips/{clip}/notes")["style"] == "bossa"


def test_whoever_types_on_while_a_clip_is_made_keeps_the_cursor(practice: Practice) -> None:
    held: list[Route] = []
    practice.page.route("**/generate", lambda route: held.append(route))
    practice.page.get_by_role("combobox", name="Progression").select_option("blues-12")
    practice.chords.focus()
    practice.page.keyboard.press("Enter")
    practice.chords.press_sequentially(" | Am7")
    held[0].continue_()
    expect(practice.play_button).to_be_visible()
    practice.page.keyboard.type(" | D7")
    assert practice.chords.input_value().endswith(" | Am7 | D7")
    expect(practice.chords).to_be_visible()
    expect(practice.page.get_by_role("heading", level=2, name="Twelve-bar blues in A")).to_be_visible()


def test_a_clip_that_comes_after_its_session_is_not_the_new_sessions(practice: Practice) -> None:
    held: list[Route] = []
    practice.page.route("**/generate", lambda route: held.append(route))
    practice.fill("Dm7 | G7")
    practice.make_button.click()
    expect(practice.make_button).to_be_disabled()
    practice.page.evaluate("import('/static/session.js').then(({ session }) => session.renew())")
    held[0].continue_()
    expect(practice.make_button).to_be_enabled()
    assert practice.page.evaluate("sessionStorage.getItem('sg.clip')") is None


def test_the_session_of_the_tab_goes_with_each_clip(practice: Practice) -> None:
    with practice.page.expect_request("**/generate") as request:
        practice.make("C")
    asked = json.loads(request.value.post_data or "")
    assert asked["session_id"] == practice.page.evaluate("sessionStorage.getItem('sg.session')")


def test_the_page_works_where_it_comes_from_another_machine(practice: Practice) -> None:
    """There (`--allow-remote`) it is plain HTTP, and browsers keep some of their functions from it."""
    practice.page.evaluate("delete Crypto.prototype.randomUUID; sessionStorage.clear()")
    session = practice.page.evaluate("import('/static/session.js?anew').then(({ session }) => session.id)")
    assert str(uuid.UUID(session)) == session
    assert uuid.UUID(session).version == 4


def test_two_tabs_are_two_sessions(visit: Visit, world: World) -> None:
    one, two = visit(world), visit(world)
    assert len({tab.page.evaluate("sessionStorage.getItem('sg.session')") for tab in (one, two)}) == 2


def test_a_clip_that_is_gone_leaves_the_story(practice: Practice) -> None:
    practice.make("Dm7 | G7")
    gone = {"status": "failed", "error_code": "NOT_FOUND", "error_message": "clip_id: there is no clip"}
    practice.page.route("**/notes", lambda route: route.fulfill(json=gone))
    with practice.page.expect_response("**/sessions/*"):
        practice.page.reload()
    expect(practice.page.get_by_text("There is no clip")).to_be_visible()
