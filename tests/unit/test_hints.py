"""The words: all 15 cells are there, in the teacher's voice, and say nothing that nobody measured."""

from __future__ import annotations

import re

import pytest

from sg_coach import V1_DEFAULT, Decision
from sg_coach.hints import TRENDS, V1_HINTS, compose_hint

CELLS = [(band, trend) for band in V1_HINTS for trend in TRENDS]
UNMEASURED = re.compile(
    r"\b(rush\w*|drag\w*|late|early|tense|tired|nervous|relax\w*|strum\w*|left hand|right hand|fret\w*|pick\w*"
    r"|wrong notes?|always|never|bad|poor\w*|fail\w*|should|must)\b",
    re.IGNORECASE,
)
"""Causes that the score does not know, and words that are not this teacher's."""

COMPARING = re.compile(
    r"\b(still|average|improve\w*|forward|climb\w*|step up|step back|better|way back)\b", re.IGNORECASE
)


def test_the_table_is_whole_and_every_cell_has_its_own_words() -> None:
    assert list(V1_HINTS) == [band.name for band in V1_DEFAULT.bands]
    assert all(list(row) == list(TRENDS) for row in V1_HINTS.values())
    assert len({words for row in V1_HINTS.values() for words in row.values()}) == len(CELLS) == 15


def test_the_fixed_cell() -> None:
    fixed = "Nice improvement. Keep the groove steady and aim for tighter chord landings."
    assert V1_HINTS["solid"]["up"] == fixed


@pytest.mark.parametrize(("band", "trend"), CELLS)
def test_one_or_two_sentences_and_no_unmeasured_cause(band: str, trend: str) -> None:
    words = V1_HINTS[band][trend]  # type: ignore[index]
    assert 1 <= words.count(".") <= 2
    assert words.endswith(".")
    assert not re.search(r"[!?\d]|  ", words)
    assert not UNMEASURED.search(words)


@pytest.mark.parametrize("band", V1_HINTS)
def test_flat_is_also_said_to_a_first_take_so_it_compares_with_nothing(band: str) -> None:
    assert not COMPARING.search(V1_HINTS[band]["flat"])


@pytest.mark.parametrize(
    ("tempo", "sentence"),
    [
        (1, "Tempo up by 1 BPM."),
        (3.0, "Tempo up by 3 BPM."),
        (2.5, "Tempo up by 2.5 BPM."),
        (0, "Tempo unchanged."),
        (-0.0, "Tempo unchanged."),
        (-5, "Tempo down by 5 BPM."),
        (-10, "Tempo down by 10 BPM."),
    ],
)
def test_what_changes_is_said_after_the_words(tempo: float, sentence: str) -> None:
    decision = Decision(
        difficulty_delta=0, tempo_delta_bpm=tempo, density_bucket="sparse", syncopation_bucket="straight"
    )
    assert compose_hint("Words.", decision) == f"Words. {sentence} Density: sparse. Sync: straight."


@pytest.mark.parametrize(
    ("trend", "cell"),
    [(None, "flat"), (0.0, "flat"), (2.0, "flat"), (2.01, "up"), (-2.0, "flat"), (-2.01, "down"), (50, "up")],
)
def test_which_words_a_trend_picks(trend: float | None, cell: str) -> None:
    assert V1_DEFAULT.hint_cell(trend) == cell
