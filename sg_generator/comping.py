"""The comping: chords on the style's places, near the last ones, no bar like the one before it.

Pure; what may vary is drawn from the Random that is passed in. A chord just before a change is the new one already.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from .grid import Slot, quota, slots_of
from .harmony import Span
from .models import ClipRequest, Note, bar_ticks, beat_ticks
from .styles import Style
from .voicings import Voicing, nearest

SHORTEST: Final = 60
"""Shortest time between two chords, in ticks: a thirty-second."""

_TRIES: Final = 6
_ON_BEAT: Final = 74
_OFF_BEAT: Final = 82
_SPREAD: Final = 5
_STRUM: Final = 3
"""What an inner voice is softer than the one above it."""

_MOVES: Final = 0.35
"""How often a held chord is taken in another place in a new bar."""


@dataclass(frozen=True, slots=True)
class _Chord:
    """A chord that is played: when, over which span, how it is held, how loud."""

    tick: int
    span: int
    hold: Voicing
    velocity: int


def comping(
    request: ClipRequest, style: Style, spans: Sequence[Span], ratio: float, chance: Random
) -> tuple[Note, ...]:
    """Return the comping of a clip, in order of time; silent where a chord is."""
    player = _Player(request, style, spans, ratio, chance)
    for bar in range(request.bars):
        player.play(bar)
    longest = round(style.longest * beat_ticks(request.meter))
    return tuple(_sounding(player.played, spans, longest, request.bars * bar_ticks(request.meter)))


class _Player:
    """Chooses places and holds, one bar after the other."""

    def __init__(self, request: ClipRequest, style: Style, spans: Sequence[Span], ratio: float, chance: Random) -> None:
        self.played: list[_Chord] = []
        self._request, self._style, self._spans = request, style, spans
        self._ratio, self._chance = ratio, chance
        self._size = bar_ticks(request.meter)
        self._starts = [span.start for span in spans]
        self._last: Voicing = ()
        self._last_span = -1
        self._first: Voicing = ()
        self._ticks: frozenset[int] = frozenset()

    def play(self, bar: int) -> None:
        """Play a bar that differs from the one before in its places or in its holds."""
        slots = slots_of(self._style.comp, self._request.meter, bar, self._ratio)
        places = self._places(bar, slots)
        same = places == self._ticks
        self._ticks = places
        moves = self._chance.random() < _MOVES
        on_beats = {slot.tick for slot in slots if slot.on_beat}
        avoid = self._first if same else self._last if moves else ()
        for number, tick in enumerate(sorted(places)):
            self._strike(bar * self._size + tick, tick in on_beats, () if number else avoid)
            self._first = self._last if number == 0 else self._first

    def _places(self, bar: int, slots: Sequence[Slot]) -> frozenset[int]:
        on, off = quota(
            self._style, self._request.meter, self._request.density_bucket, self._request.syncopation_bucket, bar
        )
        start = bar * self._size
        open_slots = [slot for slot in slots if not self._spans[self._span_at(start + slot.tick)].chord.is_silent]
        chosen: frozenset[int] = frozenset()
        for _ in range(_TRIES):
            chosen = self._drawn([slot for slot in open_slots if slot.on_beat], on)
            chosen |= self._drawn([slot for slot in open_slots if not slot.on_beat], off)
            chosen = self._with_every_chord(bar, chosen)
            if chosen != self._ticks:
                break
        return chosen

    def _drawn(self, slots: Sequence[Slot], count: int) -> frozenset[int]:
        """Draw `count` places, each as likely as its mark says; places marked 0 come last."""
        by_luck = sorted(
            slots, key=lambda slot: (slot.mark == "0", -self._chance.random() * (int(slot.mark) ** 2 or 1))
        )
        return frozenset(slot.tick for slot in by_luck[:count])

    def _with_every_chord(self, bar: int, ticks: frozenset[int]) -> frozenset[int]:
        """Let no chord of the bar go by unheard: another place moves to its beginning, if one can be spared."""
        start = bar * self._size
        heard: dict[int, list[int]] = {}
        for tick in sorted(ticks):
            heard.setdefault(self._meant(start + tick), []).append(tick)
        found = set(ticks)
        for number in range(self._span_at(start), self._span_at(start + self._size - 1) + 1):
            span = self._spans[number]
            was_heard = number in heard or number == self._last_span
            if was_heard or span.chord.is_silent or not start <= span.start < start + self._size:
                continue
            spare = next((strokes for strokes in heard.values() if len(strokes) > 1), None)
            if spare is not None:
                found.discard(spare.pop())
            found = {tick for tick in found if abs(tick - (span.start - start)) >= SHORTEST} | {span.start - start}
        return frozenset(found)

    def _span_at(self, tick: int) -> int:
        return bisect_right(self._starts, tick) - 1

    def _meant(self, tick: int) -> int:
        """The span that a chord at `tick` belongs to: the next one if it comes at once, and not on a beat."""
        number = self._span_at(tick)
        following = number + 1
        beat = beat_ticks(self._request.meter)
        if following == len(self._spans) or self._spans[following].chord.is_silent or tick % beat == 0:
            return number
        is_last_place = self._spans[following].start - tick <= beat // 2
        return following if is_last_place and self._request.syncopation_bucket != "straight" else number

    def _strike(self, tick: int, on_beat: bool, avoid: Voicing) -> None:
        """Play a chord: a new one near the last, the same one as it was, unless that is to be avoided."""
        span = self._meant(tick)
        if span != self._last_span or avoid or not self._last:
            self._last = nearest(self._spans[span].chord, self._last, but=avoid)
        self._last_span = span
        velocity = (_ON_BEAT if on_beat else _OFF_BEAT) + self._chance.randint(-_SPREAD, _SPREAD)
        self.played.append(_Chord(tick, span, self._last, velocity))


def _sounding(played: Sequence[_Chord], spans: Sequence[Span], longest: int, total: int) -> list[Note]:
    notes = []
    for number, chord in enumerate(played):
        following = played[number + 1].tick if number + 1 < len(played) else total
        end = min(following, spans[chord.span].end, total, chord.tick + longest)
        length, top = end - chord.tick, len(chord.hold) - 1
        for voice, pitch in enumerate(chord.hold):
            notes.append(Note(chord.tick, pitch, length, chord.velocity - _STRUM * (top - voice)))
    return notes
