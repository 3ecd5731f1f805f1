"""After the take: the coach's hint at once, AI tips beside it as another voice, the session's story."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Request, Route, expect

from .practice import Practice, Visit
from .takes import LATE_AND_EARLY_S, few_notes, played
from .world import World, wait_for


@pytest.fixture
def coached(practice: Practice, world: World) -> Practice:
    """The page after an uneven take, once the AI had a tip prepared for such a one."""
    clip = practice.make("Dm7 | G7 | Cmaj7 | Am7", tempo=120, bars=8)
    wait_for(lambda: list(world.home.glob("queue/prepared/swing__timing_fail__*")), "a prepared tip")
    practice.drop(played(world, clip, uneven_s=LATE_AND_EARLY_S))
    expect(practice.hint).to_be_visible()
    return practice


def test_an_ai_tip_stands_in_a_card_of_its_own_and_says_where_it_came_from(coached: Practice) -> None:
    expect(coached.ai_tip).to_be_visible()
    tip = coached.ai_tip.get_by_role("paragraph").first.inner_text()
    assert tip
    expect(coached.hint).not_to_contain_text(tip)
    expect(coached.ai_tip).to_contain_text("simulator:")
    expect(coached.ai_tip).to_contain_text("Prepared while you played")
    coached.page.reload()
    expect(coached.ai_tip).to_contain_text(tip)


def test_a_tip_that_came_too_late_is_greyed_with_the_next_take(coached: Practice, world: World) -> None:
    first = coached.page.evaluate("sessionStorage.getItem('sg.clip')")
    late = world.home / "queue" / "pending" / f"{first}_ai_addendum.json"
    wait_for(late.exists, "the late reply")
    clip = coached.make("Dm7 | G7 | Cmaj7 | Am7", tempo=120, bars=8)
    expect(coached.hint).to_be_hidden()
    coached.drop(played(world, clip, uneven_s=LATE_AND_EARLY_S, seed=2))
    expect(coached.queued_tip).to_be_visible()
    expect(coached.queued_tip).to_contain_text("It came too late for that take")
    colours = [card.evaluate("card => getComputedStyle(card).color") for card in (coached.queued_tip, coached.hint)]
    assert colours[0] != colours[1]


def test_the_session_is_told_as_plots_with_words_and_tables(coached: Practice, world: World) -> None:
    story = coached.page.get_by_role("region", name="This session")
    expect(story.get_by_role("img", name="One take, score")).to_be_visible()
    beats = story.get_by_role("img", name="beat")
    expect(beats).to_be_visible()
    story.get_by_text("As a table").last.click()
    session = coached.page.evaluate("sessionStorage.getItem('sg.session')")
    errors = world.get(f"/sessions/{session}")["takes"][-1]["error_by_beat_ms"]
    rows = story.get_by_role("table").last.get_by_role("row")
    expect(rows).to_have_count(1 + len(errors))
    worst = max(filter(None, errors), key=abs)
    expect(rows.nth(1 + errors.index(worst))).to_contain_text(
        f"{abs(round(worst))} ms {'late' if worst > 0 else 'early'}"
    )


@pytest.mark.parametrize(("tempo", "delta"), [(300, 5.0), (30, -5.0)])
def test_the_next_round_stays_within_the_limits_of_tempo(practice: Practice, tempo: int, delta: float) -> None:
    decision = {"tempo_delta_bpm": delta, "density_bucket": "dense", "syncopation_bucket": "light"}
    words = {"score": 90, "take_result": "pass", "coach_hint": "On.", "decision": decision}
    told = {"state": "coached", "envelope": {"deterministic": words, "ai": None}, "queued": None, "take": None}
    stream = f"event: state\ndata: {json.dumps(told)}\n\n"
    practice.page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    practice.make("Dm7 | G7", tempo=tempo)
    with practice.page.expect_request("**/generate") as request:
        practice.button("Next round, as the coach says").click()
    assert json.loads(request.value.post_data or "")["tempo_bpm"] == tempo


def test_the_next_round_is_what_the_coach_decided(coached: Practice, world: World) -> None:
    clip = coached.page.evaluate("sessionStorage.getItem('sg.clip')")
    decision = world.get(f"/clips/{clip}/coaching")["envelope"]["deterministic"]["decision"]
    with coached.page.expect_request("**/generate") as request:
        coached.button("Next round, as the coach says").click()
    asked = json.loads(request.value.post_data or "")
    assert asked["tempo_bpm"] == 120 + decision["tempo_delta_bpm"]
    assert asked["density_bucket"] == decision["density_bucket"]
    assert asked["chords"] == ["Dm7", "G7", "Cmaj7", "Am7"]
    expect(coached.page.get_by_text(f"{asked['tempo_bpm']:g} bpm · 4/4")).to_be_visible()
    expect(coached.hint).to_be_hidden()


def test_the_next_round_is_of_the_clip_whatever_was_typed_since(
    practice: Practice, scripted: Callable[..., None]
) -> None:
    scripted(state="coached", envelope={"deterministic": WORDS, "ai": None})
    practice.page.reload()
    expect(practice.hint).to_be_visible()
    practice.page.get_by_text("Play over").click()
    practice.page.get_by_label("Progression", exact=True).select_option(index=1)
    with practice.page.expect_request("**/generate") as request:
        practice.button("Next round, as the coach says").click()
    assert json.loads(request.value.post_data or "")["chords"] == ["C"]
    expect(practice.page.get_by_role("heading", name="Your own progression")).to_be_visible()


def test_each_next_round_is_another_variation_and_whoever_waits_for_it_is_told_so(
    practice: Practice, scripted: Callable[..., None]
) -> None:
    scripted(state="coached", envelope={"deterministic": WORDS, "ai": None})
    held: list[Route] = []
    practice.page.route("**/generate", lambda route: held.append(route))
    busy = practice.page.get_by_role("status").filter(has_text="Making the clip")
    for seed in (1, 2):
        practice.button("Next round, as the coach says").click()
        expect(busy).to_be_visible()
        assert json.loads(held[-1].request.post_data or "")["seed"] == seed
        held[-1].continue_()
        expect(busy).to_have_count(0)
        expect(practice.hint).to_be_visible()


def test_where_no_stream_can_be_had_the_page_asks(practice: Practice, world: World) -> None:
    full = {"status": "failed", "error_code": "GENERATION_ERROR", "error_message": "too many listeners"}
    practice.page.route("**/events", lambda route: route.fulfill(json=full))
    clip = practice.make("Dm7 | G7", tempo=120, bars=4)
    practice.drop(played(world, clip))
    expect(practice.hint).to_be_visible(timeout=15_000)
    practice.watch.expect("EventSource")


def test_what_is_asked_of_a_clip_is_not_said_of_the_next(practice: Practice, world: World) -> None:
    full = {"status": "failed", "error_code": "GENERATION_ERROR", "error_message": "too many listeners"}
    practice.page.route("**/events", lambda route: route.fulfill(json=full))
    clip = practice.make("Dm7 | G7", tempo=120, bars=4)
    held: list[Route] = []
    practice.page.route("**/coaching", lambda route: held.append(route))
    with practice.page.expect_request("**/coaching"):
        practice.drop(played(world, clip))
    wait_for(lambda: world.get(f"/clips/{clip}/coaching")["state"] == "coached", "the coach's word")
    practice.make("C")
    with practice.page.expect_response("**/coaching"):
        held[0].continue_()
    practice.page.wait_for_timeout(100)
    expect(practice.hint).to_be_hidden()
    practice.watch.expect("EventSource")


HIDDEN = "hidden => Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })"
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"


def test_a_tab_that_is_not_seen_holds_no_connection_and_knows_all_when_it_is(practice: Practice, world: World) -> None:
    """A browser has six connections to a server for all its tabs: with six streams a seventh tab would get nothing."""
    clip = practice.make("Dm7 | G7", tempo=120, bars=4)
    practice.page.evaluate(f"hidden => void ({HIDDEN})(hidden)", True)

    def is_stream(request: Request) -> bool:
        return request.url.endswith("/events")

    with practice.page.expect_event("requestfailed", is_stream):
        practice.page.evaluate(LOOK)
    practice.drop(played(world, clip))
    wait_for(lambda: world.get(f"/clips/{clip}/coaching")["state"] == "coached", "the coach's word")
    expect(practice.hint).to_be_hidden()
    practice.page.evaluate(f"hidden => void ({HIDDEN})(hidden)", False)
    practice.page.evaluate(LOOK)
    expect(practice.hint).to_be_visible()


def test_a_story_that_comes_late_is_not_drawn_over_a_newer_one(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7 | G7", tempo=120, bars=4)
    early: list[Route] = []
    session = practice.page.evaluate("sessionStorage.getItem('sg.session')")
    of_none = world.get(f"/sessions/{session}")
    practice.page.route("**/sessions/*", lambda route: route.fallback() if early else early.append(route))
    with practice.page.expect_request("**/sessions/*"):
        practice.drop(played(world, clip))
    expect(practice.hint).to_be_visible()
    practice.drop(played(world, clip, uneven_s=LATE_AND_EARLY_S))
    story = practice.page.get_by_role("region", name="This session")
    expect(story.get_by_role("img", name="2 takes.")).to_be_visible()
    early[0].fulfill(json=of_none)
    practice.page.wait_for_timeout(200)
    expect(story.get_by_role("img", name="2 takes.")).to_be_visible()


@pytest.fixture
def scripted(practice: Practice) -> Iterator[Callable[..., None]]:
    """Let the coach say anything: the event stream of the next clip is made up."""

    def say(**coaching: Any) -> None:
        silent = {"status": "ok", "clip_id": "x", "envelope": None, "origin": None, "queued": None, "error": None}
        data = json.dumps({**silent, "take": None, **coaching})
        practice.page.route(
            "**/events",
            lambda route: route.fulfill(content_type="text/event-stream", body=f"event: state\ndata: {data}\n\n"),
        )
        practice.make("C")

    yield say
    practice.page.unroute_all(behavior="ignoreErrors")


DECISION = {"tempo_delta_bpm": 1.0, "difficulty_delta": 0.0, "density_bucket": "medium", "syncopation_bucket": "light"}
WORDS = {"score": 72.5, "take_result": "pass", "score_trend": 4.2, "coach_hint": "Hold it.", "decision": DECISION}
MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"


def test_texts_of_an_ai_are_text_and_never_markup(practice: Practice, scripted: Callable[..., None]) -> None:
    tip = {"coaching_tip": MARKUP, "timing_insight": "לאט.", "exercise_hint": "Slowly.", "model_id": "a:b@c"}
    scripted(state="coached", envelope={"deterministic": WORDS, "ai": tip}, origin="live")
    texts = practice.ai_tip.get_by_role("paragraph")
    expect(texts).to_have_text([MARKUP, "לאט.", "Slowly.", "Written for this take · a:b@c"])
    directions = texts.evaluate_all("texts => texts.map(one => getComputedStyle(one).direction)")
    assert directions == ["ltr", "rtl", "ltr", "ltr"]
    expect(practice.ai_tip.get_by_role("img")).to_have_count(0)
    expect(practice.hint).to_contain_text("72.5")
    expect(practice.hint).to_contain_text("+4.2 against your takes before")


def test_what_the_coach_said_is_not_said_again(practice: Practice, scripted: Callable[..., None]) -> None:
    """Whether the coach runs is asked every ten seconds: a screen reader would read all of it out every time."""
    tip = {"coaching_tip": "Softly.", "timing_insight": None, "exercise_hint": "Slowly.", "model_id": "a:b@c"}
    scripted(state="coached", envelope={"deterministic": WORDS, "ai": tip}, origin="live", queued=tip)
    expect(practice.queued_tip).to_be_visible()
    practice.page.evaluate(
        """() => {
            window.changes = [];
            const observer = new MutationObserver((seen) => changes.push(...seen.map(({ target }) => target.id)));
            for (const live of document.querySelectorAll("[aria-live], [role=status]"))
                observer.observe(live, { childList: true, characterData: true, subtree: true });
        }"""
    )
    with practice.page.expect_response("**/status"):
        practice.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    practice.page.wait_for_timeout(100)
    assert practice.page.evaluate("changes") == []


def test_a_timing_that_could_not_be_measured_is_said(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7 | G7", tempo=120, bars=8)
    practice.drop(few_notes(world, clip))
    expect(practice.hint).to_contain_text("Your timing could not be measured: too few notes")
    practice.drop(played(world, clip))
    expect(practice.hint).not_to_contain_text("could not be measured")
    expect(practice.hint).to_contain_text("no take to compare with yet")  # though it is not the first


def test_a_take_that_the_coach_refused_is_explained(practice: Practice, scripted: Callable[..., None]) -> None:
    scripted(state="refused", error={"error_code": "VALIDATION_ERROR", "message": "take.mid: holds no note"})
    expect(practice.page.get_by_text("The coach could not use this take. take.mid: holds no note")).to_be_visible()
    expect(practice.hint).to_be_hidden()


def test_the_hint_stands_alone_while_no_ai_tip_has_come(practice: Practice, scripted: Callable[..., None]) -> None:
    scripted(state="coached", envelope={"deterministic": WORDS, "ai": None})
    expect(practice.hint).to_be_visible()
    expect(practice.ai_tip).to_be_hidden()
    expect(practice.page.get_by_text("No AI tip yet.")).to_be_visible()


def test_the_status_says_that_coach_and_ai_are_there(practice: Practice) -> None:
    expect(practice.status).to_have_text("Coach ready, AI tips on")


def test_a_generator_that_hangs_does_not_answer(practice: Practice) -> None:
    expect(practice.status).to_have_text("Coach ready, AI tips on")
    practice.page.route("**/status", lambda _route: None)
    practice.page.evaluate(
        "{ const real = AbortSignal.timeout; AbortSignal.timeout = () => real.call(AbortSignal, 100); }"
    )
    practice.page.evaluate(LOOK)
    expect(practice.status).to_contain_text("does not answer")


def test_without_a_worker_the_page_says_how_to_start_one(
    visit: Visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = World(tmp_path_factory.mktemp("alone"))
    try:
        alone.generator()
        practice = visit(alone)
        expect(practice.status).to_contain_text("sg-hybrid run")
        clip = practice.make("Dm7")
        practice.drop(played(alone, clip))
        expect(practice.page.get_by_text("Your take is kept, but the coach is not running.")).to_be_visible()
        practice.page.close()
    finally:
        alone.stop()
