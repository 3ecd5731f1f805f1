"""How far a race passes its deadline when 50 of them end at once, on asyncio as in production.

The deadline counts from `t0`, the moment at which a take's score is known; the race has ended when its cycle returns.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import structlog

from sg_hybrid.clock import SystemClock
from sg_hybrid.cycle import CycleRunner
from sg_hybrid.models import AiReply, Coached, Take
from sg_hybrid.race import CycleLimits
from tests.fake_edges import FakeBundles, FakeGate, FakeScores, FakeTips, ScriptedCoach, session
from tests.fakes import FakeClock, MemorySpool

from .table import Row, below

RACES, ROUNDS = 50, 10


class _Bundles(FakeBundles):
    """Bundles that remember when each take's score was known."""

    def __init__(self) -> None:
        super().__init__()
        self.t0: dict[Path, float] = {}

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        def seen(coached: Coached) -> None:
            self.t0[bundle] = coached.t0
            visible(coached)

        return await super().coach(bundle, decide, seen)


async def _overshoots() -> list[float]:
    overshoots: list[float] = []
    never = ScriptedCoach(default=(2.0, AiReply(model_id="a:b@c", coaching_tip="Late.")))
    for number in range(ROUNDS):
        bundles = _Bundles()
        clips = [
            bundles.add(f"clip_{n}", session(session_id=f"00000000-0000-0000-{number:04d}-{n:012d}"))
            for n in range(RACES)
        ]
        async with anyio.create_task_group() as calls, anyio.create_task_group() as group:
            runner = CycleRunner(
                bundles=bundles,
                spool=MemorySpool(FakeClock()),
                coach=never,
                gate=FakeGate(),
                clock=SystemClock(),
                scores=FakeScores(),
                tips=FakeTips(),
                limits=CycleLimits(give_up_after_s=0.6),
                calls=calls,
            )

            for clip in clips:
                group.start_soon(_race, runner, bundles, clip, overshoots)
    return overshoots


async def _race(runner: CycleRunner, bundles: _Bundles, clip: Path, overshoots: list[float]) -> None:
    report = await runner.run(clip)
    assert report.ai_status == "timeout"
    overshoots.append((time.monotonic() - bundles.t0[clip] - runner.limits.reply_deadline_s) * 1000)


def run() -> list[Row]:
    """The 99th percentile over all races."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    overshoots = anyio.run(_overshoots)
    return [below("deadline overshoot, 50 races at once, p99", statistics.quantiles(overshoots, n=100)[98], "ms", 5)]
