"""What the analyser tells a person about a take, besides the record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sg_coach.models import SessionRecord

from .grid import Placed

Reference = Literal["clip", "grid"]


@dataclass(frozen=True, slots=True)
class TakeReport:
    """The record of a take, and how it came about. Times in ms."""

    session: SessionRecord
    reference: Reference
    """What was measured against: the clip's own notes, or the lines of the grid."""
    notes: int
    matched: int
    wrong_pitch: int
    missed: int
    extra: int
    """Notes: `matched` includes `wrong_pitch`; against the grid every note counts as matched."""
    chance_p95_ms: float
    """The p95 that random notes would have."""
    mean_se_ms: float | None
    p95_se_ms: float | None
    off_beat: float
    """Where the feel puts the second half of a beat, 0..1."""
    placed: tuple[Placed, ...]
    """Every event with its error: what a plot shows."""
    remarks: tuple[str, ...]
    """What was left out or could not be measured, and why."""

    def document(self) -> dict[str, Any]:
        """Return the report (without the record and the events) for JSON."""
        names = ("reference", "notes", "matched", "wrong_pitch", "missed", "extra", "off_beat")
        return {
            **{name: getattr(self, name) for name in names},
            "chance_p95_ms": round(self.chance_p95_ms, 3),
            "mean_se_ms": _rounded(self.mean_se_ms),
            "p95_se_ms": _rounded(self.p95_se_ms),
            "measurable": self.session.timing_measurable,
            "remarks": list(self.remarks),
        }


def report_lines(report: TakeReport) -> list[str]:
    """Return the report as lines for people."""
    session = report.session
    lines = [
        f"{counted(session.bars, 'bar')} of {session.meter} at {session.bpm:g} bpm, "
        f"{counted(session.total_events, 'event')}",
        f"latency removed   {session.latency_removed_ms or 0:+.1f} ms",
        f"measured against  {_reference(report)}",
    ]
    if report.reference == "clip":
        lines.append(
            f"notes             {report.matched} matched ({report.wrong_pitch} of another pitch), "
            f"{report.missed} missed, {report.extra} extra"
        )
    lines += _figures(report)
    lines += [f"remark            {remark}" for remark in report.remarks]
    return lines


def counted(number: int, what: str) -> str:
    """Return a number and its noun: `1 event`, `2 events`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _figures(report: TakeReport) -> list[str]:
    session = report.session
    lines = [
        f"mean error        {session.timing_mean_error_ms:.1f} ms{_give_or_take(report.mean_se_ms)}",
        f"95 % within       {session.timing_p95_error_ms:.1f} ms{_give_or_take(report.p95_se_ms)}"
        f" (random notes: {report.chance_p95_ms:.1f} ms)",
        f"in place          {session.notes_on_grid_ratio:.0%} within 35 ms, {session.late_events} late",
        f"error by beat     {_by_beat(session.error_by_beat_ms or ())}",
    ]
    if session.clave_hit_ratio is not None:
        lines.append(f"clave             {session.clave_hit_ratio:.0%} of the part's strokes")
    return lines


def _reference(report: TakeReport) -> str:
    if report.reference == "clip":
        return "the clip's notes"
    swung = "" if report.off_beat == 0.5 else f", off-beats at {report.off_beat:.0%} of the beat"
    return f"the lines of grid {report.session.grid}{swung}"


def _by_beat(errors: tuple[float | None, ...]) -> str:
    return "  ".join(
        f"{number}: {'–' if error is None else format(error, '+.1f')}" for number, error in enumerate(errors, start=1)
    )


def _give_or_take(error: float | None) -> str:
    return "" if error is None else f" ± {error:.1f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
