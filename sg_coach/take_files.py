"""From the files of a take to its report: `take.mid`, the clip that it was played over, and the clip's tags.

Bytes in, values out; who reads and writes files is `take_commands` and the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic import ValidationError

from .contract import COMP_FILE, TAGS_FILE, TAKE_FILE
from .digest import sha256_bytes
from .errors import InvalidInput
from .jsontext import to_json_bytes
from .midi_file import MidiTake, read_midi
from .models import ProgramRef, ProgramType, SessionRecord, first_problem
from .take import PARTS, AnotherPiece, Context, TakeReport, analyse_take
from .take.grid import Grid
from .take.notes import Note, Pulse, beats_in_bar, steady_pulse
from .take.report import counted

TAKE_NAMESPACE: Final = UUID("c9d2ab6d-7f0f-5bb4-9d0b-7f3c5a4a3c2e")
"""Namespace of session ids that are made from a take's bytes (version 5), where the tags name none."""

_LONGEST_NAME: Final = 200
_NO_TEMPO: Final = "the file names no tempo: 120 bpm, as the format has it"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller knows or wants; None: what the files say."""

    style: str | None = None
    part: str | None = None
    grid: Grid | None = None
    device_id: str | None = None
    session_id: UUID | None = None
    latency_ms: float | None = None
    count_in_bars: int = 0


def analyse_files(
    take: bytes,
    *,
    name: str,
    clip: bytes | None = None,
    tags: Mapping[str, Any] | None = None,
    wishes: Wishes = Wishes(),
    grid_if_another: bool = False,
) -> TakeReport:
    """Return the report of the take with these bytes; `name` is what it is called if the tags name no program.

    With `clip` (the bytes of clip.comp.mid) against its notes, else against the grid of its own tempo map or of the
    tags' tempo. `grid_if_another`: a take of another piece (an improvisation over the clip, say) is measured against
    the grid instead of being refused. Raises InvalidInput naming the file, ExtraMissing.
    """
    report = _analysed(take, clip, _context(tags or {}, wishes, name, take), tags or {}, wishes, grid_if_another)
    session = report.session.model_copy(update={"take_sha256": sha256_bytes(take)})
    return replace(report, session=session)


def _analysed(
    take: bytes,
    clip: bytes | None,
    context: Context,
    tags: Mapping[str, Any],
    wishes: Wishes,
    grid_if_another: bool,
) -> TakeReport:
    played = read_midi(take, TAKE_FILE)
    if clip is None:
        pulse, remarks = _own_pulse(played, tags)
        notes, after = _from_bar_1(played.notes, pulse, wishes), _pulse_from_bar_1(pulse, wishes)
        return _remarked(analyse_take(notes, after, context), remarks)
    expected = read_midi(clip, COMP_FILE)
    pulse = _longer(expected, played)
    notes, remarks = _from_bar_1(played.notes, pulse, wishes), _remarks(played)
    try:
        return _remarked(analyse_take(notes, pulse, context, expected.notes), remarks)
    except AnotherPiece as error:
        if not grid_if_another:
            raise AnotherPiece("; ".join([error.problem, *remarks]), source=TAKE_FILE, remedy=error.remedy) from error
        remarks.append(f"not measured against the clip: {error.problem}")
        return _remarked(analyse_take(notes, pulse, context), remarks)


def session_bytes(session: SessionRecord) -> bytes:
    """Return `session.json` as it is written: what the analyser does not know is left out."""
    return to_json_bytes(session.model_dump(mode="json", exclude_none=True))


def _own_pulse(played: MidiTake, tags: Mapping[str, Any]) -> tuple[Pulse, list[str]]:
    """The beats of the take's own tempo map, else of the tags' tempo, else of the format's default."""
    meter = _text(tags.get("meter")) if played.meter is None else ""
    if meter:
        beats_in_bar(meter, TAGS_FILE)
    tempo = tags.get("tempo_bpm")
    if played.has_tempo or not isinstance(tempo, int | float) or isinstance(tempo, bool):
        return played.pulse(meter or None), _remarks(played)
    last = max((note.onset_ms for note in played.notes), default=0.0)
    try:
        return steady_pulse(tempo, meter or played.meter or "4/4", last), _remarks_on_tracks(played)
    except InvalidInput as error:
        if error.field != "bpm":  # the length is the take's
            raise
        raise error.in_file(TAGS_FILE) from error


