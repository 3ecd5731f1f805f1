"""What every spool does, in memory as on disk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

from sg_coach.timestamps import utc_text
from sg_hybrid.models import AiAddendum, ReplyContext
from sg_hybrid.ports import Claim, Spool
from sg_hybrid.queue_entry import clip_of_entry
from sg_hybrid.spool import DiskSpool
from tests.fakes import FakeClock, MemorySpool
from tests.late_replies import BUNDLE, OTHER_SESSION, addendum, context, names, put_file, query, queued


class SweptSpool(Spool, Protocol):
    """What is asked of a spool here."""

    async def expire_due(self) -> int: ...
    @property
    def waiting(self) -> int: ...


@dataclass
class Memory:
    """A spool in memory, looked at by its dictionaries."""

    spool: MemorySpool
    clock: FakeClock

    def pending(self) -> list[str]:
        return sorted(self.spool.pending)

    def claimed(self) -> list[str]:
        return sorted(self.spool.claimed)

    def applied(self) -> list[str]:
        return sorted(clip_id for clip_id, _ in self.spool.applied)

    async def found(self, reply: AiAddendum, about: ReplyContext) -> None:
        self.spool.insert(reply, about)


@dataclass
class Disk:
    """A spool on disk, looked at by `ls`."""

    spool: DiskSpool
    clock: FakeClock
    root: Path

    def pending(self) -> list[str]:
        return self._clips("pending")

    def claimed(self) -> list[str]:
        return self._clips("claimed")

    def applied(self) -> list[str]:
        return self._clips("applied")

    async def found(self, reply: AiAddendum, about: ReplyContext) -> None:
        put_file(self.root, reply, about)
        await self.spool.refresh()

    def _clips(self, folder: str) -> list[str]:
        return [clip_of_entry(name) or name for name in names(self.root, folder)]


@pytest.fixture(params=["memory", "disk"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Memory | Disk]:
    clock = FakeClock(frozen=True)
    if request.param == "memory":
        yield Memory(MemorySpool(clock), clock)
    else:
        root = tmp_path / "queue"
        spool = await DiskSpool.open(root, clock)
        await spool.refresh()
        yield Disk(spool, clock, root)


async def put(queue: Memory | Disk, clip_id: str, *, tip: str = "Relax.", **about: str) -> None:
    """A late reply, 10 s after the one before."""
    await queue.spool.put(addendum(clip_id, coaching_tip=tip), context(clip_id, **about))
    queue.clock.advance(10)


def spool_of(queue: Memory | Disk) -> SweptSpool:
    return queue.spool


async def claimed(queue: Memory | Disk, **about: Any) -> Claim:
    claim = await spool_of(queue).claim(query(**about), BUNDLE)
    assert claim is not None
    return claim


# Keep


async def test_a_late_reply_waits_marked_as_queued_with_its_time(queue: Memory | Disk) -> None:
    now = utc_text(queue.clock.now())
    await put(queue, "clip_a")

    assert queue.pending() == ["clip_a"]
    claim = await claimed(queue)
    document = json.loads(claim.document)
    assert document["queued"] is True
    assert document["queued_at_utc"] == now
    assert claim.context == context("clip_a")


async def test_a_time_that_was_set_when_the_reply_came_stays(queue: Memory | Disk) -> None:
    """A disk that refused for a minute makes no reply younger."""
    since = utc_text(queue.clock.now())
    queue.clock.advance(60)
    await queue.spool.put(queued("clip_a", since), context())

    queue.clock.advance(240)
    claim = await claimed(queue)
    assert json.loads(claim.document)["queued_at_utc"] == since
    queue.clock.advance(0.001)
    assert not claim.is_fresh()


async def test_the_newest_reply_of_a_clip_wins(queue: Memory | Disk) -> None:
    await put(queue, "clip_a", tip="Old.")
    await put(queue, "clip_a", tip="New.")

    assert queue.pending() == ["clip_a"]
    claim = await claimed(queue)
    assert json.loads(claim.document)["coaching_tip"] == "New."
    assert await queue.spool.claim(query(), BUNDLE) is None


# Choose


async def test_the_newest_relevant_reply_is_claimed_and_only_that(queue: Memory | Disk) -> None:
    await put(queue, "clip_a")
    await put(queue, "clip_b")
    await put(queue, "clip_c", session_id=OTHER_SESSION)
    await put(queue, "clip_d", program="ztex:scales")
    await put(queue, "clip_e", focus="PANIC_USED")
    await put(queue, "clip_now")

    claim = await claimed(queue)

    assert claim.context.clip_id == "clip_b"
    assert queue.claimed() == ["clip_b"]
    assert queue.pending() == ["clip_a", "clip_c", "clip_d", "clip_e", "clip_now"]


async def test_any_finding_of_the_take_makes_a_tip_relevant(queue: Memory | Disk) -> None:
    await put(queue, "clip_a", focus="PANIC_USED")

    claim = await claimed(queue, focuses=frozenset({"TIMING_P95_HIGH", "PANIC_USED"}))

    assert claim.context.focus == "PANIC_USED"


async def test_nothing_relevant_claims_nothing(queue: Memory | Disk) -> None:
    assert await queue.spool.claim(query(), BUNDLE) is None
    await put(queue, "clip_a", session_id=OTHER_SESSION)

    assert await queue.spool.claim(query(), BUNDLE) is None
    assert queue.pending() == ["clip_a"]


async def test_of_many_takes_at_once_one_gets_the_reply(queue: Memory | Disk) -> None:
    await put(queue, "clip_a")
    claims: list[Claim | None] = []

    async def take(number: int) -> None:
        claims.append(await spool_of(queue).claim(query(f"clip_{number}"), BUNDLE))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(take, number)

    assert sum(claim is not None for claim in claims) == 1


# End


async def test_an_applied_reply_is_never_claimed_again(queue: Memory | Disk) -> None:
    await put(queue, "clip_a")

    await queue.spool.finish(await claimed(queue))

    assert (queue.pending(), queue.claimed(), queue.applied()) == ([], [], ["clip_a"])
    assert await queue.spool.claim(query(), BUNDLE) is None


async def test_a_reply_given_back_waits_again_with_its_old_age(queue: Memory | Disk) -> None:
    await put(queue, "clip_a")
    claim = await claimed(queue)
    queue.clock.advance(100)

    await queue.spool.give_back(claim)

    assert (queue.pending(), queue.claimed()) == (["clip_a"], [])
    again = await claimed(queue)
    assert again.is_fresh()
    queue.clock.advance(190.001)
    assert not again.is_fresh()


async def test_a_reply_given_back_after_a_newer_one_came_is_discarded(queue: Memory | Disk) -> None:
    await put(queue, "clip_a", tip="Old.")
    claim = await claimed(queue)
    await put(queue, "clip_a", tip="New.")

    await queue.spool.give_back(claim)

    assert (queue.pending(), queue.claimed()) == (["clip_a"], [])
    assert json.loads((await claimed(queue)).document)["coaching_tip"] == "New."


async def test_a_sweep_is_needed_when_a_reply_begins_to_wait(queue: Memory | Disk) -> None:
    async def is_needed() -> bool:
        with anyio.move_on_after(0.02):
            await queue.spool.until_needed()
            return True
        return False

    assert not await is_needed()
    await put(queue, "clip_a")
    assert await is_needed()
    await queue.spool.refresh()
    assert not await is_needed()
    claim = await claimed(queue)
    assert not await is_needed()
    await queue.spool.give_back(claim)
    assert await is_needed()


async def test_a_newer_reply_waits_until_the_older_one_of_its_clip_is_applied(queue: Memory | Disk) -> None:
    await put(queue, "clip_a", tip="Old.")
    older = await claimed(queue)
    await put(queue, "clip_a", tip="New.")

    assert await queue.spool.claim(query(), BUNDLE) is None
    await queue.spool.finish(older)

    assert json.loads((await claimed(queue)).document)["coaching_tip"] == "New."


# Age


async def test_a_reply_is_applied_until_exactly_its_time(queue: Memory | Disk) -> None:
    await queue.spool.put(addendum("clip_a"), context("clip_a"))

    queue.clock.advance(300.0)
    assert await spool_of(queue).expire_due() == 0
    await queue.spool.give_back(await claimed(queue))
    queue.clock.advance(0.001)

    assert await queue.spool.claim(query(), BUNDLE) is None
    assert await spool_of(queue).expire_due() == 1
    assert (queue.pending(), spool_of(queue).waiting) == ([], 0)


async def test_the_time_runs_while_the_machine_sleeps(queue: Memory | Disk) -> None:
    await put(queue, "clip_a")
    queue.clock.suspend(600)

    assert await queue.spool.claim(query(), BUNDLE) is None
    assert await spool_of(queue).expire_due() == 1


@pytest.mark.parametrize("step_s", [-3600, 3600])
async def test_a_step_of_the_wall_clock_changes_no_age(queue: Memory | Disk, step_s: float) -> None:
    await queue.spool.put(addendum("clip_a"), context("clip_a"))
    queue.clock.step(step_s)

    queue.clock.advance(300)
    assert await spool_of(queue).expire_due() == 0
    queue.clock.advance(0.001)
    assert await spool_of(queue).expire_due() == 1


async def test_an_entry_that_was_there_before_is_as_old_as_it_says(queue: Memory | Disk) -> None:
    await queue.found(queued("clip_a", utc_text(queue.clock.now())), context())
    queue.clock.advance(299)
    await queue.found(queued("clip_b", "2026-02-04T12:00:00Z"), context("clip_b"))

    assert await spool_of(queue).expire_due() == 1
    assert (await claimed(queue)).context.clip_id == "clip_a"


async def test_a_time_in_the_future_counts_as_now(queue: Memory | Disk) -> None:
    await queue.found(queued("clip_a", "2026-02-04T18:00:00Z"), context())

    queue.clock.advance(300)
    assert await spool_of(queue).expire_due() == 0
    queue.clock.advance(0.001)
    assert await spool_of(queue).expire_due() == 1
