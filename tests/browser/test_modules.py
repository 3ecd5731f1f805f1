"""The page's own arithmetic, called in the browser that runs it."""

from __future__ import annotations

from typing import Any

import pytest

from .practice import Practice
from .world import World


@pytest.fixture
def practice(desk: Practice) -> Practice:
    """Nothing here changes the page, so it need not begin anew."""
    return desk


@pytest.mark.parametrize(
    ("typed", "bars"),
    [
        ("Dm7 G7 C", ["Dm7", "G7", "C"]),
        ("Dm7, G7; C", ["Dm7", "G7", "C"]),
        ("C7(b9,13),F E:sus4(b7,9)", ["C7(b9,13)", "F", "E:sus4(b7,9)"]),
        ("C7(b9, b13) F | G7 (C", ["C7(b9, b13) F", "G7 (C"]),
        ("Dm7 G7 | C |", ["Dm7 G7", "C"]),
        ("| Dm7 | G7 |\n| C |", ["Dm7", "G7", "C"]),
        ("C\nF", ["C", "F"]),
        ("  ", []),
    ],
)
def test_what_is_typed_becomes_bars(practice: Practice, typed: str, bars: list[str]) -> None:
    found = practice.page.evaluate("async text => (await import('/static/chords.js')).barsIn(text)", typed)
    assert found == bars


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("Bbmaj7#11", ["B♭", "maj7♯11", ""]),
        ("F#m7b5/E", ["F♯", "m7♭5", "/E"]),
        ("C6/9", ["C", "6/9", ""]),
        ("N.C.", ["N.C.", "", ""]),
        ("IIm7", ["IIm7", "", ""]),
    ],
)
def test_chords_are_drawn_with_real_accidentals(practice: Practice, symbol: str, parts: list[str]) -> None:
    drawn = "async text => Object.values((await import('/static/chords.js')).chordParts(text))"
    assert practice.page.evaluate(drawn, symbol) == parts


TAKE = """async ([played, heard, seconds]) => {
    const { Recorder } = await import('/static/recorder.js');
    const recorder = new Recorder();
    for (const [data, at] of played) recorder.hear(data, at);
    return recorder.take(heard, seconds).map(({ pitch, at, duration }) => [pitch, at, duration]);
}"""
ON, OFF = 0x90, 0x80


@pytest.mark.parametrize(
    ("played", "heard", "take"),
    [
        ([([ON, 60, 80], 1.0), ([OFF, 60, 0], 1.5)], 4, [[60, 1.0, 0.5]]),
        ([([ON, 60, 80], 1.0), ([ON, 60, 0], 1.5)], 4, [[60, 1.0, 0.5]]),
        ([([ON, 60, 80], 3.0)], 4, [[60, 3.0, 1.0]]),
        ([([ON, 60, 80], -0.5), ([ON, 62, 80], -0.05), ([OFF, 62, 0], 0.45)], 4, [[62, 0.0, 0.5]]),
        ([([ON, 60, 80], 0.0), ([ON, 60, 80], 1.0)], 2, [[60, 0.0, 1.0], [60, 1.0, 1.0]]),
        ([([0xB0, 64, 127], 0.0), ([0xFE], 0.1)], 4, []),
        ([([ON, 60, 80], 3.95), ([OFF, 60, 0], 4.2)], 8, [[60, 0.0, 0.25]]),
        ([([ON, 60, 80], 3.95), ([OFF, 60, 0], 3.99)], 4.02, [[60, 3.95, 0.04]]),
        ([([ON, 60, 80], 5.0), ([ON, 62, 80], 7.95)], 9, [[60, 1.0, 4.0]]),
    ],
    ids=[
        *("off", "on with velocity 0", "held", "early", "again", "no note", "early in the next round"),
        *("the clip's last note", "early in a round that is not whole"),
    ],
)
def test_midi_messages_become_the_notes_of_a_take(
    practice: Practice, played: list[Any], heard: float, take: list[list[float]]
) -> None:
    found = practice.page.evaluate(TAKE, [played, heard, 4])
    assert [note[0] for note in found] == [note[0] for note in take]
    for note, wanted in zip(found, take, strict=True):
        assert note == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ([1.0, -3.0, 0.0, 2.0], "Every beat within 10 ms."),
        ([1.0, None, 0.0, 2.0], "Every beat that had enough notes within 10 ms."),
        ([1.0, None, -30.0, 2.0], "Furthest off on beat 3: 30 ms early on average."),
        ([None] * 11 + [21.0], "Furthest off on eighth 12: 21 ms late on average."),
    ],
)
def test_the_beats_are_told_as_they_were_counted(practice: Practice, errors: list[float | None], words: str) -> None:
    said = """async errors => {
        const { drawBeats } = await import('/static/plots.js');
        const figure = document.createElement('figure');
        drawBeats(figure, errors);
        return figure.querySelector('.summary').textContent;
    }"""
    assert practice.page.evaluate(said, errors) == words


def test_a_string_is_in_tune(practice: Practice, world: World) -> None:
    """The plucked sound of a chord note has the pitch that was asked for, within 5 cents."""
    frequency = """async pitch => {
        const { Synth } = await import('/static/synth.js');
        const context = new OfflineAudioContext(1, 48000, 48000);
        const synth = new Synth(context, context.destination);
        synth.pluck({ pitch, velocity: 80, duration: 1 }, 0);
        const samples = (await context.startRendering()).getChannelData(0).slice(9600, 9600 + 20000);
        const wanted = 48000 / (440 * 2 ** ((pitch - 69) / 12));
        const similar = lag => samples.slice(0, 12000).reduce((sum, sample, i) => sum + sample * samples[i + lag], 0);
        const span = 8; // many periods: a fraction of a sample counts
        let best = 0, most = -Infinity;
        for (let lag = Math.floor(wanted * span * 0.97); lag <= wanted * span * 1.03; lag += 1) {
            if (similar(lag) > most) { most = similar(lag); best = lag; }
        }
        const [a, b, c] = [similar(best - 1), similar(best), similar(best + 1)];
        return (48000 * span) / (best + (a - c) / (2 * (a - 2 * b + c)));
    }"""
    for pitch in (40, 52, 64, 76):
        heard = practice.page.evaluate(frequency, pitch)
        assert heard == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=0.003), pitch
