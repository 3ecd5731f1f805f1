"""From what a client writes in `chords` to chords in bars. Pure.

- An entry is a bar; the list is repeated, or cut, to `bars`.
- Several chords in an entry share the bar: `Dm7 G7` gives each a half. `/` (or `.`) holds the chord for one more place:
  `C / / G7`. What does not divide evenly goes to the first ones: three chords in 4/4 take 2 + 1 + 1 beats.
- `%` alone is the bar before. `|` parts the bars of an entry. `N.C.` is silence.
- Symbols may stand without blanks (`Dm7G7`) where nothing else can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sg_coach.models import Meter
from sg_coach.untrusted import shown

from .chords import Chord, NoChord, read_chord, run_together
from .errors import InvalidRequest, UnreadableChord
from .models import TICKS_PER_BEAT, ChordChange, ClipRequest, bar_ticks, beat_ticks
from .numerals import Key, read_key

_TOKEN: Final = re.compile(r"(?:\([^()]*\)|\S)+")
"""What blanks part; those in parentheses belong to their chord: `C7(b9, 13)`."""

HELD: Final = frozenset({"/", "."})
"""One more place for the chord before."""

EIGHTH: Final = TICKS_PER_BEAT // 2

SAME_BAR: Final = frozenset({"%", "𝄎"})

_UNEVEN: Final[Mapping[tuple[Meter, int], tuple[int, ...]]] = {
    ("4/4", 3): (2, 1, 1),
    ("12/8", 3): (2, 1, 1),
    ("5/4", 2): (3, 2),
    ("5/4", 3): (2, 1, 2),
}
"""Beats of each place where a bar does not divide evenly, and the first ones taking the rest is not what is meant."""


@dataclass(frozen=True, slots=True)
class Span:
    """A chord from `start` to `end`, in ticks from the clip's start."""

    start: int
    end: int
    chord: Chord


def spans_of(request: ClipRequest) -> tuple[Span, ...]:
    """Return the chords of a clip from its start to its end, without a gap; equal neighbours are one span.

    Raises UnreadableChord naming the symbol and its place, InvalidRequest naming another field.
    """
    key = _key(request.key)
    bars = [bar for number, entry in enumerate(request.chords) for bar in _Entry(number, entry, key).bars()]
    filled = _filled(bars, request.meter)
    size = bar_ticks(request.meter)
    spans: list[Span] = []
    for number in range(request.bars):
        start = number * size
        for length, chord in filled[number % len(filled)]:
            _append(spans, Span(start, start + length, chord))
            start += length
    return tuple(spans)


def changes_of(spans: Sequence[Span]) -> tuple[ChordChange, ...]:
    """Return where a chord begins, as the client wrote it."""
    return tuple(ChordChange(span.start, span.chord.symbol) for span in spans)


def place_ticks(count: int, meter: Meter) -> tuple[int, ...] | None:
    """Return how long each of `count` places of a bar is, in ticks; None if there are more than sixteenths.

    Places are whole beats if there are enough, else whole eighths, else sixteenths.
    """
    size = bar_ticks(meter)
    unit = next((unit for unit in (beat_ticks(meter), EIGHTH, EIGHTH // 2) if count * unit <= size), None)
    if unit is None:
        return None
    whole = size // unit
    shares = _UNEVEN.get((meter, count)) or tuple(whole // count + (place < whole % count) for place in range(count))
    return tuple(share * unit for share in shares)


@dataclass(frozen=True, slots=True)
class _Bar:
    """What is written for one bar: a place is a chord, or None for one more of the chord before; empty is `%`."""

    entry: int
    places: tuple[Chord | None, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of `chords` and where it stands."""

    number: int
    text: str
    key: Key | None

    def bars(self) -> list[_Bar]:
        written = [bar for bar in self.text.split("|") if bar.strip()] or [self.text]
        return [self._bar([token.rstrip(",") for token in _TOKEN.findall(bar)]) for bar in written]

    def _bar(self, tokens: Sequence[str]) -> _Bar:
        if len(tokens) == 1 and tokens[0] in SAME_BAR:
            return _Bar(self.number, ())
        places = [place for token in tokens or [""] for place in self._places(token)]
        return _Bar(self.number, tuple(places))

    def _places(self, token: str) -> list[Chord | None]:
        if token in HELD:
            return [None]
        try:
            return [read_chord(token, self.key)]
        except NoChord as error:
            parts = run_together(token)
            if parts:
                return [read_chord(part) for part in parts]
            raise UnreadableChord(str(error), field=f"chords[{self.number}] '{shown(token, 40)}'") from error


def _key(text: str | None) -> Key | None:
    if text is None:
        return None
    key = read_key(text)
    if key is None:
        raise InvalidRequest(f"'{shown(text)}' is no key", field="key", remedy="write it as C, Eb, F#m or A minor")
    return key


def _filled(bars: Sequence[_Bar], meter: Meter) -> list[list[tuple[int, Chord]]]:
    """Return each bar as (ticks, chord), with what is only meant (`%`, `/`) written out."""
    filled: list[list[tuple[int, Chord]]] = []
    for bar in bars:
        if not bar.places:
            _refuse_at_start(filled, bar, "%")
            filled.append(filled[-1])
            continue
        lengths = place_ticks(len(bar.places), meter)
        if lengths is None:
            problem = f"{len(bar.places)} chords in one bar of {meter}"
            raise InvalidRequest(problem, field=f"chords[{bar.entry}]", remedy="give each bar an entry of its own")
        filled.append(_bar_with_holds(filled, bar, lengths))
    return filled


def _bar_with_holds(
    before: Sequence[list[tuple[int, Chord]]], bar: _Bar, lengths: Sequence[int]
) -> list[tuple[int, Chord]]:
    chords: list[tuple[int, Chord]] = []
    for length, chord in zip(lengths, bar.places, strict=True):
        if chord is None and not chords:
            _refuse_at_start(before, bar, "/")
        held = (chords or before[-1])[-1][1] if chord is None else chord
        chords.append((length, held))
    return chords


def _refuse_at_start(before: Sequence[object], bar: _Bar, sign: str) -> None:
    if not before:
        raise InvalidRequest(
            f"'{sign}' repeats what is before it, and nothing is", field=f"chords[{bar.entry}]", remedy="name a chord"
        )


def _append(spans: list[Span], span: Span) -> None:
    if spans and spans[-1].chord == span.chord:
        spans[-1] = Span(spans[-1].start, span.end, span.chord)
    else:
        spans.append(span)
