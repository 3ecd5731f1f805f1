"""The page for everybody: keyboard, screen reader, phone, dark and light; and nobody else's business."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from .practice import Practice, Visit
from .takes import LATE_AND_EARLY_S, played
from .world import World

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
PHONE: ViewportSize = {"width": 390, "height": 844}
SMALLEST: ViewportSize = {"width": 320, "height": 640}
TOUCH_PX = 44
GROUND = "one => getComputedStyle(one).backgroundColor"


def full(practice: Practice, world: World) -> Practice:
    """The page with all that it can show: a chart, a hint, an AI tip, plots."""
    clip = practice.make("Dm7 G7 | Cmaj7 | Bbmaj7/D | F#m7b5", tempo=120, bars=8)
    practice.drop(played(world, clip, uneven_s=LATE_AND_EARLY_S), "my_take_of_this_evening_the_twelfth_and_best.mid")
    expect(practice.hint).to_be_visible()
    expect(practice.page.get_by_role("img", name="take")).to_be_visible()
    return practice


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(visit: Visit, world: World, scheme: str) -> None:
    practice = full(visit(world, color_scheme=scheme), world)
    practice.page.emulate_media(reduced_motion="reduce")
    practice.button("Loop").click()
    practice.button("Count-in").click()
    practice.play_button.click()
    expect(practice.chart.locator("[aria-current]")).to_have_count(1)
    practice.page.get_by_text("Play over").click()
    practice.page.get_by_text("Keyboard", exact=True).click()
    measured = practice.page.evaluate(CONTRAST)
    ground = practice.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(ground) > 200) == (scheme == "light")
    assert len(measured) > 40
    assert [text for text, ratio, needed in measured if ratio < needed] == []


@pytest.mark.parametrize("viewport", [PHONE, SMALLEST], ids=["phone", "smallest"])
def test_on_a_phone_nothing_runs_out_and_everything_can_be_touched(
    visit: Visit, world: World, viewport: ViewportSize
) -> None:
    practice = full(visit(world, viewport=viewport, has_touch=True), world)
    practice.page.get_by_text("Play over").click()
    practice.page.get_by_text("Keyboard", exact=True).click()
    assert practice.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    small = practice.page.evaluate(
        """least => [...document.querySelectorAll('button, select, textarea, input, summary, label.secondary')]
            .filter(one => one.checkVisibility() && !one.matches('.visually-hidden'))
            .map(one => [one.id || one.textContent, (one.closest('label.check') ?? one).getBoundingClientRect()])
            .filter(([, box]) => box.height < least || box.width < least).map(([name]) => name)""",
        TOUCH_PX,
    )
    assert small == []


def test_on_a_phone_with_wide_letters_nothing_runs_out(visit: Visit, world: World) -> None:
    """The text spacing of WCAG 2.2, 1.4.12, which stands for all wide fonts."""
    practice = full(visit(world, viewport=SMALLEST), world)
    practice.page.evaluate(
        """() => document.querySelectorAll('body *').forEach((one) =>
            Object.assign(one.style, { letterSpacing: '0.12em', wordSpacing: '0.16em', lineHeight: 1.5 }))"""
    )
    assert practice.page.evaluate("document.documentElement.scrollWidth") <= SMALLEST["width"]


def test_on_a_phone_the_transport_stays_in_sight(visit: Visit, world: World) -> None:
    practice = visit(world, viewport=PHONE)
    practice.make("C | F | G | C", bars=32, tempo=300)
    practice.button("Count-in").click()
    practice.play_button.click()
    expect(practice.page.get_by_text("Bar 3 of 32")).to_be_visible()
    expect(practice.stop_button).to_be_in_viewport(ratio=1)
    expect(practice.chart.locator("[aria-current]")).to_be_in_viewport()


def test_enlarged_to_400_percent_the_transport_does_not_lie_over_the_chart(visit: Visit, world: World) -> None:
    practice = visit(world, viewport={"width": 320, "height": 256})
    practice.make("C | F | G | C", bars=8)
    practice.chart.evaluate("chart => chart.scrollIntoView()")
    expect(practice.page.get_by_role("group", name="Transport")).not_to_be_in_viewport()
    assert practice.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_whole_loop_by_keyboard_alone(practice: Practice) -> None:
    keyboard = practice.page.keyboard
    keyboard.press("Tab")
    expect(practice.page.get_by_role("link", name="Skip to the chart")).to_be_focused()
    for _ in range(20):
        if practice.chords.evaluate("field => field === document.activeElement"):
            break
        keyboard.press("Tab")
    expect(practice.chords).to_be_focused()
    keyboard.press("Control+A")
    keyboard.type("Am7 | D7")
    keyboard.press("Enter")
    expect(practice.play_button).to_be_focused()
    keyboard.press("Space")
    expect(practice.stop_button).to_be_focused()
    keyboard.press("Space")
    expect(practice.play_button).to_be_visible()


def test_shortcuts_work_from_anywhere_but_never_while_typing(practice: Practice) -> None:
    practice.make("C", tempo=60, bars=8)
    page = practice.page
    page.evaluate("document.activeElement.blur()")
    for key, name in {"l": "Loop", "m": "Metronome", "c": "Count-in"}.items():
        before = practice.button(name).get_attribute("aria-pressed")
        page.keyboard.press(key)
        assert practice.button(name).get_attribute("aria-pressed") != before
    page.keyboard.press("Space")
    expect(practice.stop_button).to_be_visible()
    page.keyboard.press("Space")
    expect(practice.play_button).to_be_visible()
    page.get_by_text("Play over").click()
    practice.chords.fill("")
    practice.chords.press_sequentially("C lm")
    assert practice.chords.input_value() == "C lm"
    expect(practice.button("Loop")).to_have_attribute("aria-pressed", "true")
    expect(practice.play_button).to_be_visible()


def test_shortcuts_rest_until_there_is_a_clip(practice: Practice) -> None:
    practice.page.evaluate("document.activeElement.blur()")
    practice.page.keyboard.press("c")
    practice.page.evaluate("document.dispatchEvent(new Event('keydown'))")  # as a browser that fills in a field
    expect(practice.page.locator("#count-in")).to_have_attribute("aria-pressed", "true")


def test_shortcuts_can_be_switched_off(practice: Practice) -> None:
    practice.make("C")
    practice.page.get_by_text("Keyboard", exact=True).click()
    practice.page.get_by_label("Use these keys").uncheck()
    practice.page.reload()
    expect(practice.page.get_by_label("Use these keys")).not_to_be_checked()
    practice.page.evaluate("document.activeElement.blur()")
    practice.page.keyboard.press("l")
    expect(practice.button("Loop")).to_have_attribute("aria-pressed", "false")


def test_landmarks_headings_names_and_what_is_announced(practice: Practice, world: World) -> None:
    full(practice, world)
    for role in ("banner", "main", "contentinfo"):
        expect(practice.page.get_by_role(role)).to_have_count(1)
    expect(practice.page.get_by_role("heading", level=1)).to_have_text("Smart Guitar practice")
    for name in ("Play over", "Coach", "Your take", "This session"):
        expect(practice.page.get_by_role("region", name=name)).to_have_count(1)
    expect(practice.page.get_by_role("group", name="Transport")).to_be_visible()
    nameless = practice.page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, textarea')].filter(one =>
            !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).map(one => one.id)"""
    )
    assert nameless == []
    live = practice.page.locator("[aria-live=polite]")
    expect(live.filter(has=practice.hint)).to_have_count(1)
    expect(live.filter(has=practice.page.locator("#ai-tip"))).to_have_count(1)


