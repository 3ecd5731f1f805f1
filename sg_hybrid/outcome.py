"""How one cycle ended, gathered while its sides run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from .errors import BundleRefused
from .models import AiAddendum, AiStatus, Coached, CycleReport, Origin

TakeKey = tuple[Path, str]
"""Bundle and take id."""


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
