"""One cycle in virtual time: what is written when, and where a reply ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sg_hybrid.cycle import CycleRunner
from sg_hybrid.errors import AiBusy, AiError, AiInvalid, AiRejected, AiUnreachable, AiUsedUp
from sg_hybrid.models import AiAddendum, AiReply
from sg_hybrid.race import CycleLimits, Race
from tests.fake_edges import FakeBundles, FakeGate, FakeScores, FakeTips, ScriptedCoach, reply, session
from tests.fakes import EPOCH, FakeClock, MemorySpool


@dataclass
class Table:
    """A cycle runner over fakes."""

    bundles: FakeBundles = field(default_factory=FakeBundles)
    coach: ScriptedCoach = field(default_factory=ScriptedCoach)
    gate: FakeGate = field(default_factory=FakeGate)
    scores: FakeScores = field(default_factory=FakeScores)
    clock: FakeClock = field(default_factory=FakeClock)
    tips: FakeTips = field(default_factory=FakeTips)
    limits: CycleLimits = field(default_factory=CycleLimits)
    sources: list[str] = field(default_factory=list)
    stop_asked: anyio.Event = field(default_factory=anyio.Event)

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[CycleRunner]:
        self.spool = MemorySpool(self.clock)
        async with anyio.create_task_group() as calls:
            yield CycleRunner(
                bundles=self.bundles,
                spool=self.spool,
                coach=self.coach,
                gate=self.gate,
                clock=self.clock,
                scores=self.scores,
                tips=self.tips,
                limits=self.limits,
                calls=calls,
                stop_asked=self.stop_asked,
                count=self.sources.append,
            )

    def pending(self) -> list[str]:
        return sorted(self.spool.pending)


@pytest.mark.parametrize(
    ("delay", "status", "in_bundle", "in_queue"),
    [
        (0.0, "success", True, False),
        (0.3, "success", True, False),
        (0.499, "success", True, False),
        (0.5, "timeout", False, True),
        (0.501, "timeout", False, True),
        (8.0, "timeout", False, True),
        (29.9, "timeout", False, True),
        (31.0, "timeout", False, False),
    ],
)
async def test_a_reply_is_in_the_bundle_or_in_the_queue_by_its_time(
    delay: float, status: str, in_bundle: bool, in_queue: bool
) -> None:
    table = Table(coach=ScriptedCoach(default=(delay, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    here = table.bundles.bundles[clip]
    assert report.ai_status == status
    assert (here.ai is not None) == in_bundle
    assert (table.pending() == ["clip_a"]) == in_queue
    assert here.coaching is not None


async def test_the_wait_ends_at_the_deadline_and_the_request_goes_on() -> None:
    table = Table(coach=ScriptedCoach(default=(10.0, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(0.5)
        assert runner.open_calls == 1
        await runner.active.quiet()
        assert anyio.current_time() - begin == pytest.approx(10.0)
    assert table.coach.cancelled == 0
    assert table.pending() == ["clip_a"]


async def test_a_late_reply_is_marked_and_timed() -> None:
    table = Table(coach=ScriptedCoach(default=(2.0, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        await runner.run(clip)
    kept = table.spool.pending["clip_a"].addendum
    assert kept.queued is True
    assert kept.queued_at_utc is not None
    assert kept.ai_latency_ms == 2000


async def test_a_call_without_end_is_given_up_after_the_late_window() -> None:
    table = Table(coach=ScriptedCoach(default=(1e6, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        report = await runner.run(clip)
        await runner.active.quiet()
        assert anyio.current_time() - begin == pytest.approx(30.0)
    assert report.ai_status == "timeout"
    assert table.coach.cancelled == 1
    assert table.pending() == []


@pytest.mark.parametrize(
    "error", [AiUnreachable(), AiBusy(), AiInvalid("garbage"), RuntimeError("a bug of a provider")]
)
async def test_an_error_leaves_a_deterministic_bundle(error: Exception) -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, error)))
    clip = table.bundles.add("clip_a")
    with capture_logs() as logs:
        async with table.runner() as runner:
            report = await runner.run(clip)
    here = table.bundles.bundles[clip]
    assert report.ai_status == "error"
    kinds = [line["kind"] for line in logs if line["event"] == "ai_failed"]
    assert kinds == [error.kind if isinstance(error, AiError) else "bug"]
    assert here.coaching is not None
    assert here.settled
    assert here.ai is None
    assert table.pending() == []


async def test_a_day_that_was_used_up_by_others_meanwhile_is_no_error() -> None:
    table = Table(coach=ScriptedCoach(default=(0.0, AiUsedUp())))
    async with table.runner() as runner:
        report = await runner.run(table.bundles.add("clip_a"))
    assert report.ai_status == "not_requested"


async def test_an_error_ends_the_waiting_early() -> None:
    table = Table(coach=ScriptedCoach(default=(0.05, AiUnreachable())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(0.05)


async def test_a_reply_that_says_nothing_is_written_nowhere() -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, AiReply(model_id="simulator:test@latest", confidence=0.9))))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_status == "error"
    assert table.bundles.bundles[clip].ai is None
    assert table.pending() == []


@pytest.mark.parametrize(
    ("gate", "status"),
    [(FakeGate(enabled=False), "disabled"), (FakeGate(key_present=False), "not_requested")],
)
async def test_without_permission_or_key_nobody_is_asked(gate: FakeGate, status: str) -> None:
    table = Table(gate=gate)
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_status == status
    assert table.coach.asked == []
    assert table.bundles.bundles[clip].coaching is not None


async def test_switching_off_sends_a_running_call_to_the_queue() -> None:
    table = Table(coach=ScriptedCoach(default=(0.3, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner, anyio.create_task_group() as group:
        group.start_soon(runner.run, clip)
        await anyio.sleep(0.1)
        table.gate.enabled = False
    assert table.bundles.bundles[clip].ai is None
    assert table.pending() == ["clip_a"]


async def test_the_hint_waits_for_nobody() -> None:
    table = Table(coach=ScriptedCoach(default=(0.4, reply())))
    table.bundles.settle_takes = 5.0
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        await runner.run(clip)
        assert table.bundles.emitted_at[clip] == begin


async def test_an_in_time_reply_waits_for_its_manifest_and_is_still_in_time() -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, reply())))
    table.bundles.settle_takes = 2.0
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_status == "success"
    assert report.ai is not None
    assert report.ai.ai_latency_ms == 100


async def test_the_next_take_of_the_session_gets_the_late_tip_once() -> None:
    table = Table(coach=ScriptedCoach(script={"clip_a": (1.0, reply())}, default=(0.1, AiUnreachable())))
    first, second, third = (table.bundles.add(f"clip_{name}") for name in "abc")
    async with table.runner() as runner:
        await runner.run(first)
        await anyio.sleep(2)
        report = await runner.run(second)
        again = await runner.run(third)
    assert report.applied == "clip_a"
    assert again.applied is None
    queued = table.bundles.bundles[second].queued
    assert queued is not None
    assert b'"clip_id": "clip_a"' in queued
    assert table.pending() == []


@pytest.mark.parametrize(
    "other",
    [
        {"session_id": "00000000-0000-0000-0000-00000000f001"},
        {"program": {"kind": "live", "name": "salsa_minor_Dm"}},
        {"timing_p95_error_ms": 10.0},
    ],
)
async def test_a_tip_that_is_not_relevant_stays_where_it_is(other: dict[str, object]) -> None:
    table = Table(coach=ScriptedCoach(script={"clip_a": (1.0, reply())}, default=(0.1, AiUnreachable())))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b", session(**other))
    async with table.runner() as runner:
        await runner.run(first)
        await anyio.sleep(2)
        report = await runner.run(second)
    assert report.applied is None
    assert table.pending() == ["clip_a"]


@pytest.mark.parametrize(
    ("refuses_for_s", "stop_after_s", "kept_after_s", "tries"),
    [
        (0.0, None, 0.0, 0),
        (3.0, None, 3.5, 3),
        (100.0, None, 108.5, 7),
        (120.0, None, None, 8),
        # Once the worker is to end there is but its grace period: it is tried at once, and again every half second.
        (2.7, 0.0, 3.0, 6),
        (5.7, 5.0, 6.0, 6),
        (100.0, 0.0, None, 8),
    ],
)
async def test_a_late_reply_is_kept_on_a_disk_that_refuses_for_a_while(
    refuses_for_s: float, stop_after_s: float | None, kept_after_s: float | None, tries: int
) -> None:
    table = Table(coach=ScriptedCoach(default=(1.0, reply())))
    clip = table.bundles.add("clip_a")
    with capture_logs() as logs:
        async with table.runner() as runner:
            await runner.run(clip)
            table.spool.broken = OSError(28, "No space left on device") if refuses_for_s else None
            begin = anyio.current_time() + 0.5
            if stop_after_s is not None:
                await anyio.sleep_until(begin + stop_after_s - 0.001)
                table.stop_asked.set()
            await anyio.sleep_until(begin + refuses_for_s)
            table.spool.broken = None
            await runner.active.quiet()
            if kept_after_s is not None:
                assert anyio.current_time() == pytest.approx(begin + kept_after_s, abs=0.002)
    assert [line["event"] for line in logs].count("late_reply_not_kept") == tries
    assert table.pending() == ([] if kept_after_s is None else ["clip_a"])
    if kept_after_s is not None:
        assert table.spool.pending["clip_a"].queued_at == EPOCH + timedelta(seconds=1), "its time began when it came"


async def test_switched_off_nothing_is_applied() -> None:
    table = Table(coach=ScriptedCoach(default=(1.0, reply())))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b")
    async with table.runner() as runner:
        await runner.run(first)
        await anyio.sleep(2)
        table.gate.enabled = False
        report = await runner.run(second)
    assert report.applied is None
    assert table.pending() == ["clip_a"]


async def test_a_tip_that_cannot_be_written_is_given_back() -> None:
    table = Table(coach=ScriptedCoach(default=(1.0, reply())))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b")
    async with table.runner() as runner:
        await runner.run(first)
        await anyio.sleep(2)
        table.bundles.attach_error = OSError(28, "No space left on device")
        report = await runner.run(second)
    assert report.applied is None
    assert "clip_a" in table.pending()


async def test_a_reply_for_a_replaced_take_goes_to_the_queue() -> None:
    table = Table(coach=ScriptedCoach(default=(0.3, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner, anyio.create_task_group() as group:
        group.start_soon(runner.run, clip)
        await anyio.sleep(0.1)
        table.bundles.bundles[clip].take_id = "sha256:" + "1" * 64
    assert table.bundles.bundles[clip].ai is None
    assert table.pending() == ["clip_a"]


async def test_a_reply_that_finds_no_room_in_the_bundle_is_kept_in_the_queue() -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, reply())))
    table.bundles.attach_error = OSError(28, "No space left on device")
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_status == "error"
    assert report.ai is None
    assert table.pending() == ["clip_a"]


async def test_the_same_take_again_writes_nothing_and_asks_nobody() -> None:
    table = Table()
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        await runner.run(clip)
        before = table.bundles.bundles[clip].coaching
        report = await runner.run(clip)
    assert report.ai_status is None
    assert table.bundles.bundles[clip].coaching is before
    assert table.coach.asked == ["clip_a"]


async def test_calls_beyond_the_limit_are_not_made() -> None:
    table = Table(coach=ScriptedCoach(default=(5.0, reply())), limits=CycleLimits(max_open_calls=2))
    clips = [table.bundles.add(f"clip_{number}") for number in range(4)]
    async with table.runner() as runner, anyio.create_task_group() as group:
        for clip in clips:
            group.start_soon(runner.run, clip)
    assert len(table.coach.asked) == 2
    assert all(here.coaching for here in table.bundles.bundles.values())


async def test_a_take_whose_call_is_not_made_waits_for_none() -> None:
    table = Table(limits=CycleLimits(max_open_calls=0), tips=FakeTips(left=1))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b")
    async with table.runner() as runner:
        begin = anyio.current_time()
        reports = [await runner.run(clip) for clip in (first, second)]
        assert anyio.current_time() == begin
    assert [report.ai_origin for report in reports] == ["prepared", None]


async def test_bad_input_is_reported_and_the_next_take_goes_on() -> None:
    table = Table()
    bad, good = table.bundles.add("clip_bad"), table.bundles.add("clip_good")
    table.bundles.refuse = {bad: "session.json: bpm: not a number"}
    async with table.runner() as runner:
        report = await runner.run(bad)
        assert report.error == "session.json: bpm: not a number"
        assert (await runner.run(good)).ai_status == "success"


async def test_a_thousand_races_lose_and_double_nothing() -> None:
    table = Table(limits=CycleLimits(max_open_calls=2000))
    delays = {f"clip_{n}": (0.499, 0.501, 0.1, 20.0, 0.5)[n % 5] for n in range(1000)}
    table.coach.script = {clip: (delay, reply()) for clip, delay in delays.items()}
    sessions = [session(session_id=f"00000000-0000-0000-0000-{n:012d}") for n in range(1000)]
    clips = [table.bundles.add(name, record) for name, record in zip(delays, sessions, strict=True)]
    async with table.runner() as runner, anyio.create_task_group() as group:
        for clip in clips:
            group.start_soon(runner.run, clip)
    in_bundle = {path.name for path, here in table.bundles.bundles.items() if here.ai}
    in_queue = set(table.pending())
    assert in_bundle | in_queue == set(delays)
    assert not in_bundle & in_queue
    assert in_bundle == {clip for clip, delay in delays.items() if delay < 0.5}


def _addendum() -> AiAddendum:
    return AiAddendum(
        schema_id="coaching_ai_addendum",
        schema_version="v1",
        clip_id="c",
        ai_available=True,
        ai_latency_ms=1,
        model_id="a:b@c",
        coaching_tip="x",
    )


@given(st.lists(st.tuples(st.sampled_from(["offer", "close", "give up"]), st.floats(0, 2)), max_size=8))
def test_a_race_is_decided_once_whatever_the_order(steps: list[tuple[str, float]]) -> None:
    race, decisions = Race(1.0), 0
    for step, now in steps:
        was_open = not race.decided.is_set()
        if step == "offer":
            accepted = race.offer(_addendum(), now)
            assert accepted == (was_open and now < 1.0)
        elif step == "close":
            race.close()
        else:
            race.give_up(AiUnreachable())
        decisions += was_open and race.decided.is_set()
    assert decisions <= 1
    assert not (race.won and race.failed)


async def test_the_trend_follows_the_session(tmp_path: Path) -> None:
    table = Table(gate=FakeGate(enabled=False))
    weak = table.bundles.add("clip_a", session(timing_p95_error_ms=60.0))
    good = table.bundles.add("clip_b", session(timing_p95_error_ms=10.0))
    async with table.runner() as runner:
        first, second = await runner.run(weak), await runner.run(good)
    assert first.coaching is not None
    assert second.coaching is not None
    assert first.coaching.score_trend is None
    assert second.coaching.score_trend == second.coaching.score - first.coaching.score


async def test_a_prepared_tip_stands_in_for_a_live_one_that_is_late() -> None:
    table = Table(coach=ScriptedCoach(default=(2.0, reply())), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        report = await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(0.45)
    here = table.bundles.bundles[clip]
    assert (report.ai_status, report.ai_origin, here.origin) == ("success", "prepared", "prepared")
    assert here.ai is not None
    assert (here.ai.coaching_tip, here.ai.ai_latency_ms) == ("Prepared.", 450)
    assert table.pending() == ["clip_a"], "the live reply may serve the next take"
    assert table.sources == ["prepared"]


@pytest.mark.parametrize(("deadline_s", "taken_after_s"), [(0.3, 0.25), (0.04, 0.0), (2.0, 0.45)])
async def test_a_prepared_tip_is_taken_before_any_deadline(deadline_s: float, taken_after_s: float) -> None:
    table = Table(coach=ScriptedCoach(default=(9.0, reply())), tips=FakeTips(left=1), limits=CycleLimits(deadline_s))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        report = await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(taken_after_s)
    assert (report.ai_status, report.ai_origin) == ("success", "prepared")


@pytest.mark.parametrize("deadline_s", [0.04, 0.3, 2.0])
async def test_without_a_prepared_tip_a_live_one_has_until_the_deadline(deadline_s: float) -> None:
    table = Table(coach=ScriptedCoach(default=(9.0, reply())), limits=CycleLimits(deadline_s))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(deadline_s)


async def test_a_live_reply_in_time_wins_over_a_prepared_one() -> None:
    table = Table(coach=ScriptedCoach(default=(0.4, reply())), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_origin == "live"
    assert table.tips.left == 1
    assert table.sources == ["live"]


async def test_an_error_takes_the_prepared_tip_at_once() -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, AiUnreachable())), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        begin = anyio.current_time()
        report = await runner.run(clip)
        assert anyio.current_time() - begin == pytest.approx(0.1)
    assert (report.ai_status, report.ai_origin) == ("success", "prepared")


async def test_beyond_the_days_limit_prepared_tips_are_still_good() -> None:
    table = Table(gate=FakeGate(within_limits=False), tips=FakeTips(left=1))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b")
    async with table.runner() as runner:
        assert (await runner.run(first)).ai_status == "success"
        assert (await runner.run(second)).ai_status == "not_requested"
    assert table.coach.asked == []
    assert table.sources == ["prepared", "none"]


@pytest.mark.parametrize("gate", [FakeGate(enabled=False), FakeGate(key_present=False)])
async def test_without_permission_or_key_no_prepared_tip_is_shown(gate: FakeGate) -> None:
    table = Table(gate=gate, tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai is None
    assert table.tips.left == 1


async def test_an_early_tip_counts_if_the_whole_reply_is_late() -> None:
    table = Table(coach=ScriptedCoach(default=(1.2, reply()), tip_after={"clip_a": 0.3}), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_origin == "live"
    assert report.ai is not None
    assert (report.ai.coaching_tip, report.ai.confidence, report.ai.ai_latency_ms) == (reply().coaching_tip, None, 300)
    assert table.pending() == [], "its tip stands in the bundle already"
    assert table.tips.left == 1


def test_a_late_reply_to_a_race_that_nobody_closed_yet_does_not_wait_beside_its_early_tip() -> None:
    """The process was frozen: the whole reply is looked at before the deadline is."""
    race, whole = Race(closes_at=0.5), _addendum()
    tip = whole.model_copy(update={"confidence": None})
    race.offer_early(tip, 0.2)
    assert not race.offer(whole, 1.9)
    assert race.won is tip
    assert race.has_shown_early(whole)


def test_a_late_reply_without_early_tip_closes_the_race_with_nothing() -> None:
    race, whole = Race(closes_at=0.5), _addendum()
    assert not race.offer(whole, 0.5)
    assert race.decided.is_set()
    assert race.won is None
    assert not race.has_shown_early(whole)


def test_an_early_tip_at_the_deadline_is_late() -> None:
    """The process was frozen: the tip is looked at before the deadline is."""
    race = Race(closes_at=0.5)
    race.offer_early(_addendum(), 0.5)
    race.close()
    assert race.won is None


@pytest.mark.parametrize("how", ["offer", "offer late", "close", "withdraw"])
def test_a_prepared_tip_comes_too_late_for_a_race_that_is_won_or_closed(how: str) -> None:
    race, live = Race(closes_at=0.5), _addendum()
    if how.startswith("offer"):
        race.offer(live, 0.4 if how == "offer" else 0.5)
    elif how == "close":
        race.close()
    else:
        race.withdraw()
    race.settle_for(_addendum())
    assert (race.won, race.origin) == (live if how == "offer" else None, "live")


async def test_a_host_that_stops_waiting_for_a_cycle_leaves_no_tip_half_way() -> None:
    table = Table(coach=ScriptedCoach(script={"clip_a": (1.0, reply()), "clip_b": (0.1, reply())}))
    first, second = table.bundles.add("clip_a"), table.bundles.add("clip_b")
    async with table.runner() as runner:
        await runner.run(first)
        await runner.active.quiet()
        table.bundles.settle_takes = 1.0
        with anyio.move_on_after(0.5):
            await runner.run(second)
    here = table.bundles.bundles[second]
    assert here.ai is not None
    assert here.queued is not None
    assert (table.pending(), table.spool.claimed) == ([], {})


async def test_a_reply_that_comes_while_switched_off_is_not_shown_early_when_switched_on_again() -> None:
    coach = ScriptedCoach(default=(0.3, reply()), tip_after={"clip_a": 0.1})
    table = Table(coach=coach, bundles=FakeBundles(settle_takes=0.45))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner, anyio.create_task_group() as group:
        group.start_soon(runner.run, clip)
        await anyio.sleep(0.2)
        table.gate.enabled = False
        await anyio.sleep(0.2)
        table.gate.enabled = True
    assert table.bundles.bundles[clip].ai is None
    assert table.pending() == ["clip_a"]


async def test_a_prepared_tip_is_not_used_up_once_the_ai_is_switched_off() -> None:
    table = Table(coach=ScriptedCoach(default=(1.2, reply())), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner, anyio.create_task_group() as group:
        group.start_soon(runner.run, clip)
        await anyio.sleep(0.2)
        table.gate.enabled = False
    assert table.bundles.bundles[clip].ai is None
    assert table.tips.left == 1


async def test_a_whole_reply_in_time_is_better_than_its_early_tip() -> None:
    table = Table(coach=ScriptedCoach(default=(0.48, reply()), tip_after={"clip_a": 0.3}))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai is not None
    assert report.ai.confidence == 0.5


@pytest.mark.parametrize(
    ("ends_at", "error", "origin", "left"),
    [
        (0.2, AiRejected("timing_insight: early"), "prepared", 0),
        (0.2, AiInvalid(), "prepared", 0),
        (0.47, AiInvalid(), "prepared", 0),
        (0.2, AiUnreachable(), "live", 1),
        (0.6, AiInvalid(), "live", 1),
    ],
)
async def test_an_early_tip_is_not_shown_if_its_whole_reply_is_known_to_be_unusable(
    ends_at: float, error: AiError, origin: str, left: int
) -> None:
    coach = ScriptedCoach(default=(ends_at, error), tip_after={"clip_a": 0.1})
    table = Table(coach=coach, tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert (report.ai_origin, table.tips.left) == (origin, left)
    assert table.pending() == []


async def test_a_tip_that_comes_too_late_for_early_is_late() -> None:
    table = Table(coach=ScriptedCoach(default=(1.2, reply()), tip_after={"clip_a": 0.5}))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        report = await runner.run(clip)
    assert report.ai_status == "timeout"
    assert table.pending() == ["clip_a"]


async def test_a_prepared_tip_for_a_replaced_take_is_not_queued() -> None:
    table = Table(coach=ScriptedCoach(default=(0.1, AiUnreachable())), tips=FakeTips(left=1))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner, anyio.create_task_group() as group:
        group.start_soon(runner.run, clip)
        await anyio.sleep(0.05)
        table.bundles.bundles[clip].take_id = "sha256:" + "1" * 64
    assert table.bundles.bundles[clip].ai is None
    assert table.pending() == []


async def test_of_a_cycle_that_ends_badly_nothing_is_left() -> None:
    table = Table(gate=FakeGate(enabled=False))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        table.bundles.settle_error = FileNotFoundError(2, "vanished under its hint")
        first = await runner.run(clip)
        table.bundles.settle_error = None
        with anyio.fail_after(1):
            second = await runner.run(clip)
        assert runner.active.count == 0
    assert first.error is not None
    assert second.error is None


async def test_a_take_that_comes_again_since_it_could_not_be_settled_is_asked_for_once() -> None:
    table = Table(tips=FakeTips(left=5), coach=ScriptedCoach(default=(0.1, reply())))
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        table.bundles.settle_error = OSError(28, "No space left on device")
        for _ in range(3):
            assert (await runner.run(clip)).error is not None
            await runner.active.quiet()
        table.bundles.settle_error = None
        last = await runner.run(clip)
        await runner.active.quiet()
    assert table.coach.asked == ["clip_a"]
    assert table.tips.left == 5
    assert (last.error, last.ai_status) == (None, "not_requested")


async def test_a_gate_that_breaks_leaves_no_cycle_that_others_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    clip = table.bundles.add("clip_a")
    async with table.runner() as runner:
        with monkeypatch.context() as patch:
            patch.setattr(table.gate, "state", lambda: 1 / 0)
            with pytest.raises(ExceptionGroup):
                await runner.run(clip)
        with anyio.fail_after(40):
            await runner.run(clip)
        assert runner.active.count == 0
