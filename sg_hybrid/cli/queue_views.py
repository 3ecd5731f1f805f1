"""Late replies as rows, lines and a histogram. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

    from sg_hybrid.queue_tools import QueueRow

PARTS: Final = 10
"""Parts of the time to live that the histogram tells apart."""

HEAD: Final = ("CLIP", "SESSION", "STATE", "AGE", "LEFT", "TIP")
RIGHT: Final = (3, 4)
"""Columns of the list, and those that are aligned to the right."""

_BAR: Final = 40
"""Longest bar, in characters."""

_TEXTS: Final = ("coaching_tip", "timing_insight", "exercise_hint")


def moment() -> datetime:
    """The wall clock, now."""
    from sg_hybrid.clock import SystemClock

    return SystemClock().now()


def table_cells(rows: Sequence[QueueRow]) -> list[tuple[str, ...]]:
    """Return the cells under HEAD."""
    return [
        (row.clip_id, row.session_id or "?", row.state, seconds(row.age_s), _left(row), row.tip or _problem(row))
        for row in rows
    ]


def row_document(row: QueueRow) -> dict[str, Any]:
    """A row as JSON."""
    return {
        "clip_id": row.clip_id,
        "session_id": row.session_id,
        "state": row.state,
        "queued_at_utc": row.queued_at_utc,
        "age_s": _rounded(row.age_s),
        "left_s": _rounded(row.left_s),
        "tip": row.tip,
        "problem": row.problem,
        "path": str(row.path),
    }


def reply_document(row: QueueRow) -> dict[str, Any]:
    """A row as JSON, with the whole reply (None if it cannot be read)."""
    return row_document(row) | {"reply": _reply(row)}


def reply_lines(row: QueueRow) -> Iterator[str]:
    """A late reply in full."""
    left = f", {seconds(row.left_s)} left" if row.left_s is not None else ""
    yield f"{row.clip_id}: {row.state}, {seconds(row.age_s)} old{left}"
    reply = _reply(row) or {}
    shown = {
        "session": row.session_id,
        "queued at": row.queued_at_utc,
        "model": reply.get("model_id"),
        "confidence": reply.get("confidence"),
        **{name.replace("_", " "): reply.get(name) for name in _TEXTS},
        "problem": row.problem,
        "file": row.path,
    }
    yield from (f"  {name:<14}  {value}" for name, value in shown.items() if value is not None)


def seconds(value: float | None) -> str:
    """Return a length of time as people say it: `12 s`, `4 min`, `3 h`, `9 d`."""
    if value is None:
        return "?"
    for unit, length, above in (("d", 86_400, 172_800), ("h", 3600, 7200), ("min", 60, 600)):
        if value >= above:
            return f"{value / length:.0f} {unit}"
    return f"{value:.0f} s"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many replies wait for how long."""

    ttl_s: float
    counts: tuple[int, ...]
    """Replies in each tenth of the time to live."""
    over: int
    """Replies that are over their time; the next sweep discards them."""
    unknown: int
    """Replies whose age is not known: the wall clock was never set."""
    oldest_s: float | None

    @property
    def waiting(self) -> int:
        return sum(self.counts) + self.over + self.unknown

    def document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        step = self.ttl_s / PARTS
        buckets = [
            {"from_s": round(step * part, 3), "to_s": round(step * (part + 1), 3), "count": count}
            for part, count in enumerate(self.counts)
        ]
        return {
            "waiting": self.waiting,
            "ttl_s": self.ttl_s,
            "oldest_s": _rounded(self.oldest_s),
            "buckets": buckets,
            "over": self.over,
            "unknown": self.unknown,
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """Rows of a table: age, count, bar."""
        step, most = self.ttl_s / PARTS, max((*self.counts, self.over, self.unknown, 1))
        named = [(f"to {step * (part + 1):g} s", count) for part, count in enumerate(self.counts)]
        named += [(name, count) for name, count in (("over", self.over), ("unknown", self.unknown)) if count]
        return [(name, str(count), "#" * -(-count * _BAR // most)) for name, count in named]

    def summary(self) -> str:
        oldest = "" if self.oldest_s is None else f", the oldest for {seconds(self.oldest_s)}"
        return f"{self.waiting} waiting{oldest}; time to live {self.ttl_s:g} s"


def histogram(ages: Iterable[float | None], ttl_s: float) -> Histogram:
    """Sort ages (seconds, None if not known) into tenths of the time to live."""
    every = list(ages)
    known = [age for age in every if age is not None]
    within = [min(int(age * PARTS / ttl_s), PARTS - 1) for age in known if age <= ttl_s]
    return Histogram(
        ttl_s=ttl_s,
        counts=tuple(within.count(part) for part in range(PARTS)),
        over=len(known) - len(within),
        unknown=len(every) - len(known),
        oldest_s=max(known, default=None),
    )


def _reply(row: QueueRow) -> dict[str, Any] | None:
    from sg_coach.errors import CoachError
    from sg_coach.files import Folder
    from sg_coach.jsontext import parse_json_object
    from sg_hybrid.queue_entry import MAX_ENTRY_BYTES

    try:
        with Folder.open(row.path.parent) as folder:
            return parse_json_object(folder.read(row.path.name, MAX_ENTRY_BYTES))
    except (CoachError, OSError):
        return None


def _left(row: QueueRow) -> str:
    if row.state == "pending":
        return seconds(row.left_s)
    return "now" if row.state == "claimed" else "-"


def _problem(row: QueueRow) -> str:
    return f"({row.problem})" if row.problem else ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
