"""What a clip sounds like: notes that can be played, roots where chords change, styles that are themselves."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.models import Meter
from sg_generator.chords import read_chord
from sg_generator.engine import ENGINE_VERSION, arrange
from sg_generator.grid import slots_of
from sg_generator.models import (
    DENSITIES,
    METERS,
    STYLE_NAMES,
    SYNCOPATIONS,
    TICKS_PER_BEAT,
    Note,
    StyleName,
    request_from,
)
from sg_generator.styles import CLAVES, STYLES
from sg_generator.voicings import HIGHEST, LOWEST, distance, holds_of, is_playable, nearest
from tests.music import clip, density, equal_bars, faults, holds, movements, syncopation

TURNAROUND = ("Dm7", "G7", "Cmaj7", "A7b9 Dm7/C")
BETWEEN_BEATS = "Dm7 G7 C A7 Dm7 G7 C A7"
NOTES_OF = {"builtin-4": "ce0d4bef8ca3"}
"""The notes of some requests, by the engine's version. Other notes want another version, and its digest here."""
ODD = ("C", "C", "N.C.", "F#m7b5 B7alt", "D:1", "C5 / F5 G5", "Bb13#11/E", "Asus2")


def ticks_in_bar(notes: tuple[Note, ...], bar_ticks: int) -> list[set[int]]:
    count = max(note.start for note in notes) // bar_ticks + 1
    return [{note.start % bar_ticks for note in notes if note.start // bar_ticks == bar} for bar in range(count)]


@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("style", STYLE_NAMES)
def test_nothing_is_wrong_in_any_style_and_meter(style: str, meter: str) -> None:
    for chords in (TURNAROUND, ODD):
        for bucket in range(3):
            fields: dict[str, Any] = {"style": style, "meter": meter, "density_bucket": DENSITIES[bucket]}
            made = clip(*chords, bars=16, syncopation_bucket=SYNCOPATIONS[2 - bucket], **fields)
            assert faults(*made) == []


@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("style", STYLE_NAMES)
def test_the_buckets_are_in_order_in_any_style_and_meter(style: str, meter: str) -> None:
    found = {
        (one, other): clip(
            "Dm7", "G7", "C", "Am7", bars=16, style=style, meter=meter, density_bucket=one, syncopation_bucket=other
        )[1]
        for one in DENSITIES
        for other in SYNCOPATIONS
    }
    for one in DENSITIES:
        shares = [syncopation(found[one, other]) for other in SYNCOPATIONS]
        assert shares == sorted(set(shares)), f"{one}: {shares}"
    for other in SYNCOPATIONS:
        amounts = [density(found[one, other]) for one in DENSITIES]
        assert amounts == sorted(set(amounts)), f"{other}: {amounts}"


SYMBOLS = st.sampled_from(["C", "Dm7 G7", "F#m7b5", "Bb7/D", "N.C.", "E7#9 A7 D7 G7", "C:1", "Abmaj7#11", "B5"])


@given(
    st.lists(SYMBOLS, min_size=1, max_size=6),
    st.sampled_from(STYLE_NAMES),
    st.sampled_from(METERS),
    st.integers(0, 2**63 - 1),
    st.floats(30, 300),
    st.sampled_from(DENSITIES),
)
def test_nothing_is_wrong_whatever_is_asked(
    chords: list[str], style: str, meter: str, seed: int, tempo: float, bucket: str
) -> None:
    request, made = clip(*chords, bars=6, tempo=tempo, style=style, meter=meter, seed=seed, density_bucket=bucket)
    assert [fault for fault in faults(request, made) if " is bar " not in fault] == []


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_one_chord_all_along_still_has_no_two_equal_bars(style: str) -> None:
    for bucket in SYNCOPATIONS:
        _, made = clip("C7", bars=32, style=style, density_bucket="dense", syncopation_bucket=bucket)
        assert equal_bars(made.comp, made) == []
        assert equal_bars(made.bass, made) == []


def test_roots_between_silences_leap_no_wider_than_an_octave() -> None:
    for chords in ("Abmaj7 N.C. C N.C.", "Bb N.C. E N.C.", "Eb N.C. D N.C."):
        for style in STYLE_NAMES:
            assert faults(*clip(chords, bars=16, tempo=60, style=style, meter="2/4")) == []


def test_sixteen_chords_a_bar_are_played_and_no_bar_is_the_one_before() -> None:
    bar = "C D7 E G7 A B7 F# G D7 Em Am7 B7 C7 F7 Bb7 Eb7"
    assert faults(*clip(bar, bars=16, style="funk", density_bucket="dense")) == []


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_voices_move_little(style: str) -> None:
    _, made = clip("Dm7", "G7", "Cmaj7", "Fmaj7", "Bm7b5", "E7", "Am7", "A7b9", bars=32, style=style)
    moves = movements(made.comp)
    assert sum(moves) / len(moves) < 1.5
    assert max(moves) <= 5
    centre = [sum(hold) / len(hold) for hold in holds(made.comp)]
    assert 55 < min(centre) <= max(centre) < 67


def test_the_same_request_and_seed_give_the_same_notes_and_another_seed_others() -> None:
    for style in STYLE_NAMES:
        _, first = clip(*TURNAROUND, style=style, seed=7)
        assert clip(*TURNAROUND, style=style, seed=7)[1] == first
        _, other = clip(*TURNAROUND, style=style, seed=8)
        assert other.comp != first.comp
        assert other.changes == first.changes


# The bass


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_the_bass_obeys_a_slash_and_the_second_chord_of_a_bar(style: str) -> None:
    request, made = clip("C/G F/A", "Bb/D", bars=4, style=style)
    starts = {note.start: note.pitch % 12 for note in made.bass}
    half, bar = made.bar_ticks // 2, made.bar_ticks
    assert [starts[tick] for tick in (0, half, bar)] == [7, 9, 2]
    assert faults(request, made) == []


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_a_note_leads_into_each_chord(style: StyleName) -> None:
    """A half or whole step, or the dominant of what comes."""
    _, made = clip("C", "Am7", "Dm7", "G7", bars=16, style=style, tempo=STYLES[style].tempo_bpm)
    changes = {change.tick for change in made.changes[1:]}
    leading = [(one, two) for one, two in pairwise(made.bass) if two.start in changes]
    assert len(leading) == len(changes)
    assert {(two.pitch - one.pitch) % 12 for one, two in leading} <= {1, 2, 5, 10, 11}


def test_swing_walks_from_120_bpm_on_and_is_in_two_below() -> None:
    _, walking = clip(*("Dm7", "G7", "C", "C"), bars=8, tempo=120, style="swing")
    assert all(len(bar) == 4 for bar in ticks_in_bar(walking.bass, walking.bar_ticks))
    _, two_feel = clip(*("Dm7", "G7", "C", "C"), bars=8, tempo=119, style="swing")
    assert all(2 <= len(bar) <= 3 for bar in ticks_in_bar(two_feel.bass, two_feel.bar_ticks))
    assert all({0, 960} <= bar for bar in ticks_in_bar(two_feel.bass, two_feel.bar_ticks))


def test_the_tumbao_stays_off_one_while_the_chord_stays() -> None:
    _, made = clip("Cm7", bars=8, style="salsa-2-3")
    bars = ticks_in_bar(made.bass, made.bar_ticks)
    assert 0 in bars[0]
    assert all(bar == {720, 1440} for bar in bars[1:])


def test_the_bossa_bass_is_on_one_and_three_with_the_eighth_before() -> None:
    _, made = clip("Cm7", "F7", bars=8, style="bossa")
    assert all(bar == {0, 720, 960, 1680} for bar in ticks_in_bar(made.bass, made.bar_ticks))


def test_the_heavy_beat_of_a_samba_is_the_second() -> None:
    _, made = clip("Cm7", bars=8, style="samba", meter="2/4")
    assert all({0, 480} <= bar for bar in ticks_in_bar(made.bass, made.bar_ticks))


def test_flamenco_accents_are_the_compas() -> None:
    """12, 3, 6, 8 and 10 are the eighths 0, 3, 6, 8 and 10."""
    _, made = clip("Am", "G", "F", "E", bars=32, style="flamenco", meter="12/8", syncopation_bucket="heavy")
    counts = [note.start % made.bar_ticks // 240 for note in made.comp]
    off_beats = {place: counts.count(place) for place in range(12) if place % 3}
    assert sorted(off_beats, key=off_beats.__getitem__)[-2:] in ([8, 10], [10, 8])


def test_no_bass_note_is_longer_than_the_way_to_the_next() -> None:
    for style in STYLE_NAMES:
        _, made = clip(*TURNAROUND, style=style)
        assert all(one.end <= two.start for one, two in pairwise(made.bass))


# The comping


def test_swung_eighths_stand_where_the_tempo_says() -> None:
    for tempo, place in ((120, 277), (140, 282), (180, 283), (220, 273), (260, 265), (300, 254)):
        _, made = clip(*TURNAROUND[:3], tempo=tempo, style="swing", syncopation_bucket="heavy")
        assert {note.start % TICKS_PER_BEAT for note in made.comp} == {0, place}


@pytest.mark.parametrize(("style", "place"), [("swing", 282), ("blues", 316), ("bossa", 240)])
def test_a_chord_between_two_beats_begins_with_the_eighths_of_its_style(style: str, place: int) -> None:
    _, made = clip("C7 / / / / / / F7", "Bb7", bars=8, tempo=140, style=style)
    assert {change.tick % made.bar_ticks for change in made.changes} == {0, 3 * TICKS_PER_BEAT + place}
    assert {note.start % TICKS_PER_BEAT for note in (*made.comp, *made.bass)} <= {0, place}


def test_latin_and_rock_eighths_are_straight() -> None:
    for style in ("bossa", "salsa-2-3", "rock"):
        _, made = clip(*TURNAROUND, style=style, syncopation_bucket="heavy")
        assert {note.start % TICKS_PER_BEAT for note in made.comp} <= {0, 240}
        assert made.swing_ratio == 1.0


def test_a_compound_meter_has_its_own_eighths() -> None:
    _, made = clip("A7", "D7", style="blues", meter="12/8", syncopation_bucket="heavy")
    assert {note.start % 720 for note in made.comp} <= {0, 240, 480}


def test_straight_chords_stand_on_beats() -> None:
    for style in STYLE_NAMES:
        _, made = clip("C", "F", style=style, density_bucket="sparse", syncopation_bucket="straight")
        assert syncopation(made) == 0


def test_the_montuno_follows_its_clave() -> None:
    """Its quiet bar is the two side: in 2-3 the first of two has strokes on beats, in 3-2 the second has."""
    assert CLAVES["salsa-3-2"] == (0, 6, 12, 20, 24)
    assert CLAVES["salsa-2-3"] == tuple(sorted((stroke + 16) % 32 for stroke in CLAVES["salsa-3-2"]))
    two_three, three_two = STYLES["salsa-2-3"].comp, STYLES["salsa-3-2"].comp
    assert two_three == three_two[::-1]
    quiet = {slot.tick for slot in slots_of(two_three, "4/4", 1, 1.0) if slot.on_beat and slot.mark != "0"}
    assert quiet == set()


def test_a_chord_just_before_a_change_is_the_new_one() -> None:
    request, made = clip("Cmaj7", "Ebm7", bars=16, style="bossa", syncopation_bucket="heavy")
    bar = made.bar_ticks
    last_eighths = [note for note in made.comp if note.start % bar == bar - 240 and note.end < 16 * bar]
    assert last_eighths
    for note in last_eighths:
        coming = read_chord(request.chords[(note.start // bar + 1) % 2])
        assert note.pitch % 12 in coming.pitch_classes


def test_chords_hold_only_notes_of_their_symbols() -> None:
    request, made = clip("Dm9", "G13", "C6/9", "A7alt", bars=4, style="ballad", syncopation_bucket="straight")
    for note in made.comp:
        assert note.pitch % 12 in read_chord(request.chords[note.start // made.bar_ticks]).pitch_classes


# Holds


@given(
    st.sampled_from(["", "m7", "7alt", "13", "6/9", "dim7", "5", "maj7#11", "sus2", "m11", "7b9b13"]),
    st.integers(0, 11),
)
def test_every_chord_can_be_held_and_tells_what_it_is(quality: str, root: int) -> None:
    names = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]
    chord = read_chord(names[root] + quality)
    hold = nearest(chord, ())
    assert is_playable(hold)
    assert LOWEST <= min(hold) <= max(hold) <= HIGHEST
    assert len(hold) >= min(len(chord.tones), 3)
    sounding = {(pitch - chord.root) % 12 for pitch in hold}
    telling = {tone for tone in chord.tones if tone in (3, 10, 11)} | ({4} & set(chord.tones) - {17})
    assert telling <= sounding or 17 in chord.tones


def test_what_no_hand_can_hold() -> None:
    assert not is_playable((40, 41, 42))
    assert not is_playable((40, 95))
    assert is_playable((40, 47, 52, 56, 59, 64))  # an open E chord


def test_another_hold_is_found_when_one_is_to_be_avoided() -> None:
    chord = read_chord("Dm7")
    first = nearest(chord, ())
    assert nearest(chord, first) == first
    assert nearest(chord, first, but=first) != first
    assert distance(first, first) == 0
    assert first in holds_of(chord.tones, chord.root)


# The table of styles


@pytest.mark.parametrize("style", STYLES.values(), ids=str)
def test_a_style_is_well_written(style: Any) -> None:
    assert set(style.meters) <= set(get_args(Meter))
    assert list(style.density) == sorted(set(style.density))
    assert len({len(bar.split()) for bar in (*style.comp, *style.bass, *style.fast_bass)}) == 1
    assert all(word.isdigit() for bar in style.comp for word in bar.split())
    assert set("".join((*style.bass, *style.fast_bass)).replace(" ", "")) <= set(".ROFTSQA")
    assert style.note


def test_every_name_has_a_style() -> None:
    assert tuple(STYLES) == STYLE_NAMES
    assert arrange(request_from({"chords": ["C"], "tempo_bpm": 100, "bars": 1})).style == "swing"


def test_a_long_note_of_the_bass_is_one_of_its_chord() -> None:
    for style in ("ballad", "swing"):
        for seed in range(6):
            request, made = clip("Dm7", "G7", "Cmaj7", "Am7", bars=16, tempo=80, style=style, seed=seed)
            for note in made.bass:
                if note.length > TICKS_PER_BEAT * 1.45:
                    chord = read_chord(request.chords[note.start // made.bar_ticks % 4])
                    assert note.pitch % 12 in chord.pitch_classes, f"{style}: {note}"


def test_other_notes_have_another_version_of_the_engine() -> None:
    digest = hashlib.sha256()
    for style in STYLE_NAMES:
        for meter in METERS:
            for tempo in (90, 240):
                for seed in range(3):
                    chords = (*TURNAROUND, BETWEEN_BEATS, *ODD)
                    made = clip(*chords, bars=16, tempo=tempo, style=style, meter=meter, seed=seed)[1]
                    digest.update(repr((made.comp, made.bass)).encode())
    assert {ENGINE_VERSION: digest.hexdigest()[:12]} == NOTES_OF
