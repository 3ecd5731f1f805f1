"""What people wrote down: every chord symbol of four corpora, and 36 progressions in every style."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.generator_tables import DOCS, Verdict, judged, with_chords, with_styles
from sg_generator.models import METERS, STYLE_NAMES
from sg_generator.styles import STYLES
from tests.music import clip, density, faults, movements, syncopation

LONGEST = 36
"""Bars of a progression that are played: a form of 32 with its tag."""


def progressions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "chords" / "progressions.jsonl").read_text("utf-8").splitlines()]


def entries(progression: dict[str, Any]) -> list[str]:
    """The bars as a client writes them; the data leave out what goes on."""
    bars = [" ".join(symbol or "/" for symbol in bar) or "%" for bar in progression["bars"]][:LONGEST]
    return bars if bars[0] != "%" else ["N.C.", *bars[1:]]


def meter_of(progression: dict[str, Any], style: str) -> str:
    """The progression's meter; one that is not offered (cut time, none at all) is played in the style's own."""
    own = next(one.meters[0] for one in STYLES.values() if one.name == style)
    return progression["meter"] if progression["meter"] in METERS else own


def test_at_least_99_of_100_uses_of_chord_symbols_are_right(shared_data: Path) -> None:
    found = judged(shared_data / "chords")
    assert len(found) == 968
    uses = {verdict: sum(one.uses for one in found if one.verdict is verdict) for verdict in Verdict}
    known = uses[Verdict.RIGHT] + uses[Verdict.WRONG] + uses[Verdict.REFUSED]
    assert uses[Verdict.RIGHT] / known >= 0.99
    assert uses[Verdict.REFUSED] / sum(uses.values()) <= 0.01
    assert [one for one in found if one.verdict is Verdict.WRONG] == []


def test_the_docs_hold_the_table_of_symbols(shared_data: Path) -> None:
    page = DOCS.read_text("utf-8")
    assert page == with_chords(page, shared_data / "chords"), "run scripts/generator_tables.py"


def test_the_docs_hold_the_table_of_styles() -> None:
    page = DOCS.read_text("utf-8")
    assert page == with_styles(page), "run scripts/generator_tables.py"


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_every_progression_makes_a_sound_clip(style: str, shared_data: Path) -> None:
    moves: list[float] = []
    for number, progression in enumerate(progressions(shared_data)):
        bars = entries(progression)
        request, made = clip(
            *bars,
            bars=len(bars),
            tempo=progression["tempo_bpm"] or (90, 120, 160, 220)[number % 4],
            meter=meter_of(progression, style),
            style=style,
            seed=number,
        )
        assert faults(request, made) == [], progression["title"]
        moves += movements(made.comp)
    assert sum(moves) / len(moves) < 1.0


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_the_buckets_are_in_order_over_real_progressions(style: str, shared_data: Path) -> None:
    for progression in progressions(shared_data)[::5]:
        bars = entries(progression)
        fields: dict[str, Any] = {"bars": len(bars), "style": style, "meter": meter_of(progression, style)}
        by_density = [clip(*bars, density_bucket=bucket, **fields)[1] for bucket in ("sparse", "medium", "dense")]
        by_syncopation = [clip(*bars, syncopation_bucket=one, **fields)[1] for one in ("straight", "light", "heavy")]
        amounts, shares = list(map(density, by_density)), list(map(syncopation, by_syncopation))
        assert amounts == sorted(set(amounts)), f"{progression['title']}: {amounts}"
        assert shares == sorted(set(shares)), f"{progression['title']}: {shares}"
