"""Handing over a take: played on a MIDI instrument while the clip runs, or dropped as a file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.conftest import FIXTURES

from .practice import Practice, Visit
from .takes import played
from .world import World

CONNECTED = "void (navigator.requestMIDIAccess = async () => midi.access)"
REFUSED = "void (navigator.requestMIDIAccess = async () => { throw new DOMException() })"
# The bass begins on the first beat, so it tells where that is on the audio clock.
PLAY = """([start, notes]) => {
    const bass = audio.voices.filter(one => one.kind === 'bass').map(one => one.start);
    const first = Math.min(...bass) - start;
    for (const [at, pitch, length] of notes) {
        midi.play([0x90, pitch, 80], audio.heardAt(first + at));
        midi.play([0x80, pitch, 0], audio.heardAt(first + at + length));
    }
}"""


def plug_in(practice: Practice) -> None:
    practice.page.evaluate(CONNECTED)
    practice.button("Connect a MIDI instrument").click()
    expect(practice.page.get_by_label("Instrument").get_by_role("option")).to_have_text(["Any instrument", "Test keys"])


def start(practice: Practice, world: World, clip: str, notes: list[tuple[float, int, float]]) -> None:
    """Press play, and play these notes: seconds of the clip, pitch, length."""
    practice.play_button.click()
    practice.wait_until("audio.voices.some(one => one.kind === 'bass')")
    first_bass = min(note["time_s"] for note in world.get(f"/clips/{clip}/notes")["tracks"]["bass"])
    practice.page.evaluate(PLAY, [first_bass, notes])


def sent(request: Any) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = json.loads(request.value.post_data)["take"]["notes"]
    return notes


def test_what_is_played_on_an_instrument_is_the_take_when_the_clip_ends(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7 | G7")
    plug_in(practice)
    strokes = [(0.0, 62, 0.2), (0.53, 65, 0.2), (1.0, 69, 0.3), (1.48, 71, 0.1)]
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        start(practice, world, clip, [(-0.4, 50, 0.1), *strokes])
    notes = sent(request)
    assert [note["pitch"] for note in notes] == [62, 65, 69, 71]  # the count-in is not part of it
    assert [note["time_s"] for note in notes] == pytest.approx([at for at, _, _ in strokes], abs=0.012)
    assert [note["duration_s"] for note in notes] == pytest.approx([length for _, _, length in strokes], abs=0.012)
    assert {note["velocity"] for note in notes} == {80}
    expect(practice.page.get_by_text("Your take of 4 notes went to the coach.")).to_be_visible()


def test_stop_hands_over_what_was_played_so_far(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=200, bars=16)
    plug_in(practice)
    start(practice, world, clip, [(-0.6, 50, 0.1), (0.0, 62, 0.2), (0.3, 65, 0.1)])
    expect(practice.page.get_by_text("2 notes heard")).to_be_visible()
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.stop_button.click()
    assert [note["pitch"] for note in sent(request)] == [62, 65]


def test_a_take_that_nobody_took_is_sent_as_soon_as_somebody_answers(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=200, bars=16)
    plug_in(practice)
    practice.page.route("**/take", lambda route: route.abort())
    start(practice, world, clip, [(0.0, 62, 0.2), (0.3, 65, 0.1)])
    expect(practice.page.get_by_text("2 notes heard")).to_be_visible()
    practice.stop_button.click()
    expect(practice.page.get_by_role("alert").filter(has_text="Your take is kept")).to_be_visible()
    practice.watch.expect("net::ERR_FAILED")
    practice.page.unroute("**/take")
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert [note["pitch"] for note in sent(request)] == [62, 65]
    expect(practice.page.get_by_text("Your take of 2 notes went to the coach.")).to_be_visible()
    expect(practice.page.get_by_text("Your take is kept")).to_be_hidden()


def test_of_two_takes_that_nobody_took_the_newer_one_is_kept(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=200, bars=16)
    plug_in(practice)
    held: list[Route] = []
    practice.page.route("**/take", lambda route: held.append(route))
    for pitch in (62, 70):
        practice.page.evaluate("void (audio.voices.length = 0)")
        start(practice, world, clip, [(0.0, pitch, 0.2)])
        expect(practice.page.get_by_text("1 note heard")).to_be_visible()
        with practice.page.expect_request("**/take"):
            practice.stop_button.click()
        expect(practice.page.get_by_text("Recording. Play!")).to_be_hidden()
    practice.page.wait_for_timeout(100)
    for route in reversed(held):
        route.abort()
        practice.page.wait_for_timeout(100)
    practice.watch.expect("net::ERR_FAILED")
    practice.page.unroute("**/take")
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert [note["pitch"] for note in sent(request)] == [70]


def test_a_take_ends_where_its_sound_ends(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=200, bars=16)
    plug_in(practice)
    start(practice, world, clip, [(0.0, 62, 0.2), (0.3, 65, 0.1)])
    expect(practice.page.get_by_text("2 notes heard")).to_be_visible()
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.page.evaluate("audio.context.suspend()")  # as the browser does it when a call comes
    assert [note["pitch"] for note in sent(request)] == [62, 65]
    expect(practice.play_button).to_be_visible()


def test_a_short_clip_that_ends_while_the_browser_is_busy_is_one_round(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=300, bars=1)
    plug_in(practice)
    start(practice, world, clip, [(0.0, 62, 0.1)])
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.page.evaluate("{ const end = performance.now() + 2500; while (performance.now() < end); }")
    assert [note["pitch"] for note in sent(request)] == [62]
    expect(practice.page.get_by_text("Your take of 1 note went to the coach.")).to_be_visible()


def test_a_long_take_fits_into_a_request(practice: Practice) -> None:
    clip = practice.make("C", tempo=300, bars=256)
    answer = practice.page.evaluate(
        """async clip => {
            const { api } = await import('/static/api.js');
            const note = (_, i) => ({ pitch: 62, velocity: 80, at: i * 0.05 + Math.PI / 1e3, duration: 0.3 / Math.PI });
            return (await api.sendNotes(clip, Array.from({ length: 4000 }, note))).status;
        }""",
        clip,
    )
    assert answer == "ok"


def test_of_a_loop_the_last_whole_round_is_the_take(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7", tempo=300, bars=1)
    seconds = 0.8
    plug_in(practice)
    practice.button("Loop").click()
    start(practice, world, clip, [(0.1, 60, 0.1), (seconds + 0.2, 62, 0.1), (2 * seconds + 0.1, 64, 0.1)])
    practice.wait_until(f"audio.context.currentTime > audio.voices[0].start + {4 * 0.2 + 2.3 * seconds}")
    with practice.page.expect_request(f"**/clips/{clip}/take") as request:
        practice.stop_button.click()
    (note,) = sent(request)
    assert (note["pitch"], note["time_s"]) == (62, pytest.approx(0.2, abs=0.012))


def test_a_silent_instrument_sends_nothing(practice: Practice) -> None:
    requests: list[str] = []
    practice.page.on("request", lambda request: requests.append(request.url))
    practice.make("Dm7", tempo=300, bars=1)
    plug_in(practice)
    practice.play_button.click()
    expect(practice.page.get_by_text("No note was played.")).to_be_visible()
    assert not [url for url in requests if url.endswith("/take")]


def test_an_instrument_that_was_unplugged_is_heard_alone_again(practice: Practice) -> None:
    plug_in(practice)
    picked = practice.page.get_by_label("Instrument")
    picked.select_option("Test keys")
    for unplugged, chosen in ((True, ""), (False, "one")):
        practice.page.evaluate(
            """unplugged => {
                const { inputs } = midi.access;
                window.keys ??= inputs.get("one");
                inputs.set("drums", { id: "drums", name: "Drums", onmidimessage: null });
                if (unplugged) inputs.delete("one");
                else inputs.set("one", keys);
                midi.access.dispatchEvent(new Event("statechange"));
            }""",
            unplugged,
        )
        expect(picked).to_have_value(chosen)
    assert practice.page.evaluate("midi.access.inputs.get('drums').onmidimessage") is None


def test_an_instrument_that_the_browser_refuses_is_said(practice: Practice) -> None:
    practice.page.evaluate(REFUSED)
    practice.button("Connect a MIDI instrument").click()
    expect(practice.page.get_by_role("alert").filter(has_text="did not allow MIDI")).to_be_visible()


def test_without_web_midi_the_page_offers_the_file_alone(visit: Visit, world: World) -> None:
    practice = visit(world)
    practice.page.add_init_script("delete Navigator.prototype.requestMIDIAccess")
    practice.page.reload()
    expect(practice.page.get_by_text("This browser cannot hear MIDI instruments.")).to_be_visible()
    expect(practice.button("Connect a MIDI instrument")).to_have_count(0)
    expect(practice.page.get_by_label("Choose a MIDI file")).to_be_attached()


def test_a_dropped_take_is_coached_at_once(practice: Practice, world: World) -> None:
    clip = practice.make("Dm7 | G7", tempo=120, bars=4)
    practice.drop(played(world, clip))
    expect(practice.page.get_by_text("take.mid went to the coach.")).to_be_visible()
    expect(practice.hint).to_be_visible()
    hint = world.get(f"/clips/{clip}/coaching")["envelope"]["deterministic"]
    expect(practice.hint).to_contain_text(hint["coach_hint"])
    expect(practice.hint).to_contain_text(f"{hint['score']:g}")


def test_a_chosen_file_is_a_take_too(practice: Practice) -> None:
    practice.make("Dm7 | G7 | Cmaj7 | Am7", tempo=120, bars=8, style="bossa")
    practice.page.get_by_label("Choose a MIDI file").set_input_files(FIXTURES / "takes" / "clip_bossa" / "take.mid")
    expect(practice.page.get_by_text("take.mid went to the coach.")).to_be_visible()


def test_a_file_that_is_no_take_is_refused_in_words(practice: Practice) -> None:
    practice.make("Dm7")
    for content, words in (
        (b"RIFF....", "notes.mid is no MIDI file"),
        (b"MThd" + bytes(200 * 1024), "a take may have 190 KiB"),
        (b"MThd" + bytes(20), "Ends in the middle"),
    ):
        practice.drop(content, "notes.mid")
        expect(practice.page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    practice.page.evaluate("void (Blob.prototype.text = () => Promise.reject(new DOMException()))")  # as of a folder
    practice.drop(b"MThd", "takes")
    expect(practice.page.get_by_role("alert").filter(has_text="takes cannot be read")).to_be_visible()
    expect(practice.hint).to_be_hidden()


def test_a_take_needs_a_clip(practice: Practice) -> None:
    practice.drop(b"MThd" + bytes(20))
    expect(practice.page.get_by_role("alert").filter(has_text="Make a clip first")).to_be_visible()
