"""What happens to a worker, as small plays that end by themselves. `arrange` makes what was there before (it counts as
safely on the disk), `act` is the run in which something goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import structlog

from sg_hybrid.errors import QueueHeld
from sg_hybrid.models import Origin
from sg_hybrid.queue_entry import entry_bytes
from sg_hybrid.queue_tools import expire_ids, requeue
from sg_hybrid.switch import set_mode
from tests.fakes import EPOCH
from tests.late_replies import OTHER_SESSION, queued

from . import inputs
from .setups import Act, claimed, coach_everything, lived, waiting
from .stage import Stage, tip_of, write

ALMOST_OVER: Final = EPOCH - timedelta(seconds=295)
"""When a reply was queued that may wait five seconds more."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One play. Sets name clips."""

    name: str
    about: str
    arrange: Callable[[Stage], None]
    act: Act
    in_time: frozenset[str] = frozenset()
    """Whose live replies may stand in their bundle."""
    origin: Origin = "live"
    """Of the tips that were in time."""
    never_shown: frozenset[str] = frozenset()
    """Whose replies may not stand in a later take's bundle."""
    later_s: float = 2.0
    """How much later the restart is, in seconds of the stage's clock."""


# A take arrives


def _one_take(stage: Stage) -> None:
    stage.take("a")


async def _coach_a_offline(stage: Stage) -> None:
    async with stage.worker(ai_enabled=False) as worker:
        await stage.coach(worker, "a")


async def _coach_a_in_time(stage: Stage) -> None:
    async with stage.worker({"a": "now"}) as worker:
        await stage.coach(worker, "a")


async def _coach_a_late(stage: Stage) -> None:
    async with stage.worker({"a": "late"}) as worker:
        await stage.coach(worker, "a")


def _two_takes(stage: Stage) -> None:
    stage.take("a")
    stage.take("b", timing_p95_error_ms=31.0)


def _one_now_one_later(stage: Stage) -> None:
    stage.take("a")
    stage.generated("b")
    stage.coming("b", timing_p95_error_ms=31.0)


async def _late_then_next(stage: Stage) -> None:
    async with stage.worker({"a": "late"}) as worker:
        await stage.coach(worker, "a", "b")


def _three_wait(stage: Stage) -> None:
    stage.take("b")
    waiting(stage, "old")
    waiting(stage, "other", session_id=OTHER_SESSION)


async def _coach_b(stage: Stage) -> None:
    async with stage.worker() as worker:
        await stage.coach(worker, "b")


def _coached_in_time(stage: Stage) -> None:
    stage.take("a")
    waiting(stage, "old")
    lived(stage, _coach_a_in_time)
    stage.coming("a", timing_p95_error_ms=15.0, late_events=0)


async def _new_take(stage: Stage) -> None:
    stage.arrive("a")
    async with stage.worker() as worker:
        await stage.coach(worker, "a")


def _waits_already(stage: Stage) -> None:
    stage.take("a")
    waiting(stage, "a", EPOCH - timedelta(seconds=60), more=" It was the first.")


# Time, switch, bad entries


def _almost_over(stage: Stage) -> None:
    stage.take("b")
    for clip in ("old", "older"):
        waiting(stage, clip, ALMOST_OVER)


async def _expire(stage: Stage) -> None:
    async with stage.worker() as worker:
        stage.clock.advance(10.0)
        await worker._sweeper.sweep_once()
        await stage.coach(worker, "b")
        await worker._sweeper.sweep_once()


def _bad_entries(stage: Stage) -> None:
    stage.take("b")
    waiting(stage, "good")
    for clip, content in {
        "broken": b'{"schema_id": ',
        "empty": b"",
        "liar": entry_bytes(queued("else", EPOCH)),
    }.items():
        write(stage.queue / "pending" / f"{clip}_ai_addendum.json", content, 0o600)


async def _sweep_and_coach_b(stage: Stage) -> None:
    async with stage.worker() as worker:
        await worker._sweeper.sweep_once()
        await stage.coach(worker, "b")


async def _toggle(stage: Stage) -> None:
    async with stage.worker({"a": "now", "b": "now"}) as worker:
        await anyio.to_thread.run_sync(_switch, stage, "off")
        await stage.coach(worker, "a")
        await anyio.to_thread.run_sync(_switch, stage, "on")
        await stage.coach(worker, "b")


def _switch(stage: Stage, mode: str) -> None:
    """Another process's command; its disk trouble is its own."""
    for _ in range(2):
        try:
            set_mode(stage.queue, mode, EPOCH)  # type: ignore[arg-type]
        except OSError:
            continue
        return