def _remarks(played: MidiTake) -> list[str]:
    return ([] if played.has_tempo else [_NO_TEMPO]) + _remarks_on_tracks(played)


def _remarks_on_tracks(played: MidiTake) -> list[str]:
    return [f"{played.tracks} tracks hold notes; all of them count as played"] if played.tracks > 1 else []


def _longer(expected: MidiTake, played: MidiTake) -> Pulse:
    """The clip's beats, on to the end of what was played."""
    last = max((note.onset_ms for note in played.notes), default=0.0)
    marker = Note(last, 0)
    return replace(expected, notes=(*expected.notes, marker)).pulse()


def _from_bar_1(notes: tuple[Note, ...], pulse: Pulse, wishes: Wishes) -> list[Note]:
    """Times from the first beat after the count-in."""
    start = pulse.beats_ms[_counted_in(pulse, wishes)] - pulse.beats_ms[0]
    return [note._replace(onset_ms=note.onset_ms - start) for note in notes]


def _pulse_from_bar_1(pulse: Pulse, wishes: Wishes) -> Pulse:
    """The beats after the count-in: in a tempo map they are not those that it began with."""
    beats = pulse.beats_ms[_counted_in(pulse, wishes) :]
    return Pulse(tuple(beat - beats[0] for beat in beats), pulse.meter)


def _counted_in(pulse: Pulse, wishes: Wishes) -> int:
    """The beats of the count-in."""
    beats = wishes.count_in_bars * pulse.beats_a_bar
    if beats and beats >= len(pulse.beats_ms) - 1:
        raise InvalidInput(f"ends within the count-in of {counted(wishes.count_in_bars, 'bar')}", source=TAKE_FILE)
    return beats


def _context(tags: Mapping[str, Any], wishes: Wishes, name: str, take: bytes) -> Context:
    style = _text(wishes.style) or _text(tags.get("style"))
    program = _program(tags, style or name)
    part = wishes.part or _text(tags.get("part"))
    if part and part not in PARTS:
        if wishes.part:
            raise InvalidInput(f"{part} is no part; there are: {', '.join(PARTS)}", field="part")
        part = ""
    return Context(
        session_id=wishes.session_id or _session_id(tags, take),
        program=program,
        device_id=wishes.device_id or _device(tags),
        style=style or program.name,
        part=PARTS[part] if part else None,
        grid=wishes.grid,
        latency_ms=wishes.latency_ms,
    )


def _device(tags: Mapping[str, Any]) -> str | None:
    """The device that the tags name; a name that cannot be printed is none."""
    name = _text(tags.get("device_id"))
    return name if name and name.isprintable() else None


def _program(tags: Mapping[str, Any], name: str) -> ProgramRef:
    named = tags.get("program")
    if not isinstance(named, Mapping):
        # A byte of a file name or an argument that is no text is written as `\xff`: JSON has text alone.
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return ProgramRef(kind=ProgramType.LIVE, name=text[:_LONGEST_NAME] or "live")
    try:
        return ProgramRef.model_validate(named)
    except ValidationError as error:
        found = first_problem(error, TAGS_FILE)
        raise InvalidInput(found.problem, source=TAGS_FILE, field=f"program.{found.field}") from error


def _session_id(tags: Mapping[str, Any], take: bytes) -> UUID:
    """The session that the tags name, else one of the take's own."""
    try:
        return UUID(_text(tags.get("session_id")))
    except ValueError:
        return uuid5(TAKE_NAMESPACE, sha256_bytes(take))


def _text(value: object) -> str:
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


def _remarked(report: TakeReport, remarks: list[str]) -> TakeReport:
    return replace(report, remarks=(*remarks, *report.remarks)) if remarks else report
