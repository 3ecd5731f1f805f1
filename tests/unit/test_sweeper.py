"""The sweeper in virtual time."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from sg_coach.errors import UnsafePath
from sg_hybrid.sweeper import CLEAN_AGAIN_S, Sweeper, SweepStats
from tests.fakes import FakeClock, MemorySpool
from tests.late_replies import addendum, context


@dataclass
class ScriptedSpool:
    """Counts what it is asked for; raises what the test says."""

    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    waiting: int = 0
    left: int = 4
    cleaned: int | None = 6

    async def until_needed(self) -> None:
        await anyio.sleep_forever()

    async def refresh(self) -> SweepStats:
        self._ask("refresh")
        return SweepStats(found=3, gone=2, rejected=1, left=self.left)

    async def expire_due(self) -> int:
        self._ask("expire")
        return 5

    async def clean_applied(self, keep_days: float) -> int | None:
        self._ask(f"clean {keep_days:g}")
        return self.cleaned

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if error := self.errors.get(what):
            raise error


async def test_a_sweep_tells_what_it_did() -> None:
    spool = ScriptedSpool(waiting=7)

    stats = await Sweeper(spool, FakeClock(), keep_days=30).sweep_once()

    assert stats == SweepStats(found=3, gone=2, rejected=1, left=4, expired=5, cleaned=6, waiting=7)
    assert spool.asked == ["refresh", "expire", "clean 30"]


async def test_a_queue_of_another_worker_is_left_alone() -> None:
    spool, answers = ScriptedSpool(waiting=7), iter([True, False])

    async def is_ours() -> bool:
        return next(answers)

    sweeper = Sweeper(spool, FakeClock(), is_ours=is_ours)
    await sweeper.sweep_once()
    asked = list(spool.asked)
    assert await sweeper.sweep_once() == SweepStats()

    assert spool.asked == asked
    assert asked


@pytest.mark.parametrize("step", ["refresh", "expire", "clean 30"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad disk"), UnsafePath("a symlink stands there")])
async def test_a_step_that_fails_is_logged_and_keeps_no_other_from_being_done(step: str, error: Exception) -> None:
    spool = ScriptedSpool(errors={step: error})

    with capture_logs() as logs:
        stats = await Sweeper(spool, FakeClock(), keep_days=30).sweep_once()

    assert stats.failed == 1
    assert spool.asked == ["refresh", "expire", "clean 30"]
    assert [event["event"] for event in logs] == ["sweep_failed", "swept"]
    assert logs[0]["error"] == str(error)


@pytest.mark.parametrize(("interval_s", "sweeps", "cleanings"), [(5, 2000, 1), (600, 288, 2)])
async def test_it_sweeps_in_its_interval_whatever_the_disk_does_and_cleans_once_a_day(
    interval_s: float, sweeps: int, cleanings: int
) -> None:
    spool = ScriptedSpool(errors={"refresh": OSError(errno.ENOSPC, "full")}, waiting=1)
    sweeper = Sweeper(spool, FakeClock(), interval_s=interval_s, keep_days=30)

    with anyio.move_on_after(sweeps * interval_s - 1):
        await sweeper.run()

    assert spool.asked.count("expire") == sweeps
    assert spool.asked.count("clean 30") == cleanings


async def test_a_disk_that_refuses_to_end_a_claim_is_not_asked_more_often_than_others() -> None:
    class Needed(ScriptedSpool):
        async def until_needed(self) -> None:
            assert len(self.asked) < 100, "it never stops asking"
            await anyio.lowlevel.checkpoint()

    spool = Needed(left=0)
    with anyio.move_on_after(59):
        await Sweeper(spool, FakeClock(), interval_s=5).run()
    assert spool.asked.count("refresh") == 12


async def test_with_an_unset_clock_it_asks_again_in_minutes_until_somebody_set_it() -> None:
    spool = ScriptedSpool(waiting=1, cleaned=None)
    sweeper = Sweeper(spool, FakeClock(), interval_s=5, keep_days=30)

    with anyio.move_on_after(CLEAN_AGAIN_S + 1):
        await sweeper.run()
    assert spool.asked.count("clean 30") == 2
    assert spool.asked.count("expire") > 20
    spool.cleaned = 6
    with anyio.move_on_after(10 * CLEAN_AGAIN_S):
        await sweeper.run()
    assert spool.asked.count("clean 30") == 3


async def test_a_cleaning_that_the_disk_refused_is_tried_again_in_minutes() -> None:
    spool = ScriptedSpool(errors={"clean 30": OSError(errno.EIO, "bad disk")}, waiting=1)
    sweeper = Sweeper(spool, FakeClock(), interval_s=5, keep_days=30)

    with anyio.move_on_after(2 * CLEAN_AGAIN_S + 1):
        await sweeper.run()
    assert spool.asked.count("clean 30") == 3
    spool.errors.clear()
    with anyio.move_on_after(10 * CLEAN_AGAIN_S):
        await sweeper.run()
    assert spool.asked.count("clean 30") == 4


async def test_with_nothing_waiting_it_sweeps_once_a_minute() -> None:
    spool = ScriptedSpool(left=0)
    with anyio.move_on_after(299):
        await Sweeper(spool, FakeClock(), interval_s=5).run()
    assert spool.asked.count("expire") == 5


@pytest.mark.parametrize("spool", [ScriptedSpool(left=1), ScriptedSpool({"expire": OSError(errno.EIO, "no")}, left=0)])
async def test_what_could_not_be_done_is_tried_again_soon(spool: ScriptedSpool) -> None:
    with anyio.move_on_after(59):
        await Sweeper(spool, FakeClock(), interval_s=5).run()
    assert spool.asked.count("expire") == 12


async def test_a_reply_that_comes_while_it_rests_is_gone_soon_after_its_time() -> None:
    clock = FakeClock()
    spool = MemorySpool(clock, ttl_s=8)
    async with anyio.create_task_group() as group:
        group.start_soon(Sweeper(spool, clock, interval_s=5).run)
        await anyio.sleep(1)
        await spool.put(addendum(), context())
        await anyio.sleep(7)
        assert spool.waiting == 1
        await anyio.sleep(5)
        group.cancel_scope.cancel()

    assert spool.expired == [("clip_a", "ttl")]


async def test_a_waiting_reply_is_gone_soon_after_its_time() -> None:
    clock = FakeClock()
    spool = MemorySpool(clock, ttl_s=300)
    await spool.put(addendum(), context())

    with anyio.move_on_after(299):
        await Sweeper(spool, clock, interval_s=5).run()
    assert spool.waiting == 1
    with anyio.move_on_after(10):
        await Sweeper(spool, clock, interval_s=5).run()

    assert spool.expired == [("clip_a", "ttl")]
