"""Real performances that stand beside the repository: their telemetry is met, and every MIDI file is read."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from sg_coach import InvalidInput
from sg_coach.midi_file import read_midi
from sg_coach.take import Note, Pulse, analyse_take
from sg_coach.take.align import align, window_for
from sg_coach.take.grid import Lines, choose_grid
from sg_coach.take.latency import grid_latency
from sg_coach.take.notes import events_of, in_order
from sg_coach.take.statistics import LATE_MS, ON_GRID_MS, mean_absolute, p95
from tests.synthetic import CONTEXT

STRUM_MS = {"guitarset": 35.0, "wjd": 0.0}
"""Onsets within so many ms are one event; a horn plays one note at a time."""

TOLERANCE_MS = 0.1


def performances(shared_data: Path) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Pairs of a performance and the telemetry of its windows."""
    timing = shared_data / "timing"
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (timing / "performances_expected.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        rows[row["source"]["performance"]].append(row)
    found = [json.loads(path.read_bytes()) for path in sorted((timing / "performances").glob("*.json"))]
    return [(one, rows[one["id"]]) for one in found]


def test_the_grid_measure_meets_the_telemetry_of_every_window(shared_data: Path) -> None:
    windows = 0
    for performance, rows in performances(shared_data):
        start = performance["beat_no"].index(1)
        pulse = Pulse(tuple(performance["beats_ms"][start:]), performance["meter"])
        events = events_of(performance["onsets_ms"], STRUM_MS[performance["dataset"]])
        latency = grid_latency(events, Lines(pulse, 16))
        onsets = [event - latency for event in events]
        for row in rows:
            windows += 1
            session, derived = row["session"], row["derived"]
            first, last = pulse.window(8 * row["source"]["window"], 8)
            placed = [one for one in Lines(pulse, session["grid"]).place(onsets) if first <= one.beat < last]
            errors = [one.error_ms for one in placed]
            assert latency == pytest.approx(derived["latency_removed_ms"], abs=TOLERANCE_MS)
            assert len(errors) == session["total_events"], row["source_id"]
            assert mean_absolute(errors) == pytest.approx(session["timing_mean_error_ms"], abs=TOLERANCE_MS)
            assert p95(errors) == pytest.approx(session["timing_p95_error_ms"], abs=TOLERANCE_MS)
            near_limit = sum(min(abs(abs(e) - ON_GRID_MS), abs(e - LATE_MS)) < 2 * TOLERANCE_MS for e in errors)
            on_grid = sum(abs(error) <= ON_GRID_MS for error in errors)
            late = sum(error > LATE_MS for error in errors)
            assert abs(on_grid - session["notes_on_grid_ratio"] * len(errors)) <= near_limit + 0.1
            half_way = sum(abs(error) > derived["max_abs_ms"] - TOLERANCE_MS for error in errors)  # late or early?
            assert abs(late - session["late_events"]) <= near_limit + half_way
    assert windows == 59


def test_the_grid_of_a_performance_is_the_telemetrys(shared_data: Path) -> None:
    for performance, rows in performances(shared_data):
        start = performance["beat_no"].index(1)
        pulse = Pulse(tuple(performance["beats_ms"][start:]), performance["meter"])
        events = events_of(performance["onsets_ms"], STRUM_MS[performance["dataset"]])
        latency = grid_latency(events, Lines(pulse, 16))
        placed = Lines(pulse, 16).place(event - latency for event in events)
        mean_bpm = sum(row["session"]["bpm"] for row in rows) / len(rows)
        grids = {row["session"]["grid"] for row in rows}
        assert choose_grid(mean_bpm, placed) in grids


def test_all_midi_files_are_read_and_those_with_a_measured_meter_are_analysed(shared_data: Path) -> None:
    files = sorted((shared_data / "midi").glob("*.mid"))
    assert len(files) == 37
    refused = []
    for path in files:
        take = read_midi(path.read_bytes(), path.name)
        assert take.notes, path.name
        try:
            report = analyse_take(take.notes, take.pulse(), CONTEXT)
        except InvalidInput as error:
            refused.append(str(error))
        else:
            assert report.session.total_events > 0
            assert report.session.timing_p95_error_ms <= max(60_000 / report.session.bpm / 2, 1)
    assert len(refused) == 1
    assert "5/8 is not measured" in refused[0]


def test_a_solo_against_itself_with_faults_is_aligned(shared_data: Path) -> None:
    """5 % dropped, 5 % wrong, 30 ms late: matches found and true, F 0.99 at least."""
    for path in sorted((shared_data / "midi").glob("wjd_*.mid")):
        take = read_midi(path.read_bytes(), path.name)
        expected = in_order(take.notes)
        kept = [number for number in range(len(expected)) if number % 20 != 3]
        played = [Note(expected[number].onset_ms + 30, expected[number].pitch + (number % 20 == 7)) for number in kept]
        found = align(expected, played, window_for(60_000 / take.pulse().bpm))
        right = sum(kept[match.played] == match.expected for match in found.matches)
        assert found.latency_ms == pytest.approx(30, abs=0.5)
        assert 2 * right / (len(found.matches) + len(kept)) >= 0.99
