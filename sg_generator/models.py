"""The values of the generator: what a client asks for, what is played. Immutable, all of them.

What comes from outside is a pydantic model; inside there are frozen dataclasses. Time inside a clip is counted in
ticks, TICKS_PER_BEAT of them a quarter note, from the clip's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from sg_coach.field_types import Int, Number
from sg_coach.models import Density, Meter, Syncopation
from sg_coach.untrusted import shown

from .errors import InvalidRequest

TICKS_PER_BEAT: Final = 480
"""Ticks of a quarter note, in every file."""

MAX_CHORDS: Final = 1000
"""Most entries of `chords`."""

MAX_BARS: Final = 256
MIN_TEMPO: Final = 30.0
MAX_TEMPO: Final = 300.0
"""Quarter notes a minute, in every meter."""

MAX_SEED: Final = 2**63 - 1
MAX_ENTRY: Final = 200
"""Most characters of one entry of `chords`."""

METERS: Final[tuple[Meter, ...]] = get_args(Meter)
DENSITIES: Final[tuple[Density, ...]] = get_args(Density)
"""From the fewest notes to the most."""

SYNCOPATIONS: Final[tuple[Syncopation, ...]] = get_args(Syncopation)
"""From on the beat to most off it."""

StyleName = Literal[
    "swing", "bossa", "samba", "salsa-2-3", "salsa-3-2", "funk", "blues", "rock", "ballad", "waltz", "flamenco"
]
STYLE_NAMES: Final[tuple[StyleName, ...]] = get_args(StyleName)

_STYLE_ALIASES: Final[Mapping[str, str]] = {
    "salsa": "salsa-2-3",
    "salsa23": "salsa-2-3",
    "salsa32": "salsa-3-2",
    "bossanova": "bossa",
    "shuffle": "blues",
    "bluesshuffle": "blues",
    "jazz": "swing",
    "jazzwaltz": "waltz",
    "bulerias": "flamenco",
}
_OWN_STYLE: Final[Mapping[Meter, StyleName]] = {"3/4": "waltz", "6/8": "ballad", "12/8": "blues"}


def default_style(meter: Meter) -> StyleName:
    """Return the style of a request that names none."""
    return _OWN_STYLE.get(meter, "swing")


class ClipRequest(BaseModel):
    """What a client asks for. Unknown fields are ignored, null means the default.

    `chords`: an entry is a bar, cycled or cut to `bars` (`harmony` says what an entry may hold). `tempo_bpm` counts
    quarter notes in every meter, as a `session.json` does. `key` is for Roman numerals. `seed` picks the variation.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    chords: Annotated[
        tuple[Annotated[str, StringConstraints(strict=True, max_length=MAX_ENTRY)], ...],
        Field(min_length=1, max_length=MAX_CHORDS),
    ]
    tempo_bpm: Annotated[Number, Field(ge=MIN_TEMPO, le=MAX_TEMPO)]
    meter: Meter = "4/4"
    bars: Annotated[Int, Field(ge=1, le=MAX_BARS)]
    style: StyleName | None = None
    seed: Annotated[Int, Field(ge=0, le=MAX_SEED)] = 0
    session_id: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200)] | None = None
    key: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=20)] | None = None
    density_bucket: Density = "medium"
    syncopation_bucket: Syncopation = "light"

    @field_validator("chords", mode="before")
    @classmethod
    def _count_first(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) > MAX_CHORDS:
            raise ValueError(f"{len(value)} entries, the limit is {MAX_CHORDS}; write the form once, it is repeated")
        return value

    @field_validator("style", mode="before")
    @classmethod
    def _known_style(cls, value: object) -> object:
        return canonical_style(value) if isinstance(value, str) else value

    @field_validator("seed", "density_bucket", "syncopation_bucket", "meter", mode="before")
    @classmethod
    def _null_is_the_default(cls, value: object, info: Any) -> object:
        return cls.model_fields[info.field_name].default if value is None else value

    @property
    def style_name(self) -> StyleName:
        """The style that is played: the one asked for, or the meter's own."""
        return self.style or default_style(self.meter)


def canonical_style(text: str) -> str:
    """Return a style's own name for what people write (`Bossa Nova`, `salsa_2_3`); unknown ones as they came."""
    plain = "".join(char for char in text.lower() if char.isalnum())
    names = {name.replace("-", ""): name for name in STYLE_NAMES}
    return names.get(plain) or _STYLE_ALIASES.get(plain, text)


def request_from(document: object) -> ClipRequest:
    """Return the request that `document` (parsed JSON) holds.

    Raises InvalidRequest naming the field (`chords[3]`), what was there and what may be there.
    """
    try:
        return ClipRequest.model_validate(document)
    except ValidationError as error:
        raise first_problem(error) from error


def first_problem(error: ValidationError) -> InvalidRequest:
    """Translate pydantic's report into one line about its first problem, without echoing large input."""
    details = error.errors(include_url=False, include_context=False)
    first = details[0]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return InvalidRequest(_problem(first) + more, field=field or "the request")


_PLAIN: Final[Mapping[str, str]] = {
    "missing": "missing; it has no default",
    "tuple_type": 'a list is needed, as ["Dm7", "G7", "Cmaj7"]',
    "too_short": "empty; at least one chord symbol is needed",
    "string_type": "a string is needed",
    "model_type": "an object is needed",
    "float_type": "a number is needed",
    "int_type": "a whole number is needed",
}
"""What pydantic's kinds of problems mean to a client."""


def _problem(detail: Any) -> str:
    problem = _PLAIN.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace(
        "Input should", "should"
    )
    given = detail.get("input")
    return f"{shown(repr(given), 40)}: {problem}" if isinstance(given, str | int | float) else problem


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note: start and length in ticks, MIDI pitch (60 is middle C) and velocity 1..127."""

    start: int
    pitch: int
    length: int
    velocity: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class ChordChange:
    """From `tick` on, `symbol` (as the client wrote it) sounds."""

    tick: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is played: notes in order of time, and all that the files say around them."""

    comp: tuple[Note, ...]
    bass: tuple[Note, ...]
    changes: tuple[ChordChange, ...]
    tempo_bpm: float
    meter: Meter
    bars: int
    style: StyleName
    swing_ratio: float
    """How long the first of two eighths is against the second: 1.0 is straight."""
    comp_program: int
    bass_program: int
    """General MIDI programs, 0..127."""

    @property
    def bar_ticks(self) -> int:
        return bar_ticks(self.meter)


def bar_ticks(meter: Meter) -> int:
    """Return how long a bar is."""
    count, unit = map(int, meter.split("/"))
    return count * TICKS_PER_BEAT * 4 // unit


def beat_ticks(meter: Meter) -> int:
    """Return how long a felt beat is: a quarter, a dotted quarter in 6/8 and 12/8."""
    return TICKS_PER_BEAT * 3 // 2 if meter.endswith("/8") else TICKS_PER_BEAT
