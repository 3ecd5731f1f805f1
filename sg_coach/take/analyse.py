"""From notes to a record: against the clip's own notes if there is a clip, else against the grid. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from sg_coach.contract import COMP_FILE, TAKE_FILE
from sg_coach.errors import InvalidInput
from sg_coach.models import ProgramRef, SessionRecord

from .align import WIDEST_WINDOW_MS, Alignment, align, window_for
from .clave import Part, hit_ratio, strokes_ms
from .feel import off_beat
from .grid import NOT_MEASURABLE, STRAIGHT, Grid, Lines, Placed, by_beat, chance_p95, choose_grid, is_measurable
from .latency import grid_latency, held
from .notes import Note, Pulse, chords_of, events_of, in_order
from .report import Reference, TakeReport, counted
from .statistics import LATE_MS, ON_GRID_MS, mean_absolute, mean_standard_error, median, p95, p95_standard_error

FEWEST_EVENTS: Final = 12
"""With fewer events than this nothing is said about timing: the latency alone would explain most of them."""

SAME_PIECE: Final = 0.5
"""At least this share of the notes must be found again in the clip, at their pitch; below it is another piece."""

_DECIMALS: Final = 3


class AnotherPiece(InvalidInput):
    """The take is not a take of this clip."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about a take besides its notes. None: to be found out, or not known.

    `latency_ms` is a latency that the player knows; then none is looked for (it is held within ±80 ms).
    """

    session_id: UUID
    program: ProgramRef
    device_id: str | None = None
    style: str = ""
    part: Part | None = None
    grid: Grid | None = None
    latency_ms: float | None = None


class _Measured(NamedTuple):
    reference: Reference
    latency_ms: float
    grid: Grid
    placed: list[Placed]
    gaps_ms: list[float]
    bars: int
    matched: int
    wrong_pitch: int
    missed: int
    extra: int
    clave: float | None
    off_beat: float


def analyse_take(
    notes: Sequence[Note], pulse: Pulse, context: Context, expected: Sequence[Note] | None = None
) -> TakeReport:
    """Return the record and the report of a take.

    `notes` are what was played, `pulse` the beats of the piece (the clip's, if there is one), `expected` the clip's
    notes. What comes earlier than half a beat before bar 1 is a count-in and left out. Raises InvalidInput if there is
    nothing to measure, AnotherPiece if the notes are not those of the clip.
    """
    first_beat = pulse.beats_ms[0]
    start = first_beat - (pulse.beats_ms[1] - first_beat) / 2
    played = in_order(note for note in notes if note.onset_ms >= start)
    early = sum(note.onset_ms < start for note in notes)
    if not played:
        problem = "all notes come before bar 1" if early else "no notes"
        raise InvalidInput(problem, source=TAKE_FILE, remedy="nothing can be measured; record the take again")
    measured = (
        _against_grid(played, pulse, context)
        if expected is None
        else _against_clip(played, in_order(expected), pulse, context)
    )
    remarks = [f"{counted(early, 'note')} before bar 1 left out"] if early else []
    if expected is not None:
        remarks += _after_the_clip(played, expected, measured.latency_ms)
    return _report(measured, pulse, context, len(played), remarks)


# Against the lines of the grid


def _against_grid(played: Sequence[Note], pulse: Pulse, context: Context) -> _Measured:
    swung = off_beat(context.style, pulse.bpm, pulse.meter)
    events = events_of(note.onset_ms for note in played)
    sixteenths = Lines(pulse, 16, swung)
    latency = grid_latency(events, sixteenths) if context.latency_ms is None else held(context.latency_ms)
    onsets = [event - latency for event in events]
    grid = context.grid or choose_grid(pulse.bpm, sixteenths.place(onsets))
    lines = Lines(pulse, grid, swung)
    placed = lines.place(onsets)
    bars = _bars(placed, pulse)
    due = strokes_ms(context.part, pulse, bars) if context.part else []
    first, last = onsets[0] - ON_GRID_MS, onsets[-1] + ON_GRID_MS  # rests before and after are nobody's missed strokes
    return _Measured(
        reference="grid",
        latency_ms=latency,
        grid=grid,
        placed=placed,
        gaps_ms=lines.gaps_ms(),
        bars=bars,
        matched=len(played),
        wrong_pitch=0,
        missed=0,
        extra=0,
        clave=hit_ratio([ms for ms in due if first <= ms <= last], onsets),
        off_beat=swung,
    )


def _bars(placed: Sequence[Placed], pulse: Pulse) -> int:
    return max(one.beat for one in placed) // pulse.beats_a_bar + 1


# Against the clip's notes


def _against_clip(played: Sequence[Note], expected: Sequence[Note], pulse: Pulse, context: Context) -> _Measured:
    if not expected:
        raise InvalidInput("the clip holds no notes", source=COMP_FILE, remedy="measure against the grid instead")
    window = window_for((pulse.beats_ms[-1] - pulse.beats_ms[0]) / (len(pulse.beats_ms) - 1))
    alignment = align(expected, played, window, context.latency_ms)
    _refuse_another_piece(alignment, len(expected), len(played))
    chords = chords_of(expected)
    at = [placed.at_ms for placed in _events(expected, chords)]
    where = Lines(pulse, 16).place(at)
    errors: dict[int, list[float]] = {}
    for match in alignment.matches:
        errors.setdefault(chords[match.expected], []).append(match.error_ms)
    placed = [
        Placed(where[number].beat, where[number].step, median(found), at[number])
        for number, found in sorted(errors.items())
    ]
    onsets = sorted(note.onset_ms - alignment.latency_ms for note in played)
    return _Measured(
        reference="clip",
        latency_ms=alignment.latency_ms,
        grid=context.grid or choose_grid(pulse.bpm, where),
        placed=placed,
        gaps_ms=[2 * window],
        bars=_bars(where, pulse),
        matched=len(alignment.matches),
        wrong_pitch=len(alignment.matches) - alignment.same_pitch,
        missed=alignment.missed,
        extra=alignment.extra,
        clave=hit_ratio(at, onsets) if context.part else None,
        off_beat=STRAIGHT,
    )


def _after_the_clip(played: Sequence[Note], expected: Sequence[Note], latency_ms: float) -> list[str]:
    """What to say of notes that come too late for any of the clip's: a second round, say."""
    end = max(note.onset_ms for note in expected) + WIDEST_WINDOW_MS + latency_ms
    if not (after := sum(note.onset_ms > end for note in played)):
        return []
    return [f"{counted(after, 'note')} after the clip's last one counted as extra: the clip is measured once"]


def _events(expected: Sequence[Note], chords: Sequence[int]) -> list[Placed]:
    """The expected events, each at its first onset."""
    starts: dict[int, float] = {}
    for note, number in zip(expected, chords, strict=True):
        starts.setdefault(number, note.onset_ms)
    return [Placed(0, 0, 0.0, at) for at in starts.values()]


def _refuse_another_piece(alignment: Alignment, expected: int, played: int) -> None:
    found = alignment.same_pitch / min(expected, played)
    if found < SAME_PIECE:
        raise AnotherPiece(
            f"only {found:.0%} of the notes are the clip's: another piece, or another start",
            source=TAKE_FILE,
            remedy="give the clip that was played over, or the bars that were counted in, or measure against the grid",
        )


# The record


def _report(measured: _Measured, pulse: Pulse, context: Context, notes: int, remarks: list[str]) -> TakeReport:
    errors = [one.error_ms for one in measured.placed]
    chance = chance_p95(measured.gaps_ms)
    enough = len(errors) >= FEWEST_EVENTS
    measurable = enough and is_measurable(errors, measured.gaps_ms)
    if not enough:
        remarks.append(
            f"timing is not measurable: {counted(len(errors), 'event')}, at least {FEWEST_EVENTS} are needed"
        )
    elif not measurable:
        remarks.append(f"timing is not measurable on this grid: {_as_random(errors, chance)}")
    if context.part is None:
        remarks.append("clave not measured: no part that follows it was named")
    se = p95_standard_error(errors)
    return TakeReport(
        session=_record(measured, pulse, context, errors, measurable=measurable, se=se),
        reference=measured.reference,
        notes=notes,
        matched=measured.matched,
        wrong_pitch=measured.wrong_pitch,
        missed=measured.missed,
        extra=measured.extra,
        chance_p95_ms=chance,
        mean_se_ms=mean_standard_error(errors),
        p95_se_ms=se,
        off_beat=measured.off_beat,
        placed=tuple(measured.placed),
        remarks=tuple(remarks),
    )


def _as_random(errors: Sequence[float], chance: float) -> str:
    if p95(errors) >= NOT_MEASURABLE * chance:
        return f"random notes would reach {chance:.1f} ms, too"
    return f"{len(errors)} random notes may come out as close by luck"


def _record(
    measured: _Measured,
    pulse: Pulse,
    context: Context,
    errors: Sequence[float],
    *,
    measurable: bool,
    se: float | None,
) -> SessionRecord:
    count = len(errors)
    beats = by_beat(measured.placed, pulse.beats_a_bar)
    return SessionRecord(
        session_id=context.session_id,
        device_id=context.device_id,
        program=context.program,
        bpm=round(pulse.bpm, _DECIMALS),
        meter=pulse.meter,  # type: ignore[arg-type]  # Pulse refuses any other
        grid=measured.grid,
        bars=measured.bars,
        timing_mean_error_ms=round(mean_absolute(errors), _DECIMALS),
        timing_p95_error_ms=round(p95(errors), _DECIMALS),
        late_events=sum(error > LATE_MS for error in errors),
        total_events=count,
        notes_on_grid_ratio=round(sum(abs(error) <= ON_GRID_MS for error in errors) / count, 4) if count else 0.0,
        clave_hit_ratio=None if measured.clave is None else round(measured.clave, 4),
        error_by_beat_ms=tuple(None if error is None else round(error, 2) + 0.0 for error in beats),
        latency_removed_ms=round(measured.latency_ms, 2) + 0.0,
        timing_p95_se_ms=None if se is None else round(se, 2),
        timing_measurable=measurable,
    )
