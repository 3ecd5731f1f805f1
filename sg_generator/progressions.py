"""Common forms, written down for this program; each is a ready request. Data.

An entry of `chords` is a bar (see `harmony` for what an entry may hold).
"""

from __future__ import annotations

from typing import Final

from sg_coach.models import Meter

from .answers import ProgressionInfo
from .models import StyleName


def _form(
    name: str, title: str, style: StyleName, tempo_bpm: float, key: str, chords: str, meter: Meter = "4/4"
) -> ProgressionInfo:
    """A form from one line: bars are divided by `|`."""
    bars = tuple(bar.strip() for bar in chords.split("|"))
    return ProgressionInfo(
        name=name, title=title, style=style, meter=meter, bars=len(bars), tempo_bpm=tempo_bpm, key=key, chords=bars
    )


PROGRESSIONS: Final[tuple[ProgressionInfo, ...]] = (
    _form("ii-v-i", "Two five one in C", "swing", 120, "C", "Dm7 | G7 | Cmaj7 | Cmaj7"),
    _form("turnaround", "One six two five in C", "swing", 140, "C", "Cmaj7 | A7 | Dm7 | G7"),
    _form("minor-ii-v-i", "Minor two five one in A", "swing", 120, "Am", "Bm7b5 | E7b9 | Am6 | Am6"),
    _form(
        "blues-12",
        "Twelve-bar blues in A",
        "blues",
        100,
        "A",
        "A7 | D7 | A7 | A7 | D7 | D7 | A7 | A7 | E7 | D7 | A7 | E7",
    ),
    _form(
        "jazz-blues",
        "Jazz blues in F",
        "swing",
        130,
        "F",
        "F7 | Bb7 | F7 | Cm7 F7 | Bb7 | Bdim7 | F7 | Am7b5 D7 | Gm7 | C7 | F7 D7 | Gm7 C7",
    ),
    _form(
        "minor-blues",
        "Minor blues in C",
        "swing",
        120,
        "Cm",
        "Cm7 | Cm7 | Cm7 | Cm7 | Fm7 | Fm7 | Cm7 | Cm7 | Ab7 | G7 | Cm7 | G7",
    ),
    _form(
        "rhythm-a",
        "Rhythm changes, the A part in Bb",
        "swing",
        180,
        "Bb",
        "Bbmaj7 G7 | Cm7 F7 | Dm7 G7 | Cm7 F7 | Bbmaj7 Bb7 | Ebmaj7 Edim7 | Bbmaj7 F7 | Bbmaj7",
    ),
    _form(
        "bossa-8", "Bossa nova in A minor", "bossa", 130, "Am", "Am7 | Am7 | Dm7 | G7 | Cmaj7 | Fmaj7 | Bm7b5 | E7b9"
    ),
    _form("samba-8", "Samba in D", "samba", 180, "D", "Dmaj7 | Dmaj7 | Em7 | A7 | F#m7 | B7 | Em7 | A7"),
    _form("son-montuno", "Son montuno in C, clave 2-3", "salsa-2-3", 90, "C", "C | F | G7 | F"),
    _form("salsa-minor", "Salsa in D minor, clave 3-2", "salsa-3-2", 100, "Dm", "Dm7 | Gm7 | A7 | Dm7"),
    _form("funk-vamp", "Funk vamp in E", "funk", 100, "E", "E9 | E9 | A13 | E9"),
    _form("rock-1-5-6-4", "One five six four in G", "rock", 120, "G", "G | D | Em | C"),
    _form("rock-1-7-4", "One flat seven four in A", "rock", 116, "A", "A | G | D | A"),
    _form("doo-wop", "One six four five in C", "ballad", 80, "C", "C | Am | F | G7"),
    _form("descent", "A falling bass in C", "ballad", 66, "C", "C | G/B | Am7 | C/G | F | C/E | Dm7 | G7"),
    _form("waltz-8", "Jazz waltz in G", "waltz", 130, "G", "Gmaj7 | Am7 | Bm7 | Am7 | Gmaj7 | Em7 | Am7 | D7", "3/4"),
    _form("andalusian", "Flamenco, the Andalusian cadence in A", "flamenco", 90, "Am", "Am | G | F | E7", "12/8"),
    _form("slow-blues-12-8", "Slow blues in 12/8 in E", "blues", 60, "E", "E7 | A7 | E7 | B7", "12/8"),
    _form("five-four", "Minor vamp in five", "swing", 150, "Em", "Em7 | Bm7 | Em7 | Bm7", "5/4"),
)  # fmt: skip
"""In the order of the page's menu."""
