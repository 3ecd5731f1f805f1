"""Alignment: against a brute-force search, against another library's matching, and on hard cases."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sg_coach.take import Note
from sg_coach.take.align import MAX_BAND, align, match_in_order, window_for
from sg_coach.take.latency import SEARCHED
from sg_coach.take.notes import in_order
from tests.synthetic import made

times = st.lists(st.integers(0, 60).map(float), max_size=7).map(sorted)


def best_sum(expected: list[float], played: list[float], window: float) -> float:
    """The greatest sum over all order-preserving matchings, by trying them all."""

    @cache
    def best(i: int, j: int) -> float:
        if i == len(expected) or j == len(played):
            return 0.0
        gain = window - abs(played[j] - expected[i])
        matched = gain + best(i + 1, j + 1) if gain > 0 else 0.0
        return max(best(i + 1, j), best(i, j + 1), matched)

    return best(0, 0)


@given(times, times, st.sampled_from([3.0, 10.0, 25.0]))
def test_no_order_preserving_matching_is_better(expected: list[float], played: list[float], window: float) -> None:
    pairs = match_in_order(expected, played, window)
    gains = [window - abs(played[j] - expected[i]) for i, j in pairs]
    assert all(gain > 0 for gain in gains)
    assert sum(gains) == pytest.approx(best_sum(expected, played, window))
    for (i, j), (k, m) in pairwise(pairs):
        assert i < k
        assert j < m


@given(st.integers(0, 10_000), st.floats(60, 220), st.floats(-80, 80), st.booleans())
@settings(max_examples=40, deadline=None)
def test_it_finds_at_least_what_an_unordered_matching_finds(
    seed: int, bpm: float, latency: float, chords: bool
) -> None:
    import mir_eval  # not above: it brings SciPy

    take = made(seed, bpm=bpm, strokes=150, latency=latency, spread=8, chords=chords, dropped=0.1, wrong=0.1)
    expected, played = in_order(take.expected), in_order(take.played)
    found = align(expected, played, window_for(60_000 / bpm))

    def intervals(notes: list[Note], shift: float) -> np.ndarray:
        onsets = np.array([note.onset_ms - shift for note in notes]) / 1000 + 1
        return np.stack([onsets, onsets + 0.1], axis=1)

    def hertz(notes: list[Note]) -> np.ndarray:
        return np.array([440 * 2 ** ((note.pitch - 69) / 12) for note in notes])

    oracle = mir_eval.transcription.match_notes(
        intervals(expected, 0),
        hertz(expected),
        intervals(played, found.latency_ms),
        hertz(played),
        onset_tolerance=0.05,
        offset_ratio=None,
    )
    near = {(match.expected, match.played) for match in found.matches if match.same_pitch and abs(match.error_ms) <= 50}
    f_measure = 2 * len(near & set(oracle)) / (len(near) + len(oracle))
    assert f_measure >= 0.985


def test_a_wrong_note_is_wrong_and_not_missed() -> None:
    expected = [Note(500.0 * n, 60 + n) for n in range(8)]
    played = [note._replace(pitch=note.pitch + (40 if n == 3 else 0)) for n, note in enumerate(expected)]
    found = align(expected, played, 225)
    assert (len(found.matches), found.same_pitch, found.missed, found.extra) == (8, 7, 0, 0)


@pytest.mark.parametrize(("window", "off", "wrong"), [(225, 184, 1), (225, 186, 0), (60, 29, 1), (60, 31, 0)])
def test_a_wrong_note_must_be_nearer_than_a_right_one(window: float, off: float, wrong: int) -> None:
    expected = [Note(500.0 * n, 60 + n) for n in range(8)]
    late = expected[3]._replace(onset_ms=1500.0 + off)
    for pitch, found_wrong, found_right in ((99, wrong, 7), (late.pitch, 0, 8)):
        played = [*expected[:3], late._replace(pitch=pitch), *expected[4:]]
        found = align(expected, played, window, latency_ms=0)
        assert (len(found.matches) - found.same_pitch, found.same_pitch) == (found_wrong, found_right)
        assert found.missed == found.extra == 8 - found_right - found_wrong


@pytest.mark.parametrize("latency", [-70.0, 0.0, 70.0])
def test_a_wrong_note_is_not_taken_for_the_one_that_was_left_out_before(latency: float) -> None:
    expected = [Note(150.0 * n, 60 + n % 7) for n in range(60)]
    played = [note for n, note in enumerate(expected) if n != 30]
    played[30] = played[30]._replace(pitch=expected[30].pitch)  # on the next beat, the pitch that was left out
    found = align(expected, [note._replace(onset_ms=note.onset_ms + latency) for note in played], 200)
    assert max(abs(match.error_ms) for match in found.matches) == 0
    assert (found.missed, found.extra, len(found.matches) - found.same_pitch) == (1, 0, 1)


@pytest.mark.parametrize("latency", [-60.0, 0.0, 60.0])
def test_a_late_note_with_no_other_near_stays_the_one_that_was_meant(latency: float) -> None:
    expected = [Note(1000.0 * n, 60 + n % 7) for n in range(40)]
    late = {9: latency + 220}
    played = [note._replace(onset_ms=note.onset_ms + late.get(n, latency)) for n, note in enumerate(expected)]
    found = align(expected, played, 250)
    assert (found.missed, found.extra, max(match.error_ms for match in found.matches)) == (0, 0, 220)


def test_drops_and_extras_are_counted() -> None:
    expected = [Note(500.0 * n, 60 + n % 5) for n in range(40)]
    played = [note for n, note in enumerate(expected) if n % 10] + [Note(1250.0, 90), Note(3250.0, 91)]
    found = align(expected, in_order(played), 200)
    assert (len(found.matches), found.missed, found.extra) == (36, 4, 2)


def test_the_notes_of_a_chord_come_in_any_order() -> None:
    expected = [Note(1000.0 * n, pitch) for n in range(10) for pitch in (50, 53, 57, 60)]
    strum = {50: 70.0, 53: 45.0, 57: 20.0, 60: 0.0}
    played = in_order(note._replace(onset_ms=note.onset_ms + strum[note.pitch]) for note in expected)
    found = align(expected, played, 225)
    assert found.same_pitch == len(expected)


def test_a_known_latency_is_taken_as_it_is() -> None:
    expected = [Note(500.0 * n, 60 + n % 5) for n in range(40)]
    played = [note._replace(onset_ms=note.onset_ms + 30) for note in expected]
    found = align(expected, played, 200, latency_ms=10)
    assert found.latency_ms == 10
    assert {round(match.error_ms, 6) for match in found.matches} == {20.0}


def test_a_flood_of_notes_is_not_gone_through_for_the_latency() -> None:
    expected = [Note(300.0 * n, 60 + n % 5) for n in range(SEARCHED * 3)]
    played = [note._replace(onset_ms=note.onset_ms + (20 if n < SEARCHED else 50)) for n, note in enumerate(expected)]
    found = align(expected, played, 100)
    assert found.latency_ms == pytest.approx(20)
    assert found.same_pitch == len(expected)


@pytest.mark.parametrize("latency", [-25.0, -10.0, 10.0, 25.0])
def test_of_two_equally_good_latencies_the_smaller_one_is_taken(latency: float) -> None:
    expected = [Note(60.0 * n, 60) for n in range(200)]
    played = [note._replace(onset_ms=note.onset_ms + latency) for note in expected]
    assert align(expected, played, 100).latency_ms == pytest.approx(latency)


@pytest.mark.parametrize("latency", [-75.0, 0.0, 75.0])
def test_a_pedal_note_that_fits_with_several_latencies_leaves_the_one_of_the_melody(latency: float) -> None:
    """Two notes of the pedal for one of the melody, 125 ms apart: by themselves they could be 50 ms off as well."""
    chance = Random(1)
    melody = [Note(250.0 * n, 60 + chance.randrange(24)) for n in range(80)]
    expected = in_order([*melody, *(Note(125.0 * n, 40) for n in range(160))])
    played = in_order(note._replace(onset_ms=note.onset_ms + latency + chance.gauss(0, 4)) for note in expected)
    found = align(expected, played, window_for(500))
    assert found.latency_ms == pytest.approx(latency, abs=1)
    assert (found.missed, found.extra, found.same_pitch) == (0, 0, len(expected))


def test_a_dense_band_is_cut() -> None:
    chance = Random(1)
    played = sorted(chance.uniform(0, 100) for _ in range(5_000))
    pairs = match_in_order([50.0] * 10, played, 100)
    assert 0 < len(pairs) <= MAX_BAND
