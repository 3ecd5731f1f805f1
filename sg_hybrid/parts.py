"""What a worker is made of, as the worker sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from .models import TipSource
from .one_processor import OneProcessor
from .ports import AiCoach, Bundles, Clock, Gate, Intake, Scores, Spool, Tips
from .race import CycleLimits


class Background(Protocol):
    """A part that runs as long as the worker lives."""

    async def run(self) -> None: ...


class ScoreWriter(Scores, Background, Protocol):
    """The scores, and the writer of their indexes."""

    async def flush(self) -> bool:
        """Write what waits; return whether all of it could be written."""
        ...


class Account(Background, Protocol):
    """Counts what the AI did."""

    def count(self, source: TipSource) -> None:
        """Note where a take's tip in time came from."""
        ...

    async def save(self) -> None:
        """Save what is new."""
        ...


class TipMaker(Tips, Background, Protocol):
    """The prepared tips, and who prepares them."""

    async def finish(self) -> None:
        """Ask for no more; wait for what was asked."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of; `compose` brings the real ones."""

    bundles: Bundles
    spool: Spool
    coach: AiCoach
    gate: Gate
    clock: Clock
    scores: ScoreWriter
    intake: Intake
    sweeper: Background
    tips: TipMaker
    ledger: Account
    limits: CycleLimits
    grace_s: float = 5.0
    processor: OneProcessor = field(default_factory=partial(OneProcessor, ours=False))
