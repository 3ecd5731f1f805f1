"""Whole takes whose truth is known: latency, spread, feel, meters, and what cannot be measured."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach import FindingCode, Focus, InvalidInput, SessionRecord, Severity, evaluate_session
from sg_coach.take import PARTS, AnotherPiece, Note, analyse_take, report_lines
from sg_coach.take.clave import strokes_ms
from sg_coach.take.feel import off_beat
from sg_coach.take.notes import quarter_beats, steady_pulse
from sg_coach.take.statistics import median, p95
from tests.deep import examples
from tests.synthetic import CONTEXT, Made, made, random_notes


@given(
    seed=st.integers(0, 10**6),
    bpm=st.floats(50, 300),
    meter=st.sampled_from(["4/4", "2/4", "3/4", "5/4"]),
    latency=st.floats(-78, 78),
    spread=st.floats(8, 20),
    chords=st.booleans(),
)
@examples(50)
def test_latency_and_p95_of_a_take_of_a_clip_are_recovered(
    seed: int, bpm: float, meter: str, latency: float, spread: float, chords: bool
) -> None:
    """From enough events for 2.5 ms (see the same against the grid, below; a chord counts as often as it has notes)."""
    strokes = round(5.1 * spread**2 * 1.4)
    take = made(
        seed,
        bpm=bpm,
        meter=meter,
        latency=latency,
        spread=spread,
        chords=chords,
        strokes=strokes,
        dropped=0.1,
        wrong=0.1,
    )
    session = analyse_take(take.played, take.pulse, CONTEXT, take.expected).session
    assert session.latency_removed_ms == pytest.approx(latency, abs=2.5)
    # A sample's own median cannot be told from latency.
    assert session.latency_removed_ms == pytest.approx(latency + median(take.note_errors), abs=2.5)
    bias = median(take.errors)
    assert session.timing_p95_error_ms == pytest.approx(p95([error - bias for error in take.errors]), abs=2)
    assert session.meter == meter
    assert session.bpm == pytest.approx(bpm, abs=0.01)
    assert session.timing_measurable


class GridTake(NamedTuple):
    """What a take against the grid is made with; times in ms, `style` is what the analyser is told."""

    seed: int
    bpm: float
    meter: str
    spread: float
    latency: float
    style: str
    chords: bool

    def made(self, strokes: int) -> Made:
        return made(
            self.seed,
            bpm=self.bpm,
            meter=self.meter,
            latency=self.latency,
            spread=self.spread,
            strokes=strokes,
            chords=self.chords,
            dropped=0.1,
            wrong=0.1,
            off_beat=off_beat(self.style, self.bpm, self.meter),
        )

    def measured(self, take: Made) -> SessionRecord:
        return analyse_take(take.played, take.pulse, replace(CONTEXT, style=self.style, grid=8)).session


@st.composite
def grid_takes(draw: st.DrawFn) -> GridTake:
    """Takes of half beats at 50 to 300 bpm, as far as a grid can tell anything about them.

    The spread is a 20th of a beat at most: beyond 2.5 of it an event lies nearer to another sixteenth. The latency
    leaves an event nearest to its own half beat: later than that is earlier than the next one, whoever looks.
    """
    meter = draw(st.sampled_from(["4/4", "2/4", "3/4", "5/4", "6/8", "12/8"]))
    eighths = quarter_beats(meter)
    bpm = draw(st.floats(50, 300 / eighths))
    beat_ms = 60_000 / bpm / eighths
    style = draw(st.sampled_from(["bossa", "swing"]))
    spread = draw(st.floats(8, min(20.0, beat_ms / 20)))
    most = min(78.0, beat_ms * (1 - off_beat(style, bpm, meter)) / 2 - 2.6 * spread)
    latency = draw(st.floats(-most, most))
    return GridTake(draw(st.integers(0, 10**6)), bpm, meter, spread, latency, style, draw(st.booleans()))


@given(grid_takes(), st.integers(150, 900))
@examples(50)
def test_against_the_grid_the_latency_of_a_take_is_that_of_its_beats(which: GridTake, strokes: int) -> None:
    """What the events on beats came late by is found, and the p95 is that of the errors around it; however short."""
    take = which.made(strokes)
    session = which.measured(take)
    assert session.latency_removed_ms == pytest.approx(which.latency + median(take.beat_errors), abs=2.5)
    own = (session.latency_removed_ms or 0) - which.latency
    assert session.timing_p95_error_ms == pytest.approx(p95([error - own for error in take.errors]), abs=2)
    assert session.meter == which.meter


@given(grid_takes())
@examples(40)
def test_against_the_grid_latency_and_p95_are_recovered_from_enough_events(which: GridTake) -> None:
    """The true latency within 2.5 ms, where that is possible at all.

    The median of n errors with the spread σ has the standard error √(π/2) σ/√n (Cramér, Mathematical Methods of
    Statistics, 28.5), so a shorter take's own median differs from its latency by more: at 20 ms and 64 beats typically
    by 3.1 ms, and no estimator could do better than 2.5 (σ/√n, the mean's). 4.5 standard errors are 2.5 ms from
    n = (4.5 · 1.2533 σ / 2.5)² = 5.1 σ² events on beats on: 330 at 8 ms, 2,040 at 20 ms. Half of the strokes are on
    beats, one in ten is dropped.
    """
    take = which.made(round(5.1 * which.spread**2 * 2 * 1.2))
    session = which.measured(take)
    assert session.latency_removed_ms == pytest.approx(which.latency, abs=2.5)
    assert session.timing_p95_error_ms == pytest.approx(p95(take.errors), abs=2)


@pytest.mark.parametrize("meter", ["6/8", "12/8"])
def test_eighths_are_the_beats_of_compound_meters(meter: str) -> None:
    take = made(1, bpm=90, meter=meter, latency=20, spread=8, strokes=300)
    report = analyse_take(take.played, take.pulse, CONTEXT, take.expected)
    assert len(report.session.error_by_beat_ms or ()) == int(meter.split("/")[0])
    assert report.session.latency_removed_ms == pytest.approx(20, abs=2.5)


@pytest.mark.parametrize("meter", ["4/4", "2/4", "3/4", "5/4", "6/8", "12/8"])
@pytest.mark.parametrize("bars", [1, 3])
def test_the_bars_of_a_take_are_those_that_it_plays_in(meter: str, bars: int) -> None:
    pulse = steady_pulse(90, meter, 60_000)
    beats = [Note(ms, 60) for ms in pulse.beats_ms[: bars * pulse.beats_a_bar + 1]]
    for clip in (None, beats[:-1]):
        assert analyse_take(beats[:-1], pulse, CONTEXT, clip).session.bars == bars
    assert analyse_take(beats, pulse, CONTEXT).session.bars == bars + 1, "it ends on the first beat of the next one"


def test_swing_without_its_feel_is_read_as_lateness() -> None:
    take = made(1, bpm=120, spread=1, strokes=200, off_beat=1.37 / 2.37)
    straight = analyse_take(take.played, take.pulse, replace(CONTEXT, grid=8)).session
    swung = analyse_take(take.played, take.pulse, replace(CONTEXT, grid=8, style="swing")).session
    assert straight.timing_p95_error_ms == pytest.approx(39, abs=2)
    assert swung.timing_p95_error_ms < 4


def test_a_beat_that_drags_is_named() -> None:
    take = made(4, bpm=100, spread=4, strokes=300)
    beat = 600.0
    dragged = [
        note._replace(onset_ms=note.onset_ms + (25 if round(note.onset_ms / beat) % 4 == 3 else 0))
        for note in take.played
        if abs(note.onset_ms / beat - round(note.onset_ms / beat)) < 0.1
    ]
    errors = analyse_take(dragged, take.pulse, CONTEXT).session.error_by_beat_ms
    assert errors is not None
    assert errors[3] == pytest.approx(25, abs=3)
    assert all(error is not None and abs(error) < 3 for error in errors[:3])


@given(st.integers(0, 10**6), st.sampled_from([8, 16, None]), st.floats(240, 340))
@examples(40)
def test_random_notes_are_not_measurable_and_never_graded_a(seed: int, grid: int | None, bpm: float) -> None:
    pulse, notes = random_notes(seed, bpm)
    report = analyse_take(notes, pulse, replace(CONTEXT, grid=grid))  # type: ignore[arg-type]
    evaluation = evaluate_session(report.session)
    assert report.session.timing_measurable is False
    assert any("not measurable on this grid" in remark for remark in report.remarks)
    assert evaluation.grade not in ("A", "B")
    last = evaluation.findings[-1]
    assert (last.code, last.severity) == (FindingCode.TIMING_NOT_MEASURABLE, Severity.INFO)


def test_a_few_random_notes_that_are_tight_by_luck_are_hardly_ever_graded() -> None:
    """At 250 bpm; by the size of the p95 alone one in seven takes of 20 random notes would get an A or a B."""
    graded = dict.fromkeys((12, 16, 20, 40, 80), 0)
    for seed, count in ((seed, count) for seed in range(200) for count in graded):
        pulse, notes = random_notes(seed, 250, count)
        report = analyse_take(notes, pulse, replace(CONTEXT, grid=16))
        graded[count] += evaluate_session(report.session).grade in ("A", "B")
    assert sum(graded.values()) <= 3, graded  # of 1,000


def test_why_a_few_tight_notes_are_not_measured_is_said() -> None:
    take = made(1, bpm=250, spread=9, strokes=14)
    report = analyse_take(take.played, take.pulse, replace(CONTEXT, grid=16))
    assert any("random notes may come out as close by luck" in remark for remark in report.remarks)


def test_what_was_not_measured_is_never_the_focus() -> None:
    pulse, notes = random_notes(3, 250)
    evaluation = evaluate_session(analyse_take(notes, pulse, replace(CONTEXT, grid=16)).session)
    assert [finding.code for finding in evaluation.findings] == [FindingCode.TIMING_NOT_MEASURABLE]
    assert evaluation.primary_focus is Focus.PROGRESS
    assert evaluation.focus_code == "progress"
    assert evaluation.score_0_100 == 69


@pytest.mark.parametrize(("count", "said"), [(1, "1 event"), (2, "2 events"), (11, "11 events")])
def test_a_handful_of_notes_says_nothing_about_timing(count: int, said: str) -> None:
    report = analyse_take([Note(500.0 * n + 7, 60) for n in range(count)], steady_pulse(120, "4/4", 8000), CONTEXT)
    assert report.session.total_events == count
    assert report.session.timing_measurable is False
    assert f"timing is not measurable: {said}, at least 12 are needed" in report.remarks


def test_a_dozen_notes_in_place_say_something() -> None:
    report = analyse_take([Note(500.0 * n + 7, 60) for n in range(12)], steady_pulse(120, "4/4", 8000), CONTEXT)
    assert report.session.timing_measurable is True
    assert not any("measurable" in remark for remark in report.remarks)


def test_a_count_in_is_left_out() -> None:
    pulse = steady_pulse(120, "4/4", 16_000)
    clicks = [Note(-500.0 * n, 76) for n in range(1, 5)]
    notes = [Note(500.0 * n + 5, 60) for n in range(30)]
    report = analyse_take([*clicks, *notes], pulse, CONTEXT)
    assert report.notes == 30
    assert (report.matched, report.wrong_pitch, report.missed, report.extra) == (30, 0, 0, 0)
    assert "4 notes before bar 1 left out" in report.remarks
    assert "1 note before bar 1 left out" in analyse_take([clicks[0], *notes], pulse, CONTEXT).remarks
    with pytest.raises(InvalidInput, match="before bar 1"):
        analyse_take(clicks, pulse, CONTEXT)


def test_a_clip_that_was_played_twice_is_told() -> None:
    clip = [Note(500.0 * beat, 60) for beat in range(32)]
    rounds = [[Note(500.0 * (beat + 32 * number) + 70, 60) for beat in range(32)] for number in range(2)]
    once = analyse_take(rounds[0], steady_pulse(120, "4/4", 15_900), CONTEXT, clip)
    twice = analyse_take([*rounds[0], *rounds[1]], steady_pulse(120, "4/4", 31_900), CONTEXT, clip)
    assert (twice.matched, twice.extra) == (once.matched, 32)
    assert "32 notes after the clip's last one counted as extra: the clip is measured once" in twice.remarks
    assert not any("after the clip" in remark for remark in once.remarks)


def test_no_notes_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="no notes"):
        analyse_take([], steady_pulse(120, "4/4", 1000), CONTEXT)
    with pytest.raises(InvalidInput, match="clip holds no notes"):
        analyse_take([Note(0, 60)], steady_pulse(120, "4/4", 1000), CONTEXT, [])


@pytest.mark.parametrize(("bpm", "meter", "window"), [(300, "4/4", 90.0), (60, "4/4", 250.0), (150, "6/8", 90.0)])
def test_a_note_is_looked_for_in_less_than_half_a_beat(bpm: float, meter: str, window: float) -> None:
    pulse = steady_pulse(bpm, meter, 12_000)
    clip = [Note(ms, 60) for ms in pulse.beats_ms[:36]]
    for off, lost in ((window - 5, 0), (window + 5, 1)):
        played = [note._replace(onset_ms=note.onset_ms + (off if n == 9 else 0)) for n, note in enumerate(clip)]
        report = analyse_take(played, pulse, CONTEXT, clip)
        assert (report.missed, report.extra) == (lost, lost)
        assert report.chance_p95_ms == pytest.approx(0.95 * window)


@pytest.mark.parametrize("seed", range(10))
def test_another_piece_is_refused(seed: int) -> None:
    clip, other = made(seed, bpm=100, chords=True), made(seed + 100, bpm=100, chords=True)
    with pytest.raises(AnotherPiece, match="another piece"):
        analyse_take(other.played, clip.pulse, CONTEXT, clip.expected)


def test_of_a_take_with_a_count_in_that_nobody_named_its_bars_are_asked() -> None:
    take = made(2, bpm=100)
    later = [note._replace(onset_ms=note.onset_ms + 2400) for note in take.played]
    with pytest.raises(AnotherPiece, match="or the bars that were counted in"):
        analyse_take(later, take.pulse, CONTEXT, take.expected)


def test_half_a_take_is_a_take_of_its_clip() -> None:
    take = made(2, bpm=100, spread=8)
    half = take.played[: len(take.played) // 2]
    report = analyse_take(half, take.pulse, CONTEXT, take.expected)
    assert report.matched == len(half)
    assert report.missed == len(take.expected) - len(half)


def test_the_clave_is_asked_of_a_part_that_follows_it() -> None:
    pulse = steady_pulse(100, "4/4", 19_000)
    part = PARTS["tumbao"]
    notes = [Note(ms + 12, 40) for ms in strokes_ms(part, pulse, 8)]
    assert analyse_take(notes, pulse, replace(CONTEXT, part=part)).session.clave_hit_ratio == 1.0
    chance = Random(1)
    half = [note for note in notes if chance.random() < 0.5]
    ratio = analyse_take(half, pulse, replace(CONTEXT, part=part)).session.clave_hit_ratio
    assert ratio is not None
    assert 0.3 < ratio < 0.7
    without = analyse_take(notes, pulse, CONTEXT)
    assert without.session.clave_hit_ratio is None
    assert any("clave not measured" in remark for remark in without.remarks)


@pytest.mark.parametrize(("rest", "last"), [(0, 0), (4, 0), (0, 1), (3, 1)])
def test_rests_before_a_part_and_after_its_last_note_are_no_missed_strokes(rest: int, last: int) -> None:
    part, pulse = PARTS["montuno-2-3"], steady_pulse(100, "4/4", 24_000)
    bar = 2400.0
    due = [ms for ms in strokes_ms(part, pulse, rest + 3) if ms >= rest * bar]
    notes = [Note(ms, 60) for ms in [*due, *[(rest + 3) * bar] * last]]
    assert analyse_take(notes, pulse, replace(CONTEXT, part=part)).session.clave_hit_ratio == 1.0


@pytest.mark.parametrize("off", [-30.0, 0.0, 30.0])
def test_from_the_first_stroke_that_was_played_to_the_last_every_one_counts(off: float) -> None:
    part, pulse = PARTS["montuno-2-3"], steady_pulse(100, "4/4", 12_000)
    due = strokes_ms(part, pulse, 4)
    hit = [ms for number, ms in enumerate(due) if number % 4 != 2]
    assert (hit[0], hit[-1]) == (due[0], due[-1])
    notes = [Note(ms + (off if ms in (due[0], due[-1]) else 0.0), 60) for ms in hit]
    session = analyse_take(notes, pulse, replace(CONTEXT, part=part)).session
    assert session.clave_hit_ratio == pytest.approx(len(hit) / len(due), abs=1e-4)


@pytest.mark.parametrize("latency", [-70.0, 0.0, 70.0])
def test_with_a_clip_the_strokes_of_the_part_are_the_clips(latency: float) -> None:
    take = made(2, bpm=100, spread=5, dropped=0.2, latency=latency)
    context = replace(CONTEXT, part=PARTS["montuno-2-3"])
    ratio = analyse_take(take.played, take.pulse, context, take.expected).session.clave_hit_ratio
    assert ratio == pytest.approx(0.8, abs=0.07)


def test_the_report_says_what_was_done() -> None:
    take = made(2, bpm=100, spread=8, latency=30, dropped=0.1, wrong=0.1)
    report = analyse_take(take.played, take.pulse, CONTEXT, take.expected)
    text = "\n".join(report_lines(report))
    assert "latency removed   +" in text
    assert f"{report.matched} matched ({report.wrong_pitch} of another pitch), {report.missed} missed" in text
    assert "error by beat     1: " in text
    assert report.document()["reference"] == "clip"


REPORT = """\
3 bars of 4/4 at 120 bpm, 24 events
latency removed   +12.0 ms
measured against  the lines of grid 8, off-beats at 58% of the beat
mean error        1.0 ms ± 1.0
95 % within       0.0 ms ± 10.9 (random notes: 132.0 ms)
in place          100% within 35 ms, 1 late
error by beat     1: +0.0  2: +0.0  3: +0.0  4: +4.2
clave             75% of the part's strokes"""


def test_the_report_of_a_swung_take_without_a_clip() -> None:
    pulse, off = steady_pulse(120, "4/4", 5_999), 500 * off_beat("swing", 120, "4/4")
    notes = [Note(beat + half + 12, 60) for beat in pulse.beats_ms[:-1] for half in (0, off)]
    notes[6] = notes[6]._replace(onset_ms=notes[6].onset_ms + 25)
    context = replace(CONTEXT, style="swing", grid=8, part=PARTS["clave-son-3-2"])
    assert "\n".join(report_lines(analyse_take(notes, pulse, context))) == REPORT
    straight = report_lines(analyse_take(notes, pulse, replace(CONTEXT, grid=8)))
    assert "measured against  the lines of grid 8" in straight


def test_late_is_more_than_20_ms_after_the_line_and_in_place_not_more_than_35_beside_it() -> None:
    shifts = {4: 19.0, 9: 20.0, 14: 20.5, 19: 30.0, 24: -30.0, 29: 35.0, 30: -35.0, 33: 35.5, 34: -35.5}
    notes = [Note(500.0 * n + shifts.get(n, 0.0), 60) for n in range(1, 40)]
    session = analyse_take(notes, steady_pulse(120, "4/4", 20_000), CONTEXT).session
    assert session.latency_removed_ms == 0
    assert (session.late_events, session.total_events) == (4, 39)
    assert session.notes_on_grid_ratio == pytest.approx(37 / 39, abs=1e-4)


@pytest.mark.parametrize("latency", [None, 0.0])
def test_no_figure_of_a_record_is_a_negative_zero(latency: float | None) -> None:
    notes = [Note(500.0 * n - 0.001, 60) for n in range(1, 33)]
    session = analyse_take(notes, steady_pulse(120, "4/4", 20_000), replace(CONTEXT, latency_ms=latency)).session
    assert (session.latency_removed_ms, session.error_by_beat_ms) == (0, (0, 0, 0, 0))
    assert "-0.0" not in session.model_dump_json()
