"""The bass: the root where a chord begins, the style's figure in between, and a note that leads into the next chord.

Pure; what may vary is drawn from the Random that is passed in. One note at a time, LOWEST to HIGHEST.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from .chords import Chord
from .grid import Slot, slots_of
from .harmony import Span
from .models import TICKS_PER_BEAT, ClipRequest, Note, bar_ticks
from .styles import Style

LOWEST: Final = 28
HIGHEST: Final = 50
"""MIDI pitches E1 (the open E string) and D3."""

CENTRE: Final = 37
SHORTEST: Final = 60
"""Shortest note, in ticks: a thirty-second."""

_ACCENT: Final = 96
_PLAIN: Final = 84
_TRIES: Final = 4
_APPROACHES: Final = (-1, -1, -1, -1, 1, 1, 1, -5, -5, -2, 2)
"""Semitones from a root to the notes that lead into it, the usual ones more often."""


@dataclass(frozen=True, slots=True)
class _Stroke:
    """Where the bass plays, what it plays there (`styles`), over which span."""

    tick: int
    mark: str
    span: int


@dataclass(frozen=True, slots=True)
class _Played:
    tick: int
    pitch: int
    span: int


def bass_line(
    request: ClipRequest, style: Style, spans: Sequence[Span], ratio: float, chance: Random
) -> tuple[Note, ...]:
    """Return the bass of a clip, in order of time; silent where a chord is."""
    lines = style.bass_lines(request.tempo_bpm)
    player = _Player(spans, chance)
    size = bar_ticks(request.meter)
    bars: list[list[_Stroke]] = []
    first = 0
    for bar in range(request.bars):
        while spans[first].end <= bar * size:
            first += 1
        options = [
            _strokes(slots_of((line,), request.meter, bar, ratio), bar * size, size, spans, first) for line in lines
        ]
        bars.append(options[chance.randrange(len(options))])
    for bar, strokes in enumerate(_with_approaches(bars, spans)):
        player.play(strokes, bar * size)
    return tuple(_sounding(player.played, spans, style.legato, request.bars * size))


def _strokes(slots: Sequence[Slot], bar_start: int, size: int, spans: Sequence[Span], first: int) -> list[_Stroke]:
    """The figure of a bar over its chords: where a chord begins stands its root, whatever the figure says."""
    found: dict[int, _Stroke] = {}
    number = first
    for slot in slots:
        tick = bar_start + slot.tick
        while spans[number].end <= tick:
            number += 1
        if slot.mark != ".":
            found[tick] = _Stroke(tick, slot.mark, number)
    for number in range(first, len(spans)):
        start = spans[number].start
        if start >= bar_start + size:
            break
        if start >= bar_start:
            found = {tick: stroke for tick, stroke in found.items() if abs(tick - start) >= SHORTEST}
            found[start] = _Stroke(start, "R", number)
    return [found[tick] for tick in sorted(found) if not spans[found[tick].span].chord.is_silent]


def _with_approaches(bars: Sequence[Sequence[_Stroke]], spans: Sequence[Span]) -> list[list[_Stroke]]:
    """Make the last note before each change lead into it; a note that leads nowhere becomes a step."""
    strokes = [stroke for bar in bars for stroke in bar]
    last = {stroke.span: stroke.tick for stroke in strokes}

    def mark(stroke: _Stroke) -> str:
        changes = stroke.span + 1 < len(spans) and not spans[stroke.span + 1].chord.is_silent
        if changes and stroke.tick == last[stroke.span] and stroke.tick > spans[stroke.span].start:
            return "A"
        return "Q" if stroke.mark == "A" else stroke.mark

    return [[_Stroke(stroke.tick, mark(stroke), stroke.span) for stroke in bar] for bar in bars]


class _Player:
    """Chooses pitches, one bar after the other."""

    def __init__(self, spans: Sequence[Span], chance: Random) -> None:
        self.played: list[_Played] = []
        self._spans = spans
        self._chance = chance
        self._before: tuple[tuple[int, int], ...] = ()

    def play(self, strokes: Sequence[_Stroke], bar_start: int) -> None:
        """Play a bar; it differs from the one before if its figure leaves anything open."""
        pitch = self.played[-1].pitch if self.played else CENTRE
        taken = dict(self._before)
        bar: list[_Played] = []
        for varied in (*(None,) * _TRIES, *self._open(strokes)):
            bar = self._bar(strokes, pitch, varied, taken.get(varied.tick - bar_start) if varied else None)
            if self._shape(bar, bar_start) != self._before:
                break
        self._before = self._shape(bar, bar_start)
        self.played += bar

    @staticmethod
    def _shape(bar: Sequence[_Played], bar_start: int) -> tuple[tuple[int, int], ...]:
        return tuple((note.tick - bar_start, note.pitch) for note in bar)

    def _bar(self, strokes: Sequence[_Stroke], pitch: int, varied: _Stroke | None, taken: int | None) -> list[_Played]:
        bar: list[_Played] = []
        for number, stroke in enumerate(strokes):
            if stroke is varied:
                pitch = self._other(stroke, pitch, taken)
            else:
                left = sum(other.span == stroke.span for other in strokes[number:])
                pitch = self._pitch(stroke, pitch, left)
            bar.append(_Played(stroke.tick, pitch, stroke.span))
        return bar

    def _open(self, strokes: Sequence[_Stroke]) -> list[_Stroke]:
        """The strokes to change, one of them, in a bar like the one before: the last ones first, roots that can jump
        only if all are roots.
        """
        free = [stroke for stroke in strokes if not self._is_start(stroke)]
        roots = [stroke for stroke in strokes if len(_octaves(self._chord(stroke).bass)) > 1]
        return (free or roots)[::-1]

    def _chord(self, stroke: _Stroke) -> Chord:
        return self._spans[stroke.span].chord

    def _is_start(self, stroke: _Stroke) -> bool:
        return stroke.tick == self._spans[stroke.span].start

    def _pitch(self, stroke: _Stroke, before: int, left: int) -> int:
        if stroke.mark == "A":
            return self._approach(stroke, before)
        if stroke.mark == "Q":
            return self._step(stroke, before, left)
        return _named(stroke.mark, self._chord(stroke), before)

    def _approach(self, stroke: _Stroke, before: int) -> int:
        """A note that leads into the next chord's bass, and is not the note before it.

        One that sounds for long is a note of its own chord, if any is near enough.
        """
        coming = self._spans[stroke.span + 1]
        target = _near(coming.chord.bass, before)
        options = [pitch for step in _APPROACHES if LOWEST <= (pitch := target + step) <= HIGHEST and pitch != before]
        options = [pitch for pitch in options if abs(pitch - before) <= _LEAP] or options
        if coming.start - stroke.tick >= _LONG:
            options = [pitch for pitch in options if pitch in _tones(self._chord(stroke))] or options
        return options[self._chance.randrange(len(options))]

    def _step(self, stroke: _Stroke, before: int, left: int) -> int:
        """A chord tone on the way to the next root; over a chord that stays, up or down."""
        chord = self._chord(stroke)
        following = stroke.span + 1 < len(self._spans)
        goal = _near(self._spans[stroke.span + 1].chord.bass, before) if following else before
        if abs(goal - before) <= 2 or not following:
            goal = before + self._chance.choice((-7, -5, 5, 7))
        wish = before + (goal - before) / max(left, 1) + self._chance.uniform(-1.5, 1.5)
        options = [pitch for pitch in _tones(chord) if pitch != before and abs(pitch - before) <= _LEAP]
        return min(options or _tones(chord), key=lambda pitch: (abs(pitch - wish), pitch))

    def _other(self, stroke: _Stroke, before: int, taken: int | None) -> int:
        """A chord tone, or another octave of the root, that is not `taken`: what the bar before had in this place."""
        chord = self._chord(stroke)
        tones = _octaves(chord.bass) if self._is_start(stroke) else _tones(chord)
        reached = [pitch for pitch in tones if abs(pitch - before) <= _LEAP]
        other = [pitch for pitch in reached if pitch not in (before, taken)]
        return self._chance.choice(other or reached)


_LEAP: Final = 12
"""Widest step, in semitones."""

_LONG: Final = 3 * TICKS_PER_BEAT // 2
"""From here on a foreign note is no passing note any more."""


def _near(pitch_class: int, before: int) -> int:
    """The pitch of a class that is nearest to the last one, a little towards the centre."""
    return min(_octaves(pitch_class), key=lambda pitch: abs(pitch - before) + 0.3 * abs(pitch - CENTRE))


def _octaves(pitch_class: int) -> list[int]:
    return list(range(LOWEST + (pitch_class - LOWEST) % 12, HIGHEST + 1, 12))


def _tones(chord: Chord) -> list[int]:
    classes = {(chord.root + tone) % 12 for tone in chord.tones if tone <= 11} | {chord.bass}
    return [pitch for pitch in range(LOWEST, HIGHEST + 1) if pitch % 12 in classes]


def _named(mark: str, chord: Chord, before: int) -> int:
    if mark == "O":
        root = _near(chord.bass, before)
        octaves = (pitch for pitch in (root + 12, root - 12) if LOWEST <= pitch <= HIGHEST)
        return next((pitch for pitch in octaves if abs(pitch - before) <= _LEAP), root)
    wanted = {"F": (7, 6, 8), "T": (3, 4, 5, 2), "S": (10, 11, 9, 7)}.get(mark, ())
    tone = next((tone for tone in wanted if tone in chord.tones), None)
    return _near(chord.bass if tone is None else (chord.root + tone) % 12, before)


def _sounding(played: Sequence[_Played], spans: Sequence[Span], legato: float, total: int) -> list[Note]:
    """Give each note its length: until the next one, as far as the style binds them, and not into a silence."""
    notes = []
    for number, note in enumerate(played):
        following = played[number + 1].tick if number + 1 < len(played) else total
        silence = next((span.start for span in spans[note.span + 1 : note.span + 2] if span.chord.is_silent), total)
        room = min(following, silence, total) - note.tick
        velocity = _ACCENT if note.tick == spans[note.span].start or note.tick % (2 * TICKS_PER_BEAT) == 0 else _PLAIN
        notes.append(Note(note.tick, note.pitch, min(room, max(round(room * legato), SHORTEST)), velocity))
    return notes
