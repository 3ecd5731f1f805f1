"""How cycles end, gathered while their sides run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from .errors import BundleRefused
from .models import AiAddendum, AiStatus, Coached, CycleReport, Origin

TakeKey = tuple[Path, str]
"""Bundle and take id."""

MOST_UNSETTLED: Final = 1024
"""Takes that could not be settled and are remembered; of more, the one that failed first is forgotten."""


@dataclass(slots=True)
class Outcome:
    """How the sides of one cycle ended, gathered while they run."""

    status: AiStatus = "disabled"
    ai: AiAddendum | None = None
    origin: Origin | None = None
    applied: str | None = None
    coached: Coached | None = None
    take: TakeKey | None = None
    """As soon as the hint is out."""
    failure: Exception | None = None
    hint_ms: float = 0.0
    settled: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)

    def report(self, coached: Coached, status: AiStatus | None) -> CycleReport:
        """Tell how the cycle ended."""
        return CycleReport(
            bundle=coached.take.bundle,
            clip_id=coached.take.clip_id,
            coaching=coached.coaching,
            ai_status=status,
            ai=self.ai,
            ai_origin=self.origin,
            applied=self.applied,
            hint_ms=self.hint_ms,
            error=str(self.failure) if self.failure else None,
            refused=isinstance(self.failure, BundleRefused),
        )

    async def finished(self, coached: Coached) -> CycleReport:
        """Wait until the cycle has ended, and tell how."""
        await self.done.wait()
        return self.report(coached, self.status)


class Outcomes:
    """The cycles that run now, and the takes whose last one failed."""

    def __init__(self) -> None:
        self._unfinished: dict[TakeKey, Outcome] = {}
        self._unsettled: dict[TakeKey, None] = {}
        """Takes whose hint could not be made durable or listed: they come again, and the AI was asked already."""

    @contextmanager
    def one(self) -> Iterator[Outcome]:
        """The outcome of a cycle that runs in the body; however it ends, nobody waits for it afterwards."""
        outcome = Outcome()
        try:
            yield outcome
        finally:
            if outcome.take is not None and self._unfinished.get(outcome.take) is outcome:
                del self._unfinished[outcome.take]
                self._note_how_it_ended(outcome.take, outcome.failure)
            outcome.done.set()

    def first_of(self, take: TakeKey, outcome: Outcome) -> Outcome:
        """Return the outcome that `take` has: `outcome`, unless another cycle runs for the same take."""
        return self._unfinished.setdefault(take, outcome)

    def running(self, take: TakeKey) -> Outcome | None:
        """Return the outcome of the cycle that runs for `take`, if one does."""
        return self._unfinished.get(take)

    def was_unsettled(self, take: TakeKey) -> bool:
        """Whether the last cycle of `take` failed after its hint was out."""
        return take in self._unsettled

    def _note_how_it_ended(self, take: TakeKey, failure: Exception | None) -> None:
        self._unsettled.pop(take, None)
        if failure is not None:
            self._unsettled[take] = None
        if len(self._unsettled) > MOST_UNSETTLED:
            del self._unsettled[next(iter(self._unsettled))]


def summary(report: CycleReport) -> dict[str, object]:
    """Return what the log says of a cycle."""
    coaching = report.coaching
    return {
        "clip": report.clip_id,
        "score": coaching.score if coaching else None,
        "result": str(coaching.take_result) if coaching else None,
        "ai": report.ai_status,
        "ai_origin": report.ai_origin,
        "ai_latency_ms": report.ai.ai_latency_ms if report.ai else None,
        "applied": report.applied,
        "hint_ms": report.hint_ms,
        **({"error": report.error} if report.error else {}),
    }
