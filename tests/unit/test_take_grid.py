"""Lines, the limit of what a grid can measure, latency, feel and clave."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach import InvalidInput
from sg_coach.take import PARTS, Part, Pulse
from sg_coach.take.clave import hit_ratio, strokes_ms
from sg_coach.take.feel import off_beat
from sg_coach.take.grid import Grid, Lines, by_beat, chance_p95, choose_grid, is_measurable
from sg_coach.take.latency import SEARCHED, grid_latency
from sg_coach.take.notes import Note, events_of, in_order, steady_pulse
from sg_coach.take.statistics import mean_standard_error, p95, p95_standard_error, percentile
from tests.synthetic import made

STRAIGHT = steady_pulse(120, "4/4", 16_000)


@pytest.mark.parametrize(
    ("onset", "grid", "beat", "step", "error"),
    [
        (0.0, 16, 0, 0, 0.0),
        (260.0, 16, 0, 2, 10.0),
        (260.0, 8, 0, 1, 10.0),
        (490.0, 16, 1, 0, -10.0),
        (120.0, 8, 0, 0, 120.0),
        (-30.0, 16, 0, 0, -30.0),
        (1990.0, 8, 4, 0, -10.0),
    ],
)
def test_an_event_belongs_to_its_nearest_line(onset: float, grid: Grid, beat: int, step: int, error: float) -> None:
    [placed] = Lines(STRAIGHT, grid).place([onset])
    assert (placed.beat, placed.step) == (beat, step)
    assert placed.error_ms == pytest.approx(error)
    assert placed.at_ms == pytest.approx(onset - error)


@given(st.floats(40, 400), st.sampled_from([8, 16]), st.floats(0, 16_000), st.sampled_from([0.5, 0.58, 0.6]))
def test_no_event_is_further_than_half_the_widest_step(bpm: float, grid: Grid, onset: float, middle: float) -> None:
    lines = Lines(steady_pulse(bpm, "4/4", 16_000), grid, middle)
    [placed] = lines.place([onset])
    assert abs(placed.error_ms) <= max(lines.gaps_ms()) / 2 + 1e-6


@pytest.mark.parametrize(("grid", "bpm", "limit"), [(16, 136, 0.95 * 60_000 / 136 / 8), (8, 250, 57.0)])
def test_chance_is_95_percent_of_half_a_step_on_an_even_grid(grid: Grid, bpm: float, limit: float) -> None:
    assert chance_p95(Lines(steady_pulse(bpm, "4/4", 10_000), grid).gaps_ms()) == pytest.approx(limit)


@pytest.mark.parametrize("grid", [8, 16])
@pytest.mark.parametrize("middle", [0.5, 0.58, 2 / 3])
def test_chance_is_what_random_notes_reach(grid: Grid, middle: float) -> None:
    lines = Lines(STRAIGHT, grid, middle)
    chance = Random(3)
    errors = [one.error_ms for one in lines.place(chance.uniform(0, 16_000) for _ in range(20_000))]
    assert p95(errors) == pytest.approx(chance_p95(lines.gaps_ms()), rel=0.02)
    assert not is_measurable(errors, lines.gaps_ms())


def test_what_is_well_below_chance_is_measurable() -> None:
    assert is_measurable([1.0, -2.0, 40.0] * 20, [125.0])
    assert not is_measurable([57.0] * 20, [125.0])
    assert not is_measurable([57.0] * 1000, [125.0])
    assert not is_measurable([], [125.0])


def test_the_line_is_nine_tenths_of_what_chance_would_give() -> None:
    limit = 0.9 * 0.95 * 125.0 / 2
    assert is_measurable([limit - 0.01] * 1000, [125.0])
    assert not is_measurable([limit + 0.01] * 1000, [125.0])


@pytest.mark.parametrize(("count", "tight", "lucky"), [(12, 26.0, 33.0), (30, 40.0, 45.0), (100, 51.0, 54.0)])
def test_few_events_must_be_tighter_to_be_no_luck(count: int, tight: float, lucky: float) -> None:
    assert is_measurable([tight] * count, [125.0])
    assert not is_measurable([lucky] * count, [125.0])


@pytest.mark.parametrize("count", [12, 16, 30, 100])
@pytest.mark.parametrize("gaps", [[125.0], [70.0, 55.0]])
def test_random_notes_of_any_number_are_hardly_ever_measured(count: int, gaps: list[float]) -> None:
    chance = Random(2)
    takes = [
        [chance.uniform(-gap / 2, gap / 2) for gap in chance.choices(gaps, weights=gaps, k=count)] for _ in range(3_000)
    ]
    assert sum(is_measurable(errors, gaps) for errors in takes) <= 6


def test_the_grid_is_chosen_by_tempo_and_playing() -> None:
    sixteenths = Lines(STRAIGHT, 16).place([125.0 * number for number in range(40)])
    eighths = Lines(STRAIGHT, 16).place([250.0 * number for number in range(40)])
    assert choose_grid(120, sixteenths) == 16
    assert choose_grid(120, eighths) == 8
    assert choose_grid(140.1, sixteenths) == 8
    assert choose_grid(140.0, sixteenths) == 16
    between = Lines(STRAIGHT, 16).place([125.0, 375.0, 625.0, 875.0])
    assert choose_grid(120, [*eighths[:32] * 3, eighths[0], *between[:3]]) == 8, "97 of 100"
    assert choose_grid(120, [*eighths[:32] * 3, *between]) == 16, "96 of 100"


@pytest.mark.parametrize("latency", [-80.0, -33.0, 0.0, 17.6, 41.0, 80.0])
def test_a_constant_latency_is_found_to_the_beat(latency: float) -> None:
    slow = steady_pulse(60, "4/4", 60_000)
    assert grid_latency([500.0 * n + latency for n in range(1, 110)], Lines(slow, 16)) == pytest.approx(latency)


def test_swung_off_beats_do_not_move_the_latency() -> None:
    onsets = [500.0 * beat + shift + 12.0 for beat in range(30) for shift in (0.0, 290.0)]
    assert grid_latency(onsets, Lines(STRAIGHT, 16)) == pytest.approx(12.0)


@pytest.mark.parametrize("latency", [-78.0, -60.0, 60.0, 78.0])
@pytest.mark.parametrize("bpm", [100, 130, 150, 170])
def test_eighths_so_late_that_none_is_near_a_beat_have_their_latency_too(bpm: float, latency: float) -> None:
    take = made(1, bpm=bpm, latency=latency, spread=4)
    onsets = [note.onset_ms for note in take.played]
    assert grid_latency(onsets, Lines(take.pulse, 16)) == pytest.approx(latency, abs=1)


@pytest.mark.parametrize("latency", [-45.0, 45.0])
def test_what_may_be_late_or_early_is_taken_for_the_smaller(latency: float) -> None:
    """Eighths at 240 bpm: 45 ms late, or 80 ms early."""
    take = made(1, bpm=240, latency=latency, spread=4)
    onsets = [note.onset_ms for note in take.played]
    assert grid_latency(onsets, Lines(take.pulse, 16)) == pytest.approx(latency, abs=1)


def test_a_flood_of_notes_is_not_gone_through_for_the_latency() -> None:
    long = steady_pulse(150, "4/4", 400.0 * SEARCHED * 3)
    onsets = [400.0 * beat + (20.0 if beat < SEARCHED else 40.0) for beat in range(SEARCHED * 3)]
    assert grid_latency(onsets, Lines(long, 16)) == pytest.approx(20.0)


def test_latency_is_held_within_80_ms() -> None:
    slow = steady_pulse(40, "4/4", 60_000)
    assert grid_latency([1500.0 * beat + 120.0 for beat in range(30)], Lines(slow, 16)) == 80.0


@pytest.mark.parametrize(
    ("bpm", "ratio"), [(90, 1.37), (129, 1.37), (130, 1.42), (160, 1.44), (200, 1.32), (240, 1.23), (290, 1.12)]
)
def test_swing_by_tempo(bpm: float, ratio: float) -> None:
    assert off_beat("swing", bpm, "4/4") == pytest.approx(ratio / (1 + ratio))
    assert off_beat("jazz_blues_F", bpm, "3/4") == off_beat("swing", bpm, "4/4")


@pytest.mark.parametrize(
    ("style", "meter"), [("bossa", "4/4"), ("salsa_minor_Dm", "4/4"), ("", "4/4"), ("swing", "12/8")]
)
def test_what_does_not_swing_is_straight(style: str, meter: str) -> None:
    assert off_beat(style, 120, meter) == 0.5


def test_onsets_within_35_ms_of_the_first_are_one_event() -> None:
    assert events_of([72.0, 34.0, 0.0, 35.0, 36.0]) == [0.0, 36.0, 72.0]


def test_a_double_trigger_is_one_note() -> None:
    notes = [Note(0.0, 60), Note(9.0, 60), Note(9.0, 61), Note(30.0, 60)]
    assert in_order(notes) == [Note(0.0, 60), Note(9.0, 61), Note(30.0, 60)]


def test_errors_by_beat_need_four_events() -> None:
    placed = Lines(STRAIGHT, 8).place([*(2000.0 * bar + 10 for bar in range(4)), 505.0, 2505.0, 4505.0])
    first, *others = by_beat(placed, 4)
    assert first == pytest.approx(10.0)
    assert others == [None, None, None]


def test_percentiles_are_interpolated() -> None:
    assert percentile([0.0, 10.0], 0.95) == pytest.approx(9.5)
    assert percentile([3.0], 0.95) == 3.0
    assert p95([]) == 0.0


def test_standard_errors_say_how_far_another_take_would_be_off() -> None:
    chance = Random(5)
    takes = [[chance.gauss(0, 15) for _ in range(200)] for _ in range(300)]
    figures = [p95(take) for take in takes]
    mean = sum(figures) / len(figures)
    true = (sum((figure - mean) ** 2 for figure in figures) / len(figures)) ** 0.5
    said = [error for take in takes if (error := p95_standard_error(take)) is not None]
    assert sum(said) / len(said) == pytest.approx(true, rel=0.25)
    assert p95_standard_error([1.0] * 19) is None
    assert mean_standard_error([1.0]) is None
    assert mean_standard_error([5.0, -5.0]) == 0.0


@pytest.mark.parametrize("meter", ["4/4", "2/4", "3/4", "6/8", "12/8", "5/4"])
def test_every_meter_has_its_beats(meter: str) -> None:
    pulse = steady_pulse(100, meter, 5_000)
    assert pulse.beats_a_bar == int(meter.split("/")[0])
    assert (len(pulse.beats_ms) - 1) % pulse.beats_a_bar == 0
    assert pulse.beats_ms[-1 - pulse.beats_a_bar] <= 5_000 < pulse.beats_ms[-1], "no bar more"
    assert pulse.bpm == pytest.approx(100)


@pytest.mark.parametrize("beats", [(), (0.0,), (0.0, 0.0), (5.0, 1.0)])
def test_beats_that_are_none_are_refused(beats: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="ascending"):
        Pulse(beats, "4/4")


@pytest.mark.parametrize(
    ("bpm", "meter", "until"), [(9, "4/4", 1), (1001, "4/4", 1), (100, "7/8", 1), (100, "4/4", 1e9)]
)
def test_a_pulse_has_limits(bpm: float, meter: str, until: float) -> None:
    with pytest.raises(InvalidInput):
        steady_pulse(bpm, meter, until)


def test_the_clave_is_the_one_that_cuban_groups_play() -> None:
    assert PARTS["clave-son-3-2"].strokes == (0, 6, 12, 20, 24)
    assert PARTS["clave-son-2-3"].strokes == (4, 8, 16, 22, 28)
    assert PARTS["clave-rumba-3-2"].strokes == (0, 6, 14, 20, 24)


def test_the_tumbao_is_the_same_on_both_sides_and_the_montuno_starts_on_the_side_of_two() -> None:
    assert PARTS["tumbao"].strokes == (6, 12, 22, 28)
    assert PARTS["montuno-2-3"].strokes == (0, 4, 6, 10, 14, 18, 22, 26, 30)
    assert PARTS["montuno-3-2"].strokes == (2, 6, 10, 14, 16, 20, 22, 26, 30)


@pytest.mark.parametrize("part", PARTS.values(), ids=lambda part: str(part.name))
def test_a_perfect_player_hits_every_stroke(part: Part) -> None:
    due = strokes_ms(part, STRAIGHT, 4)
    assert len(due) == 2 * len(part.strokes)
    assert due == pytest.approx([stroke * 125.0 + turn * 4000 for turn in (0, 1) for stroke in part.strokes])
    just_as_long = steady_pulse(120, "4/4", 7_999)
    assert strokes_ms(part, just_as_long, 4) == strokes_ms(part, just_as_long, 5) == due
    assert hit_ratio(due, due) == 1.0
    assert hit_ratio(due, [ms + 34 for ms in due]) == 1.0
    assert hit_ratio(due, [ms + 36 for ms in due]) == 0.0
    assert hit_ratio(due, due[::2]) == pytest.approx(0.5, abs=0.1)


def test_without_strokes_nothing_is_said() -> None:
    assert hit_ratio([], [1.0]) is None
    assert strokes_ms(PARTS["tumbao"], steady_pulse(120, "3/4", 4_000), 2) == []
