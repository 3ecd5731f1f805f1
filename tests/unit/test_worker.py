"""The worker's life in virtual time: readiness, order, what happens at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from sg_hybrid.errors import BundleRefused
from sg_hybrid.one_processor import MANY, MOST_S, OneProcessor
from sg_hybrid.parts import Parts
from sg_hybrid.race import CycleLimits
from sg_hybrid.worker import Worker
from tests.fake_edges import (
    FakeBundles,
    FakeGate,
    FakeIntake,
    FakeLedger,
    FakeScores,
    FakeTips,
    NoSweeper,
    ScriptedCoach,
    reply,
    session,
)
from tests.fakes import FakeClock, MemorySpool


@dataclass(frozen=True, slots=True)
class FakeParts(Parts):
    """Parts whose edges tests can look into."""

    bundles: FakeBundles
    spool: MemorySpool
    coach: ScriptedCoach
    intake: FakeIntake


def parts(
    *,
    bundles: FakeBundles | None = None,
    coach: ScriptedCoach | None = None,
    gate: FakeGate | None = None,
    intake: FakeIntake | None = None,
) -> FakeParts:
    clock = FakeClock()
    return FakeParts(
        bundles=bundles or FakeBundles(),
        spool=MemorySpool(clock),
        coach=coach or ScriptedCoach(),
        gate=gate or FakeGate(),
        clock=clock,
        scores=FakeScores(),
        intake=intake or FakeIntake(),
        sweeper=NoSweeper(),
        tips=FakeTips(),
        ledger=FakeLedger(),
        limits=CycleLimits(),
        grace_s=5.0,
    )


async def test_takes_of_one_session_are_coached_in_order_and_sessions_side_by_side() -> None:
    bundles = FakeBundles(emit_takes=1.0)
    batch = [bundles.add(f"a{n}") for n in range(3)]
    batch += [bundles.add("b", session(session_id="00000000-0000-0000-0000-00000000f001"))]
    async with Worker.opened(parts(bundles=bundles, gate=FakeGate(enabled=False))) as worker:
        begin = anyio.current_time()
        await worker.dispatch(batch)
        await worker.runner.active.quiet()
    times = {path.name: round(at - begin) for path, at in bundles.emitted_at.items()}
    assert times == {"a0": 1, "a1": 2, "a2": 3, "b": 1}


class SpiedProcessor(OneProcessor):
    """Notes when the threads were on one processor."""

    def __init__(self) -> None:
        super().__init__(ours=False)
        self.times: list[tuple[float, float]] = []
        self._since: float | None = None

    def gather(self) -> bool:
        if self._since is not None:
            return False
        self._since = anyio.current_time()
        return True

    def let_go(self) -> None:
        if self._since is not None:
            self.times.append((self._since, anyio.current_time()))
            self._since = None


@pytest.mark.parametrize(
    ("sessions", "hint_takes", "together_s"),
    [(MANY, 1.0, 1.0), (MANY - 1, 1.0, 2.0), (1, 0.05, 0.05 * MANY), (1, 1.0, MOST_S)],
)
async def test_many_takes_at_once_are_coached_on_one_processor_until_their_hints_are_out_but_not_for_long(
    sessions: int, hint_takes: float, together_s: float
) -> None:
    made, spy = parts(bundles=FakeBundles(emit_takes=hint_takes), gate=FakeGate(enabled=False)), SpiedProcessor()
    takes = [made.bundles.add(f"a{n}", session(session_id=UUID(int=n % sessions + 1))) for n in range(MANY)]
    async with Worker.opened(replace(made, processor=spy)) as worker:
        begin = anyio.current_time()
        await worker.dispatch(takes)
        await worker.runner.active.quiet()
        await anyio.sleep(MOST_S)
    assert spy.times == [pytest.approx((begin, begin + together_s))]


async def test_at_the_end_the_threads_get_their_processors_back() -> None:
    made, spy = parts(bundles=FakeBundles(emit_takes=20.0), gate=FakeGate(enabled=False)), SpiedProcessor()
    takes = [made.bundles.add(f"a{n}", session(session_id=UUID(int=n + 1))) for n in range(MANY)]
    async with Worker.opened(replace(made, processor=spy)) as worker:
        await worker.dispatch(takes)
        worker.life.stop()
        worker.life.stop()
    assert len(spy.times) == 1


async def test_fewer_takes_are_coached_wherever_they_come() -> None:
    made, spy = parts(gate=FakeGate(enabled=False)), SpiedProcessor()
    takes = [made.bundles.add(f"a{n}", session(session_id=UUID(int=n + 1))) for n in range(MANY - 1)]
    async with Worker.opened(replace(made, processor=spy)) as worker:
        await worker.dispatch(takes)
        await worker.runner.active.quiet()
    assert spy.times == []


async def test_watching_coaches_what_comes_and_ends_when_told() -> None:
    bundles = FakeBundles()
    intake = FakeIntake([[bundles.add("a")], [bundles.add("b"), bundles.add("c")]])
    async with (
        Worker.opened(parts(bundles=bundles, intake=intake)) as worker,
        anyio.create_task_group() as group,
    ):
        await group.start(worker.watch)
        await anyio.sleep(2)
        worker.life.stop()
    assert all(here.ai for here in bundles.bundles.values())


async def test_an_end_waits_for_a_late_reply_within_the_grace_period() -> None:
    made = parts(coach=ScriptedCoach(default=(4.0, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
    assert sorted(made.spool.pending) == ["a"]


async def test_an_end_does_not_cut_off_a_late_reply_that_is_being_kept() -> None:
    class Slow(MemorySpool):
        async def put(self, *reply: Any) -> None:
            await anyio.sleep(1.0)
            await super().put(*reply)

    clock = FakeClock()
    made = replace(parts(coach=ScriptedCoach(default=(4.8, reply()))), clock=clock, spool=Slow(clock))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
    assert sorted(made.spool.pending) == ["a"]


async def test_nobody_is_asked_any_more_about_a_hint_that_comes_out_during_the_end() -> None:
    made = parts(bundles=FakeBundles(emit_takes=1.0))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.5)
        worker.life.stop()
    assert made.bundles.bundles[clip].settled
    assert made.coach.asked == []


async def test_an_end_waits_no_longer_than_the_grace_period() -> None:
    made = parts(coach=ScriptedCoach(default=(20.0, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
        begin = anyio.current_time()
    assert anyio.current_time() - begin == pytest.approx(5.0)
    assert made.coach.cancelled == 1
    assert made.bundles.bundles[clip].settled


async def test_a_live_take_comes_after_those_of_its_session_that_a_scan_found() -> None:
    bundles = FakeBundles(emit_takes=1.0)
    found = [bundles.add(f"a{number}") for number in range(4)]
    other = bundles.add("b", session(session_id=UUID(int=7)))
    live = bundles.add("a4")
    async with Worker.opened(parts(bundles=bundles, gate=FakeGate(enabled=False))) as worker:
        await worker.dispatch(found)
        await anyio.sleep(0.5)
        await worker.dispatch([live])
        await worker.dispatch([other])
        await worker.quiet()
        again = bundles.add("a5")
        begin = anyio.current_time()
        await worker.dispatch([again])
        await worker.quiet()
    when = [bundles.emitted_at[bundle] for bundle in (*found, live)]
    assert when == sorted(when)
    assert bundles.emitted_at[other] < when[1]  # nobody else's hint waits
    assert bundles.emitted_at[again] == pytest.approx(begin + 1.0)


async def test_a_take_comes_after_a_lone_one_of_its_session_that_is_slow() -> None:
    bundles = FakeBundles(emit_takes=1.0)
    slow, next_one = bundles.add("a0"), bundles.add("a1")
    async with Worker.opened(parts(bundles=bundles, gate=FakeGate(enabled=False))) as worker:
        assert worker.takes_lone_takes()
        await worker.dispatch([slow])
        assert not worker.takes_lone_takes()
        await anyio.sleep(0.5)
        await worker.dispatch([next_one])
        await worker.quiet()
        assert worker.takes_lone_takes()
    assert bundles.emitted_at[next_one] == pytest.approx(bundles.emitted_at[slow] + 1.0)


@pytest.mark.parametrize(("hint_after_s", "next_after_s"), [(0.01, 0.01), (3.0, 0.05)])
async def test_a_take_comes_after_one_that_a_thread_has_in_hand_but_does_not_wait_for_a_slow_disk(
    hint_after_s: float, next_after_s: float
) -> None:
    bundles = FakeBundles()
    following, third = bundles.add("b"), bundles.add("c")
    in_hand = Path("bundles/a")
    async with Worker.opened(parts(bundles=bundles, gate=FakeGate(enabled=False))) as worker:
        begin = anyio.current_time()
        worker.in_hand[in_hand] = None

        async def hint() -> None:
            await anyio.sleep(hint_after_s)
            del worker.in_hand[in_hand]
            worker.let_go(in_hand)

        async with anyio.create_task_group() as group:
            group.start_soon(hint)
            await worker.dispatch([following])
            await worker.dispatch([third])
            await worker.runner.active.quiet()
        assert worker.takes_lone_takes()
    times = {path.name: at - begin for path, at in bundles.emitted_at.items()}
    assert times == {"b": pytest.approx(next_after_s), "c": pytest.approx(next_after_s)}


async def test_one_request_to_stop_does_not_hurry() -> None:
    """What SIGTERM does: the request, then the end of the block."""
    made = parts(coach=ScriptedCoach(default=(4.0, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
        worker.life.stop()
    assert sorted(made.spool.pending) == ["a"]


async def test_an_end_that_comes_before_the_folders_are_watched_is_clean() -> None:
    class Slow(FakeIntake):
        @asynccontextmanager
        async def watch(self) -> AsyncIterator[AsyncIterator[Sequence[Path]]]:
            await anyio.sleep(60)
            async with super().watch() as batches:
                yield batches

    async with Worker.opened(parts(intake=Slow())) as worker, anyio.create_task_group() as group:
        begin = anyio.current_time()
        group.start_soon(_stop_after, worker, 1.0)
        await worker.start(worker.watch)
        assert anyio.current_time() == begin + 1.0


async def _stop_after(worker: Worker, seconds: float) -> None:
    await anyio.sleep(seconds)
    worker.life.stop()


async def test_a_second_request_to_stop_does_not_wait() -> None:
    made = parts(coach=ScriptedCoach(default=(20.0, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
        worker.life.stop()
        worker.life.stop()
        begin = anyio.current_time()
    assert anyio.current_time() == begin


async def test_cancelling_the_host_still_finishes_the_writes() -> None:
    bundles = FakeBundles(settle_takes=1.0)
    made = parts(bundles=bundles, gate=FakeGate(enabled=False))
    clip = bundles.add("a")
    with anyio.move_on_after(0.5):
        async with Worker.opened(made) as worker:
            await worker.dispatch([clip])
            await anyio.sleep_forever()
    assert bundles.bundles[clip].settled


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_end_writes_the_session_index_and_the_days_figures(cancelled: bool) -> None:
    written: list[str] = []

    class SlowScores(FakeScores):
        async def flush(self) -> bool:
            await anyio.sleep(1.0)
            written.append("index")
            return True

    class SlowLedger(FakeLedger):
        async def save(self) -> None:
            await anyio.sleep(1.0)
            written.append("figures")

    made = replace(parts(), scores=SlowScores(), ledger=SlowLedger())
    with anyio.CancelScope() as host:
        async with Worker.opened(made):
            if cancelled:
                host.cancel()
    assert written == ["index", "figures"]


async def test_so_many_takes_at_once_wait_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_hybrid.worker.MAX_AT_ONCE", 5)
    made = parts(bundles=FakeBundles(emit_takes=0.1))
    clips = [made.bundles.add(f"clip_{n}", session(session_id=UUID(int=n + 1))) for n in range(50)]
    most = 0
    async with Worker.opened(made) as worker, anyio.create_task_group() as group:
        group.start_soon(worker.dispatch, clips)
        while any(made.bundles.bundles[clip].coaching is None for clip in clips):
            await anyio.sleep(0.05)
            most = max(most, worker.runner.active.count)
    assert 5 <= most <= 15, "a group, its cycle and its call count as three"


async def test_takes_that_come_during_the_end_are_left_for_the_next_start() -> None:
    made = parts()
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        worker.life.stop()
        await worker.dispatch([clip])
    assert made.bundles.bundles[clip].coaching is None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("a bug")])
async def test_one_failing_bundle_stops_nothing_and_comes_again(error: Exception) -> None:
    class Failing(FakeBundles):
        async def coach(self, bundle: Path, *how: Any) -> Any:
            if bundle.name == "bad":
                raise error
            return await super().coach(bundle, *how)

    made = parts(bundles=Failing())
    bad, good = made.bundles.add("bad"), made.bundles.add("good")
    async with Worker.opened(made) as worker:
        await worker.dispatch([bad, good])
        await worker.runner.active.quiet()
    assert made.bundles.bundles[good].coaching is not None
    assert made.intake.forgotten == ([bad] if isinstance(error, OSError) else [])


async def test_a_take_that_could_not_be_made_durable_comes_again() -> None:
    made = parts(bundles=FakeBundles(settle_error=OSError(28, "No space left on device")))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await worker.runner.active.quiet()
    assert made.intake.forgotten == [clip]


async def test_a_refused_take_is_put_aside_until_its_bundle_changes() -> None:
    class Refusing(FakeBundles):
        async def coach(self, bundle: Path, *how: Any) -> Any:
            raise BundleRefused("manifest.json: not JSON")

    made = parts(bundles=Refusing())
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await worker.runner.active.quiet()
    assert (made.intake.put_aside, made.intake.forgotten) == ([clip], [])


async def test_a_bundle_that_is_gone_is_no_error() -> None:
    made = parts()
    async with Worker.opened(made) as worker:
        await worker.dispatch([Path("bundles/gone")])
        await worker.runner.active.quiet()
    assert made.intake.forgotten == []


async def test_a_take_that_comes_again_while_its_manifest_cannot_be_written_is_asked_about_once() -> None:
    made = parts(bundles=FakeBundles(settle_error=OSError("disk full")), coach=ScriptedCoach(default=(0.2, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(worker.coach_clip, clip)
            await anyio.sleep(0.05)
    assert len(made.coach.asked) == 1


async def test_coach_clip_returns_the_report_of_the_cycle_that_runs_already() -> None:
    made = parts(coach=ScriptedCoach(default=(0.3, reply())))
    clip = made.bundles.add("a")
    async with Worker.opened(made) as worker:
        await worker.dispatch([clip])
        await anyio.sleep(0.1)
        report = await worker.coach_clip(clip)
    assert report.ai_status == "success"
    assert made.coach.asked == ["a"]


async def test_an_error_of_the_host_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Worker.opened(parts()):
            raise KeyError("mine")
