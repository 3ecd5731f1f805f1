"""How far a race passes its deadline when 50 of them end at once, on asyncio as in production."""

from __future__ import annotations

import logging
import statistics
import time
from datetime import UTC, datetime

import anyio
import structlog

from sg_hybrid.cycle import CycleRunner
from sg_hybrid.models import AiReply, CycleReport
from sg_hybrid.race import Limits
from tests.fake_edges import FakeBundles, FakeGate, FakeScores, FakeTips, ScriptedCoach, session
from tests.fakes import FakeClock, MemorySpool

from .table import Row, below

RACES, ROUNDS = 50, 10


class _Clock:
    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)


async def _overshoots() -> list[float]:
    overshoots: list[float] = []
    never = ScriptedCoach(default=(2.0, AiReply(model_id="a:b@c", coaching_tip="Late.")))
    for number in range(ROUNDS):
        bundles = FakeBundles()
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
                clock=_Clock(),
                scores=FakeScores(),
                tips=FakeTips(),
                limits=Limits(give_up_after_s=0.6),
                calls=calls,
            )

            async def race(runner: CycleRunner, clip: object) -> None:
                begin = time.monotonic()
                report: CycleReport = await runner.run(clip)  # type: ignore[arg-type]
                assert report.ai_status == "timeout"
                overshoots.append((time.monotonic() - begin - 0.5) * 1000)

            for clip in clips:
                group.start_soon(race, runner, clip)
    return overshoots


def run() -> list[Row]:
    """The 99th percentile over all races."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    overshoots = anyio.run(_overshoots)
    return [below("deadline overshoot, 50 races at once, p99", statistics.quantiles(overshoots, n=100)[98], "ms", 5)]
