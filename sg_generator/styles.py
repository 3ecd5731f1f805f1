"""The styles, as data. Pure. A new style is a new entry of the table and its name in `models.StyleName`.

Comping: where a player of the style likes to put chords. A beat is a word, a digit a place in it (two eighths, three
triplets or four sixteenths), its value how often: 9 almost always, 0 never. Two bars where the style thinks in two.

Bass: a beat is a word, a letter a note. R root (or the bass of a slash chord), O its octave, F fifth, T third, S
seventh (or sixth), Q a step on the way to the next chord, A a note that leads into it. Several lines take turns.

Sources. Salsa: the montuno and tumbao of Cuban groups, on the son clave 2-3 or 3-2. Bossa: the guitar's clave. Samba:
the tamborim's teleco-teco. Flamenco: the bulerías compás, accents on 12, 3, 6, 8 and 10. The rest: common practice.
Programs are General MIDI's, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sg_coach.models import Meter

from .models import StyleName
from .swing import Feel

NYLON, STEEL, JAZZ, CLEAN, MUTED, DRIVEN, PIANO = 24, 25, 26, 27, 28, 29, 0
UPRIGHT, FINGERED, PICKED = 32, 33, 34


@dataclass(frozen=True, slots=True)
class Style:
    """One style. `density` is chords a bar of its own meter (sparse, medium, dense); lengths are in beats."""

    name: StyleName
    title: str
    meters: tuple[Meter, ...]
    """Its own meters first; the others are played by carrying its beats over."""
    tempo_bpm: float
    """A usual tempo, quarter notes a minute."""
    comp: tuple[str, ...]
    bass: tuple[str, ...]
    density: tuple[int, int, int]
    comp_program: int
    bass_program: int
    feel: Feel = "straight"
    longest: float = 1.0
    """Longest chord of the comping."""
    legato: float = 0.9
    """How much of its time a bass note sounds, 0..1."""
    fast_bass: tuple[str, ...] = ()
    """Bass from `fast_from` bpm on, if it changes."""
    fast_from: float = 120.0
    note: str = ""
    """What a player should know."""

    def bass_lines(self, tempo_bpm: float) -> tuple[str, ...]:
        """Return the bass lines at a tempo."""
        return self.fast_bass if self.fast_bass and tempo_bpm >= self.fast_from else self.bass


_MONTUNO_23: Final = "90 96 05 06", "09 08 07 08"
_TUMBAO: Final = (".. .F .. A.", ".. .F .. O.", ".. .F .. R.")

_CATALOGUE: Final = (
    Style(
        "swing",
        "Swing",
        ("4/4",),
        140,
        comp=("53 58 23 55",),
        bass=("R. .. F. ..", "R. .. F. A.", "R. .. T. Q."),
        density=(2, 3, 5),
        comp_program=JAZZ,
        bass_program=UPRIGHT,
        feel="swing",
        longest=0.8,
        legato=0.95,
        fast_bass=("R. Q. Q. A.",),
        note="two-feel below 120 bpm, walking from there on; Charleston figures",
    ),
    Style(
        "bossa",
        "Bossa nova",
        ("4/4",),
        130,
        comp=("92 27 21 72", "14 81 37 31"),
        bass=("R. .F F. .R", "R. .F F. .A", "R. .F F. .O"),
        density=(2, 3, 5),
        comp_program=NYLON,
        bass_program=UPRIGHT,
        longest=1.0,
        note="bass on one and three with the eighth before; the guitar's clave over two bars",
    ),
    Style(
        "samba",
        "Samba",
        ("2/4", "4/4"),
        200,
        comp=("8161 6163 1717 1616", "6171 7161 6162 7171"),
        bass=("R..F F..R R..F F..A", "R..F F..O R..F F..R"),
        density=(3, 5, 7),
        comp_program=NYLON,
        bass_program=FINGERED,
        longest=0.5,
        note="surdo in the bass (the second beat is the heavy one), tamborim in the guitar",
    ),
    Style(
        "salsa-2-3",
        "Salsa, clave 2-3",
        ("4/4",),
        190,
        comp=_MONTUNO_23,
        bass=_TUMBAO,
        density=(3, 4, 6),
        comp_program=PIANO,
        bass_program=UPRIGHT,
        longest=0.6,
        note="montuno on the 2-3 side; tumbao on the and of two and on four, root on one where the chord changes",
    ),
    Style(
        "salsa-3-2",
        "Salsa, clave 3-2",
        ("4/4",),
        190,
        comp=(_MONTUNO_23[1], _MONTUNO_23[0]),
        bass=_TUMBAO,
        density=(3, 4, 6),
        comp_program=PIANO,
        bass_program=UPRIGHT,
        longest=0.6,
        note="the same with its two bars exchanged",
    ),
    Style(
        "funk",
        "Funk",
        ("4/4",),
        100,
        comp=("8025 5063 3172 4162", "7142 6152 2263 5081"),
        bass=("R..R ..O. R.S. .F.A", "R... .RO. ..R. F..A", "R.R. ..O. .R.S F..A"),
        density=(3, 5, 8),
        comp_program=CLEAN,
        bass_program=FINGERED,
        longest=0.25,
        legato=0.6,
        note="sixteenths, short",
    ),
    Style(
        "blues",
        "Blues shuffle",
        ("12/8", "4/4"),
        110,
        comp=("42 84 32 85",),
        bass=("R. T. F. S.", "R. F. S. F.", "R. T. F. A.", "O. S. F. T."),
        density=(2, 3, 5),
        comp_program=CLEAN,
        bass_program=FINGERED,
        feel="shuffle",
        longest=0.7,
        note="shuffled eighths, the backbeats, a boogie bass",
    ),
    Style(
        "rock",
        "Rock",
        ("4/4",),
        120,
        comp=("92 54 44 63",),
        bass=("RR RR RR RR", "RR RR RR RA", "RR RR RR FA", "R. RR .R RA"),
        density=(2, 3, 5),
        comp_program=DRIVEN,
        bass_program=PICKED,
        longest=1.5,
        note="straight eighths, the bass drives",
    ),
    Style(
        "ballad",
        "Ballad",
        ("4/4", "6/8"),
        70,
        comp=("91 42 62 43",),
        bass=("R. .. F. ..", "R. .. F. .A", "R. .R F. A."),
        density=(2, 3, 4),
        comp_program=STEEL,
        bass_program=UPRIGHT,
        longest=2.0,
        legato=0.98,
        note="long chords",
    ),
    Style(
        "waltz",
        "Jazz waltz",
        ("3/4",),
        150,
        comp=("42 85 64", "33 76 72"),
        bass=("R. .. F.", "R. .. A.", "R. F. Q."),
        density=(2, 3, 4),
        comp_program=JAZZ,
        bass_program=UPRIGHT,
        feel="swing",
        longest=0.9,
        legato=0.95,
        fast_bass=("R. Q. A.", "R. .. A.", "R. Q. Q."),
        fast_from=120.0,
        note="two and three answer the bass's one; in one below 120 bpm, walking from there on",
    ),
    Style(
        "flamenco",
        "Flamenco (bulerías)",
        ("12/8", "6/8"),
        180,
        comp=("900 801 817 273", "811 712 718 282"),
        bass=("R.. R.. F.F .A.", "R.. O.. F.R .A.", "R.. ... F.F .F."),
        density=(3, 5, 8),
        comp_program=NYLON,
        bass_program=UPRIGHT,
        longest=0.7,
        note="the compás of twelve eighths: accents on 12, 3, 6, 8, 10",
    ),
)

STYLES: Final[Mapping[StyleName, Style]] = MappingProxyType({style.name: style for style in _CATALOGUE})
"""Every style by its name."""

CLAVES: Final[Mapping[StyleName, tuple[int, ...]]] = MappingProxyType(
    {"salsa-2-3": (4, 8, 16, 22, 28), "salsa-3-2": (0, 6, 12, 20, 24)}
)
"""The son clave of a style, as Cuban groups play it: sixteenths of two bars of 4/4."""