def test_the_focus_is_seen(practice: Practice) -> None:
    practice.page.keyboard.press("Tab")
    practice.page.keyboard.press("Tab")
    style = practice.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    width = practice.page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    assert style == "solid"
    assert width >= 2


def test_nothing_moves_where_motion_is_unwanted(visit: Visit, world: World) -> None:
    practice = visit(world, reduced_motion="reduce")
    practice.make("C")
    durations = "[...document.querySelectorAll('*')].map(one => getComputedStyle(one).transitionDuration)"
    assert set(practice.page.evaluate(durations)) == {"0s"}


def test_high_contrast_hides_neither_play_nor_what_is_lit_or_on(practice: Practice) -> None:
    practice.page.emulate_media(forced_colors="active")
    try:
        practice.make("C", tempo=60)
        loop = practice.button("Loop")
        off = loop.evaluate(GROUND)
        loop.click()
        practice.button("Count-in").click()
        assert loop.evaluate(GROUND) != off
        symbol = practice.play_button.locator("svg").first
        assert symbol.evaluate("one => getComputedStyle(one).fill") != practice.play_button.evaluate(GROUND)
        practice.play_button.click()
        lit, ground = practice.chart.locator("[aria-current]"), practice.chart.evaluate(GROUND)
        assert lit.evaluate(GROUND) != ground
        assert practice.page.locator("#progress").evaluate(GROUND) != ground
    finally:
        practice.page.emulate_media(forced_colors="none")


def test_the_policy_of_the_page_forbids_inline_scripts_and_other_hosts(practice: Practice, world: World) -> None:
    with urllib.request.urlopen(world.url) as answer:
        policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    practice.page.evaluate("document.body.setAttribute('onclick', 'window.hacked = true'); document.body.click()")
    assert practice.page.evaluate("window.hacked") is None
    practice.watch.expect("Content Security Policy")
    assert practice.page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'went', () => 'refused')") == "refused"
    practice.watch.expect("127.0.0.2")
