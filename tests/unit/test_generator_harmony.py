"""From written bars to chords in time, and what a request may say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.take.feel import off_beat as expected_off_beat
from sg_generator.adjust import adjusted
from sg_generator.errors import InvalidRequest, UnreadableChord
from sg_generator.harmony import changes_of, place_ticks, spans_of
from sg_generator.models import (
    DENSITIES,
    MAX_SEED,
    METERS,
    SYNCOPATIONS,
    ClipRequest,
    bar_ticks,
    beat_ticks,
    request_from,
)
from sg_generator.swing import off_beat, swing_ratio


def request(*chords: str, bars: int = 4, **fields: Any) -> ClipRequest:
    return request_from({"chords": list(chords), "tempo_bpm": 120, "bars": bars, **fields})


def written(*chords: str, **fields: Any) -> list[tuple[float, str]]:
    """Beats (from 0) and symbols."""
    asked = request(*chords, **fields)
    return [(change.tick / beat_ticks(asked.meter), change.symbol) for change in changes_of(spans_of(asked))]


def test_an_entry_is_a_bar_and_the_list_is_repeated() -> None:
    assert written("Dm7", "G7", bars=4) == [(0, "Dm7"), (4, "G7"), (8, "Dm7"), (12, "G7")]


def test_the_list_is_cut_to_the_bars() -> None:
    assert written("Dm7", "G7", "C", bars=2) == [(0, "Dm7"), (4, "G7")]


def test_chords_of_an_entry_share_its_bar() -> None:
    assert written("Dm7 G7", "C", bars=2) == [(0, "Dm7"), (2, "G7"), (4, "C")]
    assert written("C E7 Am", bars=1) == [(0, "C"), (2, "E7"), (3, "Am")]
    assert written("C E7 Am G", bars=1) == [(0, "C"), (1, "E7"), (2, "Am"), (3, "G")]
    assert written("Dm7G7", bars=1) == [(0, "Dm7"), (2, "G7")]
    assert written("Dm7, G7", bars=1) == [(0, "Dm7"), (2, "G7")]
    assert written("C7(b9, b13) F", bars=1) == [(0, "C7(b9, b13)"), (2, "F")]


def test_slashes_hold_and_percent_repeats() -> None:
    assert written("C / / G7", "%", bars=2) == [(0, "C"), (3, "G7"), (4, "C"), (7, "G7")]
    assert written("C", "/ G7", bars=2) == [(0, "C"), (6, "G7")]


def test_bar_lines_part_the_bars_of_an_entry() -> None:
    assert written("| Dm7 | G7 | C ||", bars=3) == [(0, "Dm7"), (4, "G7"), (8, "C")]


def test_a_chord_that_goes_on_is_no_change() -> None:
    assert written("C", "C", "Am", bars=3) == [(0, "C"), (8, "Am")]


@pytest.mark.parametrize(("meter", "beats"), [("3/4", [0, 2]), ("5/4", [0, 3]), ("6/8", [0, 1]), ("12/8", [0, 2])])
def test_two_chords_in_other_meters(meter: str, beats: list[int]) -> None:
    assert [beat for beat, _ in written("C G7", bars=1, meter=meter)] == beats


@pytest.mark.parametrize("meter", METERS)
def test_places_fill_the_bar(meter: Any) -> None:
    for count in range(1, 17):
        lengths = place_ticks(count, meter)
        if lengths is not None:
            assert len(lengths) == count
            assert sum(lengths) == bar_ticks(meter)
            assert min(lengths) > 0
    assert place_ticks(99, meter) is None


def test_an_unreadable_symbol_is_named_with_its_place() -> None:
    with pytest.raises(UnreadableChord) as caught:
        spans_of(request("C", "Am", "F", "G7 Hm7"))
    assert str(caught.value) == "chords[3] 'Hm7': unknown root 'H'; roots are A to G with b or #"
    assert caught.value.code == "VALIDATION_ERROR"


@pytest.mark.parametrize("text", ["C-F-G", "C–G", "Dm7-G7-Cmaj7", "ii7-V7-Imaj7"])
def test_chords_that_dashes_part_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UnreadableChord, match=r"; part chords by blanks$"):
        spans_of(request(text, key="C"))


def test_a_symbol_behind_the_cut_is_checked_too() -> None:
    with pytest.raises(UnreadableChord, match=r"chords\[2\]"):
        spans_of(request("C", "G", "oops", bars=1))


@pytest.mark.parametrize(
    ("chords", "message"),
    [
        (["%"], r"chords\[0\]: '%' repeats what is before it"),
        (["/ C"], r"chords\[0\]: '/' repeats"),
        (["C", " "], r"chords\[1\] '': empty"),
        (["C " * 17], r"chords\[0\]: 17 chords in one bar of 4/4"),
    ],
)
def test_what_cannot_stand_there_is_refused(chords: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        spans_of(request(*chords))


def test_an_unreadable_key_is_refused_and_a_missing_one_named() -> None:
    with pytest.raises(InvalidRequest, match="key: 'H' is no key; write it as"):
        spans_of(request("C", key="H"))
    with pytest.raises(UnreadableChord, match=r"chords\[0\] 'ii7': a Roman numeral, and the request has no key"):
        spans_of(request("ii7"))


SYMBOLS = st.sampled_from(["C", "Dm7", "G7", "Dm7 G7", "C / / G7", "%", "N.C.", "F#m7b5 B7 Em", "Bb/D"])


@given(st.lists(SYMBOLS, min_size=1, max_size=12), st.integers(1, 40), st.sampled_from(METERS))
def test_spans_fill_the_clip_without_a_gap(entries: list[str], bars: int, meter: Any) -> None:
    spans = spans_of(request("C", *entries, bars=bars, meter=meter))
    assert spans[0].start == 0
    assert spans[-1].end == bars * bar_ticks(meter)
    for before, after in pairwise(spans):
        assert before.end == after.start
        assert before.chord != after.chord


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"chords": []}, "chords: empty; at least one chord symbol is needed"),
        ({"chords": "Dm7"}, "chords: 'Dm7': a list is needed"),
        ({"chords": ["C", 5]}, r"chords\[1\]: 5: a string is needed"),
        ({"chords": ["C"] * 10_000}, "chords: 10000 entries, the limit is 1000"),
        ({"chords": ["C" * 201]}, r"chords\[0\]: 'CCC"),
        ({"tempo_bpm": float("nan")}, "tempo_bpm: nan: should be a finite number"),
        ({"tempo_bpm": 29.9}, "tempo_bpm: 29.9: should be greater than or equal to 30"),
        ({"tempo_bpm": 301}, "tempo_bpm: 301: should be less than or equal to 300"),
        ({"tempo_bpm": "120"}, "tempo_bpm: '120': a number is needed"),
        ({"meter": "7/8"}, "meter: '7/8': should be '4/4', '2/4'"),
        ({"bars": 0}, "bars: 0: should be greater than or equal to 1"),
        ({"bars": 257}, "bars: 257: should be less than or equal to 256"),
        ({"bars": True}, "bars: True: a whole number is needed"),
        ({"seed": -1}, "seed: -1: should be greater"),
        ({"seed": 2**63}, "seed: 9223372036854775808: should be less"),
        ({"style": "polka"}, "style: 'polka': should be 'swing', 'bossa'"),
        ({"density_bucket": "thick"}, "density_bucket: 'thick': should be 'sparse', 'medium' or 'dense'"),
    ],
)
def test_a_bad_field_is_named_with_what_was_there(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        request_from({"chords": ["C"], "tempo_bpm": 120, "bars": 4, **document})


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_a_request_is_an_object(document: object) -> None:
    with pytest.raises(InvalidRequest, match=r"the request: .*an object is needed"):
        request_from(document)


@pytest.mark.parametrize("missing", ["chords", "tempo_bpm", "bars"])
def test_a_missing_field_is_named(missing: str) -> None:
    document: dict[str, object] = {"chords": ["C"], "tempo_bpm": 120, "bars": 4}
    del document[missing]
    with pytest.raises(InvalidRequest, match=f"{missing}: missing"):
        request_from(document)


def test_null_is_the_default_and_an_extra_field_is_ignored() -> None:
    fields: dict[str, Any] = dict.fromkeys(
        ("style", "seed", "session_id", "key", "density_bucket", "syncopation_bucket", "meter")
    )
    assert request("C", **fields, colour="blue") == request("C")


@pytest.mark.parametrize(
    ("written_as", "name"),
    [("Bossa Nova", "bossa"), ("salsa_2_3", "salsa-2-3"), ("SALSA", "salsa-2-3"), ("shuffle", "blues")],
)
def test_styles_are_found_as_people_write_them(written_as: str, name: str) -> None:
    assert request("C", style=written_as).style_name == name


@pytest.mark.parametrize(("meter", "name"), [("4/4", "swing"), ("3/4", "waltz"), ("12/8", "blues")])
def test_without_a_style_it_is_the_meters_own(meter: str, name: str) -> None:
    assert request("C", meter=meter).style_name == name


@pytest.mark.parametrize(
    ("tempo", "ratio"),
    [
        (60, 1.37),
        (100, 1.37),
        (129, 1.37),
        (130, 1.42),
        (180, 1.44),
        (220, 1.32),
        (260, 1.23),
        (290, 1.12),
        (300, 1.12),
    ],
)
def test_swing_follows_the_measured_table(tempo: float, ratio: float) -> None:
    assert swing_ratio(tempo) == ratio
    assert swing_ratio(tempo, "straight") == 1.0
    assert ratio < swing_ratio(tempo, "shuffle") < 2.0


@pytest.mark.parametrize("edge", [130, 160, 200, 240, 290])
def test_the_coach_expects_swing_where_the_generator_plays_it(edge: float) -> None:
    for tempo in (edge - 0.1, edge):
        ratio = swing_ratio(tempo)
        assert expected_off_beat("swing", tempo, "4/4") == pytest.approx(ratio / (1 + ratio))


def test_the_off_beat_stands_where_the_ratio_says() -> None:
    assert off_beat(480, 1.0) == 240
    assert off_beat(480, 2.0) == 320


@pytest.mark.parametrize(
    ("signal", "tempo", "density", "syncopation"),
    [
        (1.0, 130, "dense", "heavy"),
        (0.6, 126, "dense", "heavy"),
        (0.5, 125, "dense", "light"),
        (0.1, 121, "medium", "light"),
        (0.0, 120, "medium", "light"),
        (-0.25, 117.5, "sparse", "light"),
        (-1.0, 110, "sparse", "straight"),
    ],
)
def test_the_signal_moves_tempo_density_and_syncopation(
    signal: float, tempo: float, density: str, syncopation: str
) -> None:
    before = request("Dm7", "G7", style="funk", key="C", session_id="s")
    after = adjusted(before, signal)
    assert (after.tempo_bpm, after.density_bucket, after.syncopation_bucket) == (tempo, density, syncopation)
    assert after.seed == before.seed + 1
    kept = {"chords", "meter", "bars", "style", "key", "session_id"}
    assert after.model_dump(include=kept) == before.model_dump(include=kept)


@given(st.floats(-1, 1), st.floats(30, 300), st.sampled_from(DENSITIES), st.sampled_from(SYNCOPATIONS))
def test_whatever_the_signal_the_next_request_is_valid(signal: float, tempo: float, density: Any, sync: Any) -> None:
    before = request("C", tempo_bpm=tempo, density_bucket=density, syncopation_bucket=sync, seed=MAX_SEED)
    after = adjusted(before, signal)
    assert request_from(after.model_dump()) == after
    step = DENSITIES.index(after.density_bucket) - DENSITIES.index(density)
    assert step == 0 or step * signal > 0


@pytest.mark.parametrize("signal", [1.1, -2, float("nan"), float("inf")])
def test_a_signal_outside_its_range_is_refused(signal: float) -> None:
    with pytest.raises(InvalidRequest, match="difficulty_signal"):
        adjusted(request("C"), signal)