def _rejected(stage: Stage) -> None:
    waiting(stage, "old")
    waiting(stage, "older")
    lived(stage, _only_start)
    write(
        stage.queue / "rejected" / "back_ai_addendum.json",
        entry_bytes(queued("back", EPOCH, coaching_tip=tip_of("back"))),
        0o600,
    )
    write(stage.queue / "rejected" / "back_ai_addendum.json.why", b"a reason\n", 0o600)


async def _by_hand(stage: Stage) -> None:
    """What the queue commands do beside a worker."""
    async with stage.worker():
        _log.info("reply_expired", clip="older", reason="by hand")  # the command says it on its terminal
        for change in (lambda: requeue(stage.queue, ["back"], EPOCH), lambda: expire_ids(stage.queue, ["older"])):
            for _ in range(2):  # a command that failed is given again
                with suppress(OSError):
                    await anyio.to_thread.run_sync(change)
                    break


# Starts and ends


async def _only_start(stage: Stage) -> None:
    async with stage.worker() as worker:
        await worker._sweeper.sweep_once()


def _crashed(stage: Stage) -> None:
    """Every state that a crash may leave, at once."""
    for clip in ("a", "b", "c"):
        stage.take(clip, session_id=f"{ord(clip):04d}8400-e29b-41d4-a716-446655440000")
    lived(stage, coach_everything)
    claimed(stage, "shown", "a", shown=True)
    claimed(stage, "unshown", "b")
    claimed(stage, "unknown", None)
    twin = claimed(stage, "twin", "c", shown=True)
    write(stage.queue / "applied" / "twin_ai_addendum.json", twin, 0o600)
    for folder in ("pending", "claimed", "applied", "context", "rejected", "prepared"):
        write(stage.queue / folder / ".x_ai_addendum.json.1-1.tmp", b"{", 0o600)
    write(stage.queue / "context" / "orphan.json", b"{}", 0o600)
    os.unlink(stage.bundle("c") / "manifest.json")
    stage.generated("c")


async def _restart(stage: Stage) -> None:
    async with stage.worker() as worker:
        await stage.scan(worker)


async def _two_workers(stage: Stage) -> None:
    async with stage.worker(ai_enabled=False) as worker:
        try:
            async with stage.worker(ai_enabled=False):
                raise RuntimeError("two workers on one queue")
        except (QueueHeld, OSError):
            pass
        await stage.coach(worker, "a")
    stage.arrive("b")
    await coach_everything(stage)


async def _end_with_open_calls(stage: Stage) -> None:
    async with stage.worker({"a": "stop", "b": "never"}, reply_deadline_ms=20) as worker:
        await stage.coach(worker, "a", "b")


_A: Final = frozenset({"a"})

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("take", "a take arrives, the AI is off", _one_take, _coach_a_offline),
        Scenario("in-time", "the AI answers in time", _one_take, _coach_a_in_time, in_time=_A),
        Scenario("late", "the AI answers late", _one_take, _coach_a_late),
        Scenario("late-next", "a late reply is applied to the next take", _two_takes, _late_then_next),
        Scenario(
            "applied",
            "a reply of this session and one of another wait when a take comes",
            _three_wait,
            _coach_b,
            never_shown=frozenset({"other"}),
        ),
        Scenario("new-take", "a new take on a clip that has AI files", _coached_in_time, _new_take, in_time=_A),
        Scenario("superseded", "a second late reply of one clip", _waits_already, _coach_a_late),
        Scenario(
            "expiry",
            "replies run out of time while the worker runs",
            _almost_over,
            _expire,
            never_shown=frozenset({"old", "older"}),
            later_s=20.0,
        ),
        Scenario("rejection", "three bad entries wait beside a good one", _bad_entries, _sweep_and_coach_b),
        Scenario("toggle", "the AI is switched off and on", _two_takes, _toggle, in_time=frozenset({"b"})),
        Scenario("by-hand", "requeue and expire beside the worker", _rejected, _by_hand),
        Scenario("recovery", "a start finds every state that a crash may leave", _crashed, _restart),
        Scenario(
            "two-workers", "a second worker on the queue, then one after the other", _one_now_one_later, _two_workers
        ),
        Scenario("open-calls", "the end comes while calls are open", _two_takes, _end_with_open_calls),
        Scenario(
            "bad-take", "a take that cannot be read, then a corrected one", inputs.bad_take, inputs.refuse_then_coach
        ),
        Scenario("broken-index", "the day's index cannot be read", inputs.broken_index, coach_everything),
        Scenario(
            "prepared",
            "a prepared tip is shown, the live reply is late",
            inputs.tips_but_one,
            inputs.prepared,
            in_time=_A,
            origin="prepared",
        ),
        Scenario("take-mid", "takes come as MIDI, one over an earlier one", inputs.midi_takes, inputs.coach_midi),
        Scenario("watching", "a take arrives in a watched folder; SIGTERM", inputs.clip_a, inputs.watching),
    )
}
