"""The style catalogue: what a style of music adds to the canonical export. Data, and how a program's name names it.

A program is named `{style}_{mode…}_{key}`, as `salsa_minor_Dm`. A new style is a new entry here and nothing else.

Sources. Salsa: the frozen golden documents of the coaching contract. Clave figures of samba and bossa: ours, set
between the contract's own limit (0.78) and salsa's (0.85), because these styles place the pattern more freely. The
other styles have no clave, so nothing about one is asked of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_KEY: Final = re.compile(r"[A-G](?:#|b)?(?:m|min|maj|dim|aug|sus)?\d{0,2}")
_WORDS: Final = re.compile(r"[A-Za-z0-9#]+")


@dataclass(frozen=True, slots=True)
class ClaveDrill:
    """The drill for a take whose focus is the clave. Ratios 0..1; the tempo is a factor of what was played."""

    expected_min_ratio: float
    """Clave hits that the style asks for in a performance."""
    program: str
    """Name of the drill without the key."""
    title: str
    tempo_factor: float
    window_ms: int
    """Hits later than this, in ms, are dropped by the instrument."""
    success_ratio: float
    success_p95_ms: float


@dataclass(frozen=True, slots=True)
class Style:
    """One style: its names, what the player listens to, its drill, and its own words for what was found.

    `words` maps a finding's code of the export to (summary, rationale); where there is none, the plain words of
    `canonical` are said, which claim no more than was measured.
    """

    name: str
    label: str
    listen_to: str
    next_bpm_delta: int = 4
    clave: ClaveDrill | None = None
    aliases: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)


PLAIN: Final = Style("plain", "", "the click")
"""For a program whose name tells no style that we know."""

_CATALOGUE: Final = (
    Style(
        "salsa",
        "Salsa",
        "the clave click",
        clave=ClaveDrill(0.85, "salsa_clave_lock", "Clave Lock – 2-Bar Loop", 0.89, 35, 0.90, 30.0),
        words={  # frozen by the golden documents
            "TIMING_DRIFT": (
                "Timing accuracy degrades on off-beats under tempo.",
                "Late events cluster on bar transitions.",
            ),
            "CLAVE_MISALIGNMENT": (
                "Clave accents not consistently aligned with grid.",
                "Clave misalignment exceeds tolerance for salsa style.",
            ),
        },
    ),
    Style(
        "samba",
        "Samba",
        "the tamborim",
        clave=ClaveDrill(0.80, "samba_tamborim_lock", "Tamborim Lock – 2-Bar Loop", 0.89, 40, 0.86, 33.0),
    ),
    Style(
        "bossa",
        "Bossa Nova",
        "the bossa clave",
        clave=ClaveDrill(0.80, "bossa_clave_lock", "Bossa Clave Lock – 2-Bar Loop", 0.89, 40, 0.86, 33.0),
        aliases=("bossanova",),
    ),
    Style("swing", "Swing", "the ride cymbal", aliases=("jazz",)),
    Style("funk", "Funk", "the hi-hat"),
    Style("blues", "Blues", "the shuffle"),
    Style("rock", "Rock", "the backbeat"),
    Style("flamenco", "Flamenco", "the palmas"),
)

STYLES: Final[Mapping[str, Style]] = MappingProxyType({style.name: style for style in _CATALOGUE})
"""Every style by its name."""

_BY_WORD: Final = {word: style for style in _CATALOGUE for word in (style.name, *style.aliases)}


@dataclass(frozen=True, slots=True)
class NamedProgram:
    """What a program's name tells: the style, a label for people, and the key (`Dm`), if any."""

    style: Style
    label: str
    key: str | None


def read_program_name(name: str) -> NamedProgram:
    """Return what `name` tells; an unknown style gives PLAIN and the name itself as the label."""
    words = _WORDS.findall(name)
    style = _BY_WORD.get(words[0].lower()) if words else None
    if style is None:
        return NamedProgram(PLAIN, name, None)
    rest = words[1:]
    key = rest.pop() if rest and _KEY.fullmatch(rest[-1]) else None
    return NamedProgram(style, " ".join([style.label, *(word.capitalize() for word in rest)]), key)
