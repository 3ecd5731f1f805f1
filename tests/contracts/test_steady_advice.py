"""Real performances cut into takes of eight bars: what is said of one must not be taken back at the next by chance.

Drummers on a click (Groove MIDI Dataset, CC BY 4.0), soloists (Weimar Jazz Database, MIT as packaged in
klausfrieler/jazzodata, upstream ODbL 1.0) and a guitarist (GuitarSet, CC BY 4.0). Nobody practised between two windows
of one performance: most of what differs between neighbours is chance.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sg_coach import SessionRecord, apply_progression_policy, evaluate_session, session_from
from sg_coach.coach_policy import Thresholds
from sg_coach.progression import V1_DEFAULT, Standing, next_standing
from sg_coach.take.grid import Lines, is_measurable
from sg_coach.take.latency import grid_latency
from sg_coach.take.notes import Pulse, events_of
from sg_coach.take.statistics import p95, p95_standard_error
from sg_coach.uncertainty import score_se

from .test_performances import STRUM_MS, TOLERANCE_MS, performances

Windows = dict[str, dict[int, SessionRecord]]
"""By performance and number: the record of eight bars, with the standard error of its own errors."""


@pytest.fixture
def windows(shared_data: Path) -> Windows:
    found: Windows = defaultdict(dict)
    for row, errors in (*_solos(shared_data), *_drums(shared_data)):
        assert p95(errors) == pytest.approx(row["session"]["timing_p95_error_ms"], abs=TOLERANCE_MS)
        step_ms = 2 * row["derived"]["uniform_p95_ms"] / 0.95
        more = {
            "timing_p95_se_ms": p95_standard_error(errors),
            "timing_measurable": is_measurable(errors, [step_ms]),
        }
        found[row["source"]["performance"]][row["source"]["window"]] = session_from(row["session"] | more)
    return found


def _solos(shared_data: Path) -> Iterator[tuple[dict[str, Any], list[float]]]:
    for performance, rows in performances(shared_data):
        start = performance["beat_no"].index(1)
        pulse = Pulse(tuple(performance["beats_ms"][start:]), performance["meter"])
        events = events_of(performance["onsets_ms"], STRUM_MS[performance["dataset"]])
        latency = grid_latency(events, Lines(pulse, 16))
        for row in rows:
            first, last = pulse.window(8 * row["source"]["window"], 8)
            placed = Lines(pulse, row["session"]["grid"]).place(event - latency for event in events)
            yield row, [one.error_ms for one in placed if first <= one.beat < last]


def _drums(shared_data: Path) -> Iterator[tuple[dict[str, Any], list[float]]]:
    rows: dict[str, dict[str, Any]] = {}
    for name in ("series.jsonl", "sessions.jsonl"):
        lines = (shared_data / "timing" / name).read_text("utf-8").splitlines()
        rows |= {row["source_id"]: row for row in map(json.loads, lines)}
    for row in rows.values():
        if row["source"]["dataset"] != "groove" or row["session"]["meter"] == "5/8":  # not measured
            continue
        step = 240_000 / row["session"]["bpm"] / row["session"]["grid"]  # on a click the lines follow from the tempo
        onsets = [at - row["derived"]["latency_removed_ms"] for at in row["events_ms"]]
        yield row, [at - step * round(at / step) for at in onsets]


def exact(session: SessionRecord) -> SessionRecord:
    """The record as an instrument writes it that knows nothing of its uncertainty."""
    return session.model_copy(update={"timing_p95_se_ms": None, "timing_measurable": None})


def trends(takes: dict[int, SessionRecord], form: Callable[[SessionRecord], SessionRecord]) -> dict[int, float | None]:
    """Play the windows of one performance as one session; return the trend that each coaching has."""
    standing: Standing | None = None
    found: dict[int, float | None] = {}
    for number, session in sorted(takes.items()):
        record = form(session)
        evaluation, error = evaluate_session(record), score_se(record)
        coaching = apply_progression_policy(
            evaluation,
            clip_id="clip",
            created_at_utc="2026-02-04T12:34:56.789Z",
            ema_before=standing.average if standing else None,
            trend_se=standing.trend_se(error) if standing else 0.0,
        )
        found[number] = coaching.score_trend
        standing = next_standing(standing, coaching.score, error)
    return found


def shares(windows: Windows, form: Callable[[SessionRecord], SessionRecord]) -> dict[str, float]:
    """Of all neighbouring takes after the first one: how often the second one's words are others, or the contrary."""
    neighbours: list[tuple[str, str]] = []
    for takes in windows.values():
        words = {number: V1_DEFAULT.hint_cell(trend) for number, trend in trends(takes, form).items()}
        neighbours += [(words[a], words[b]) for a, b in pairwise(sorted(words)[1:]) if b == a + 1]
    return {
        "neighbours": len(neighbours),
        "changed": sum(a != b for a, b in neighbours) / len(neighbours),
        "reversed": sum({a, b} == {"up", "down"} for a, b in neighbours) / len(neighbours),
    }


def test_a_bare_threshold_takes_back_what_it_said(windows: Windows) -> None:
    """What the uncertainty is for; without this the next test would prove nothing."""
    limits = Thresholds().timing_p95_error_ms
    verdicts = [
        limits.crossed_by(takes[a].timing_p95_error_ms) == limits.crossed_by(takes[b].timing_p95_error_ms)
        for takes in windows.values()
        for a, b in pairwise(sorted(takes))
        if b == a + 1
    ]
    assert len(verdicts) == 100
    assert 0.16 <= 1 - sum(verdicts) / len(verdicts) <= 0.31
    bare = shares(windows, exact)
    assert bare["neighbours"] == 71
    assert bare["changed"] > 0.25
    assert bare["reversed"] > 0.15


def test_the_trend_of_a_take_with_its_uncertainty_is_not_taken_back(windows: Windows) -> None:
    known = shares(windows, lambda session: session)
    assert known["neighbours"] == 71
    assert known["changed"] < 0.1
    assert known["reversed"] == 0


def test_who_really_gets_better_is_told(windows: Windows) -> None:
    """The same windows played again with a quarter of the errors: most are called better, none worse."""
    said: list[str] = []
    for takes in windows.values():
        for session in takes.values():
            if session.timing_measurable and session.timing_p95_error_ms >= 45:
                better = session.model_copy(
                    update={
                        "timing_p95_error_ms": session.timing_p95_error_ms / 4,
                        "timing_p95_se_ms": (session.timing_p95_se_ms or 0) / 4,
                        "notes_on_grid_ratio": 1.0,
                    }
                )
                trend = trends({0: session, 1: better}, lambda one: one)[1]
                said.append(V1_DEFAULT.hint_cell(trend))
    assert said.count("down") == 0
    assert said.count("up") > 0.65 * len(said)
