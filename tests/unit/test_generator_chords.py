"""Chord symbols: what people write is read, what is nothing is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pychord.quality import QualityManager

from sg_generator.chords import NoChord, is_readable, read_chord, run_together
from sg_generator.harte import read_harte
from sg_generator.notes import degree_semitones, note_name, pitch_class
from sg_generator.numerals import Key, read_key
from sg_generator.qualities import read_quality

C_MAJOR, A_MINOR = Key(0, False), Key(9, True)


def notes(symbol: str, key: Key | None = None) -> str:
    chord = read_chord(symbol, key)
    text = " ".join(note_name(chord.root + tone) for tone in chord.tones)
    return text if chord.bass == chord.root else f"{text} / {note_name(chord.bass)}"


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("C", "C E G"),
        ("Bb7", "Bb D F Ab"),  # not B with a flat seven
        ("Ab5", "Ab Eb"),  # a power chord on Ab, not A with a flat five
        ("Cb7", "B Eb Gb A"),
        ("F##m", "G Bb D"),
        ("D-7", "D F A C"),
        ("Fj7", "F A C E"),
        ("C△7", "C E G B"),
        ("CΔ", "C E G B"),
        ("Bo7", "B D F Ab"),
        ("B°", "B D F"),
        ("Bo7M", "B D F Bb"),
        ("Bo7(maj7)", "B D F Ab Bb"),
        ("Ch7", "C Eb Gb Bb"),
        ("Chalfdim7", "C Eb Gb Bb"),
        ("Chalf-dim", "C Eb Gb Bb"),
        ("CMI7", "C Eb G Bb"),
        ("CMIN7", "C Eb G Bb"),
        ("CMi7b5", "C Eb Gb Bb"),
        ("CMI(MA7)", "C Eb G B"),
        ("Bø", "B D F A"),
        ("F#m7b5", "Gb A C E"),
        ("CmM7", "C Eb G B"),
        ("Cm(maj7)", "C Eb G B"),
        ("C7M", "C E G B"),
        ("C7M9", "C E G B D"),
        ("C7M13", "C E G B D A"),
        ("C7+", "C E Ab Bb"),
        ("C7alt", "C E Ab Bb Eb"),
        ("G7b9sus", "G C D F Ab"),
        ("G7sus4b9", "G C D F Ab"),
        ("C79b", "C E G Bb Db"),
        ("C79b13b", "C E G Bb Db Ab"),
        ("C13b9", "C E G Bb Db A"),  # a natural 13 here, a flat one there
        ("E9b", "E Ab B D F"),
        ("C7(b9,#11)", "C E G Bb Db Gb"),
        ("C9(13)", "C E G Bb D A"),
        ("Cmaj7(9,#11)", "C E G B D Gb"),  # not a sharp nine
        ("Cmaj7(9#11)", "C E G B D Gb"),
        ("C7(13,b9)", "C E G Bb Db A"),  # not a flat thirteen
        ("C7(b9,13)", "C E G Bb Db A"),
        ("C7(b9)(13)", "C E G Bb Db A"),
        ("C7(-9)", "C E G Bb Db"),
        ("C7(9#,11)", "C E G Bb Eb F"),
        ("Am/G#", "A C E / Ab"),
        ("C6/9", "C E G A D"),
        ("C6/9/G", "C E G A D / G"),
        ("Aminb6", "A C E F"),
        ("C7no5", "C E Bb"),
        ("N.C.", ""),
        ("B:min7/b3", "B D Gb A / D"),
        ("E:sus4(b7,9)", "E A B D Gb"),
        ("D:1", "D"),
        ("C:maj(*3)", "C G"),
    ],
)
def test_symbols_are_read_into_notes(symbol: str, expected: str) -> None:
    assert notes(symbol) == expected


@pytest.mark.parametrize(
    ("symbol", "key", "expected"),
    [
        ("ii7", C_MAJOR, "D F A C"),
        ("V7", C_MAJOR, "G B D F"),
        ("Imaj7", Key(10, False), "Bb D F A"),
        ("bVII7", C_MAJOR, "Bb D F Ab"),
        ("viiø7", C_MAJOR, "B D F A"),
        ("viih7", C_MAJOR, "B D F A"),
        ("#ivo7", C_MAJOR, "Gb A C Eb"),
        ("V7/ii", C_MAJOR, "A Db E G"),
        ("I/G", C_MAJOR, "C E G / G"),
        ("Vb9", C_MAJOR, "G B D F Ab"),  # not Gb with a nine
        ("bVIIb5", C_MAJOR, "Bb D E"),
        ("V#9", A_MINOR, "E Ab B D G"),
        ("i", A_MINOR, "A C E"),
        ("i5", A_MINOR, "A E"),
        ("VI", A_MINOR, "F A C"),
        ("viio", A_MINOR, "Ab B D"),
        ("Dm7", C_MAJOR, "D F A C"),
    ],
)
def test_numerals_are_degrees_of_the_key(symbol: str, key: Key, expected: str) -> None:
    assert notes(symbol, key) == expected


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("", "empty"),
        ("Hm7", "unknown root 'H'"),
        ("dm7", "upper case"),
        ("C7x", "unknown quality '7x'"),
        ("C7(b9", "unknown quality '7(b9'"),
        ("C7b9)", "unknown quality '7b9)'"),
        ("C7)b9(", "unknown quality '7)b9('"),
        ("Cmm", "unknown quality 'mm'"),
        ("C77", "unknown quality '77'"),
        ("C/H", "unknown bass 'H'"),
        ("C7/", "unknown bass ''"),
        ("C:foo", "after the colon"),
        ("ii7", "no key"),
        ("C" * 41, "longer than 40"),
        ("C\x1b[31m", "unknown quality '\\x1b[31m'"),
    ],
)
def test_what_is_no_chord_is_refused_with_its_reason(symbol: str, why: str) -> None:
    with pytest.raises(NoChord) as caught:
        read_chord(symbol)
    assert why in str(caught.value)


def test_a_numeral_that_is_none_is_refused() -> None:
    with pytest.raises(NoChord, match="no Roman numeral"):
        read_chord("V7/iix", C_MAJOR)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Dm7G7", ("Dm7", "G7")),
        ("C6Eb7D7Db7", ("C6", "Eb7", "D7", "Db7")),
        ("Bb7Bb7/Ab", ("Bb7", "Bb7/Ab")),
        ("Bb-7NC", ("Bb-7", "NC")),
        ("Dm7,G7", ("Dm7", "G7")),
        ("C,E,G", ("C", "E", "G")),
        ("C/E,F/A", ("C/E", "F/A")),
        ("A7(b9,13),D", ("A7(b9,13)", "D")),
        ("C7,b9", ()),
        ("Dm7", ()),
        ("BAD", ()),
        ("CxG7", ()),
        ("C-F-G", ()),  # three major chords, or two of them minor
        ("C−G7", ()),
    ],
)
def test_symbols_without_a_blank_are_parted_where_nothing_else_can_be_meant(text: str, parts: tuple[str, ...]) -> None:
    assert run_together(text) == parts


PYCHORD = QualityManager().get_qualities()


@pytest.mark.parametrize("name", sorted(PYCHORD))
def test_pychord_reads_the_same(name: str) -> None:
    """Another reader as the oracle. It keeps a natural 11 in every 13, which we leave to those who write it."""
    expected = {tone % 12 for tone in PYCHORD[name].components}
    tones = read_quality(name)
    assert tones is not None
    assert {tone % 12 for tone in tones} == expected - ({5} if "13" in name and 17 not in tones else set())


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        chord = read_chord(text)
    except NoChord:
        assert not is_readable(text)
    else:
        assert 0 <= chord.root < 12
        assert 0 <= chord.bass < 12
        assert chord.is_silent or chord.tones[0] == 0
        assert list(chord.tones) == sorted(set(chord.tones))


ROOTS = st.sampled_from(["C", "Db", "F#", "Bb", "G"])
QUALITIES = st.sampled_from(["", "m", "7", "m7", "maj7", "m7b5", "dim7", "7b9", "6", "9", "13", "sus4", "+", "7alt"])


@given(ROOTS, QUALITIES, ROOTS)
def test_transposing_the_root_moves_every_note(root: str, quality: str, other: str) -> None:
    by = pitch_class(other) - pitch_class(root)
    moved = {(note + by) % 12 for note in read_chord(root + quality).pitch_classes}
    assert read_chord(other + quality).pitch_classes == moved


@given(ROOTS, QUALITIES, ROOTS)
def test_a_slash_changes_the_bass_and_nothing_else(root: str, quality: str, bass: str) -> None:
    slashed, plain = read_chord(f"{root}{quality}/{bass}"), read_chord(root + quality)
    assert (slashed.root, slashed.tones, slashed.bass) == (plain.root, plain.tones, pitch_class(bass))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", C_MAJOR),
        ("A minor", A_MINOR),
        ("Am", A_MINOR),
        ("a", A_MINOR),
        ("A-", A_MINOR),
        ("A Minor", A_MINOR),
        ("A MINOR", A_MINOR),
        ("C Major", C_MAJOR),
        ("CM", C_MAJOR),
        ("F-maj", Key(5, False)),
        ("G-min", Key(7, True)),
        ("E♭ major", Key(3, False)),
        ("H", None),
        ("", None),
        ("C sharp", None),
    ],
)
def test_keys_are_read_as_people_write_them(text: str, key: Key | None) -> None:
    assert read_key(text) == key


@pytest.mark.parametrize(("degree", "semitones"), [("1", 0), ("b3", 3), ("5", 7), ("bb7", 9), ("9", 14), ("#11", 18)])
def test_degrees(degree: str, semitones: int) -> None:
    assert degree_semitones(degree) == semitones


@pytest.mark.parametrize("text", ["min7/x", "maj(99)", "foo", "maj((9))", "min7/14"])
def test_harte_that_cannot_be_read(text: str) -> None:
    assert read_harte(text) is None
