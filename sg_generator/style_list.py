"""How the styles are told to a client: a title, the meters they are played in, a usual tempo. Data."""

from __future__ import annotations

from typing import Final

from .answers import StyleInfo
from .models import StyleName


def _style(name: StyleName, title: str, tempo_bpm: float, *meters: str) -> StyleInfo:
    return StyleInfo(name=name, title=title, meters=meters, tempo_bpm=tempo_bpm)


STYLES: Final[tuple[StyleInfo, ...]] = (
    _style("swing", "Swing", 140, "4/4", "5/4"),
    _style("bossa", "Bossa nova", 130, "4/4", "2/4"),
    _style("samba", "Samba", 180, "2/4", "4/4"),
    _style("salsa-2-3", "Salsa, clave 2-3", 95, "4/4"),
    _style("salsa-3-2", "Salsa, clave 3-2", 95, "4/4"),
    _style("funk", "Funk", 100, "4/4"),
    _style("blues", "Blues shuffle", 100, "4/4", "12/8"),
    _style("rock", "Rock", 120, "4/4"),
    _style("ballad", "Ballad", 70, "4/4", "6/8", "3/4"),
    _style("waltz", "Jazz waltz", 130, "3/4"),
    _style("flamenco", "Flamenco", 90, "12/8"),
)
"""In the order of the page's menu."""
