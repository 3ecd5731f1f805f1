"""The worker as a machine that lives, dies and starts again, and what is looked at after each step.

Everything between the edges is the real code: worker, cycle, race, sweeper, the rules' side. After each step the
invariants of docs/reliability.md are looked at. Time is virtual: an evening of hours costs milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVarTuple, Unpack

import anyio
from hypothesis.stateful import RuleBasedStateMachine, invariant

from sg_hybrid.parts import Parts
from sg_hybrid.policy import is_credible
from sg_hybrid.race import CycleLimits
from sg_hybrid.sweeper import Sweeper
from sg_hybrid.worker import Worker
from tests.fake_edges import FakeGate, FakeIntake, FakeLedger, FakeTips
from tests.fakes import FakeClock

from .life import Life
from .loop import VirtualLoop
from .provider import Provider
from .witness import (
    NOTICED_WITHIN_S,
    SWEEP_S,
    SWEPT_WITHIN_S,
    TTL_S,
    Told,
    WatchedBundles,
    WatchedSpool,
    Witness,
    number_in,
)
from .world import SETTLE_S, Folders, World, take_id

Ts = TypeVarTuple("Ts")


class Machine(RuleBasedStateMachine):
    """Clocks, lives, steps and the looks between them. A subclass has the rules, and says in which world it plays."""

    make_world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.world = self.make_world()
        self.gate, self.tips = FakeGate(), FakeTips(left=1)
        self.extra_s, self.lives, self.takes, self.drops = 0.0, 0, 0, 0
        self.clock = FakeClock()
        self.wall_error_s = 0.0
        self.newest: dict[str, int | None] = {}
        """Clip to the number of its newest take; None if the instrument spoiled it."""
        self.order: list[str] = []
        """Clips, the one that was played last at the end."""
        self.junk: dict[bytes, float] = {}
        """What somebody put into the queue, and since when (awake seconds of a life) the worker could know."""
        self.overdue: dict[int, float] = {}
        self.loop.run(self._begin)

    async def _begin(self) -> None:
        self.epoch = anyio.current_time()
        self.life = Life(0, 0.0, clock_was_set=True)
        self.witness = Witness(self.gate, self.true_time, self.clock, self.life)
        self.provider = Provider(self.witness)
        await self._start()

    def teardown(self) -> None:
        """However the evening went: after a start and some minutes all is in order."""
        try:
            self.loop.run(self._end)
        finally:
            self.loop.close()

    # Clocks

    def true_time(self) -> float:
        """Seconds since the evening began; suspended and frozen ones count."""
        return anyio.current_time() - self.epoch + self.extra_s

    def _step_wall(self, by: float) -> None:
        self.clock.step(by)
        self.wall_error_s += by
        self.witness.wall_steps.append(by)

    # Lives

    async def _start(self) -> None:
        self.lives += 1
        clock_was_set = self.clock.now().year >= 2025
        self.life = life = Life(self.lives, self.true_time(), clock_was_set, len(self.witness.wall_steps))
        life.at_death = lambda: self.witness.lost.update(self.witness.unplaced())
        self.witness.life, self.witness.clock = life, self.clock
        self.overdue.clear()
        self.junk = dict.fromkeys(self.junk, anyio.current_time())
        edges = await self.world.open(self.clock)
        parts = Parts(
            bundles=WatchedBundles(edges.bundles, self.witness, life),
            spool=WatchedSpool(edges.spool, self.witness, life),
            coach=self.provider,
            gate=self.gate,
            clock=self.clock,
            scores=edges.scores,
            intake=FakeIntake(),
            sweeper=Sweeper(edges.spool, self.clock, interval_s=SWEEP_S),
            tips=self.tips,
            ledger=FakeLedger(),
            limits=CycleLimits(),
        )
        ready = anyio.Event()
        self.loop.tasks.start_soon(self._live, life, parts, ready)
        await ready.wait()
        await self._dispatch(*self.order)

    async def _live(self, life: Life, parts: Parts, ready: anyio.Event) -> None:
        try:
            with life.scope:
                async with Worker.opened(parts) as worker:
                    life.worker = worker
                    ready.set()
                    await worker.life.stop_asked.wait()
        except BaseException as error:
            if not life.alive:
                return
            if not isinstance(error, Exception):
                raise
            self.witness.problems.append(f"the worker died of {error!r}")
        finally:
            life.ended.set()

    async def _dispatch(self, *names: str) -> None:
        if self.is_up() and self.life.worker is not None and names:
            await self.life.worker.dispatch([self._bundle(clip) for clip in names])

    def _bundle(self, clip: str) -> Path:
        return Path("bundles") / clip

    async def _bury(self) -> None:
        """Clear away what a power loss left of a process: nothing of it may touch anything any more."""
        life = self.life
        life.die()
        if life.worker is not None:
            life.worker.life.stop()
            life.worker.life.stop()
        life.scope.cancel()
        await life.ended.wait()

    def is_up(self) -> bool:
        return self.life.alive and not self.life.ended.is_set()

    def is_down(self) -> bool:
        return not self.is_up()

    async def _stop(self) -> None:
        assert self.life.worker is not None
        self.life.worker.life.stop()
        await self.life.ended.wait()

    async def _restart(self, without_a_clock: bool) -> None:
        """A new boot: the boot clock begins anew; without a clock chip the wall clock does too."""
        wall = self.clock.now()
        self.clock = FakeClock(wall)
        if without_a_clock:
            self._step_wall((datetime(1970, 1, 1, tzinfo=UTC) - wall).total_seconds())
        await self._start()

    # Clocks that people and kernels move

    async def _set_wall(self, by: float) -> None:
        self._step_wall(by)

    def _freeze(self, seconds: float) -> None:
        self.extra_s += seconds
        self.clock.advance(seconds)

    # Steps

    def _run(self, step: Callable[[Unpack[Ts]], Awaitable[None]], *args: *Ts) -> None:
        self.loop.run(step, *args)
        if not self.life.alive and not self.life.ended.is_set():
            self.loop.run(self._bury)

    async def _end(self) -> None:
        """Whatever happened: a start in order, and some minutes later nothing waits and nothing is lost."""
        if self.is_up():
            self.life.points_left = None
        else:
            await self._restart(without_a_clock=False)
        self._step_wall(-self.wall_error_s)
        await anyio.sleep(TTL_S + 60)
        await self._look()
        left = self.world.folders()
        assert not left.claimed, f"I8: claims that nobody ends: {left.claimed}"
        assert not left.pending, f"I11: entries that never expire: {left.pending}"
        await self._stop()

    @invariant()
    def the_promises_hold(self) -> None:
        self.loop.run(self._look)

    async def _look(self) -> None:
        assert not self.witness.problems, self.witness.problems
        folders = self.world.folders()
        self._look_at_bundles()
        self._look_at_the_queue(folders)
        if self.is_up():
            self._look_at_junk(folders)
            self._look_for_the_immortal(folders)

    def _look_at_bundles(self) -> None:
        quiet = self.is_up() and self.life.is_quiet
        for clip, take in self.newest.items():
            seen = self.world.standing(clip)
            if seen.take_id is not None:
                assert seen.coaching == self.witness.hints[seen.take_id], f"I3: {clip} changed without a new take"
            if seen.ai is not None:
                assert not seen.ai.queued, f"I4: {clip} holds a queued reply as its own"
                assert seen.ai.clip_id == clip, f"I4: {clip} holds the reply to {seen.ai.clip_id}"
            if quiet and take is not None:
                assert seen.take_id == take_id(take), f"I1: {clip} has no coaching of its newest take"
        if quiet:
            assert not self.witness.unplaced(), f"I5: replies that are nowhere: {self.witness.unplaced()}"

    def _look_at_the_queue(self, folders: Folders) -> None:
        states = (folders.pending, folders.claimed, folders.applied, folders.expired)
        places = Counter(number_in(document) for state in states for document in state)
        for number in self.witness.kept:
            assert places[number] >= 1, f"I8: reply {number} was acknowledged and is nowhere"
            assert places[number] == 1, f"I9: reply {number} is in {places[number]} places"
        if self.is_up():
            self._look_for_held_claims(folders)
        both = set(self.witness.attached) & set(self.witness.kept)
        assert not both, f"I5: replies in their bundle and in the queue: {both}"

    def _look_for_held_claims(self, folders: Folders) -> None:
        """A claim ends as soon as its take's hint is durable; no step leaves a disk behind that refuses it."""
        now, since = anyio.current_time(), self.witness.claimed_at
        held = [number for number in map(number_in, folders.claimed) if now - since[number] > 2 * SETTLE_S]
        assert not held, f"I8: replies {held} are claimed and nobody ends it"

    def _look_at_junk(self, folders: Folders) -> None:
        for document, since in self.junk.items():
            assert document in folders.pending + folders.rejected, "I12: somebody's file is lost"
            noticed = anyio.current_time() - since > NOTICED_WITHIN_S
            assert document in folders.rejected or not noticed, "I12: what cannot be read is not put aside"

    def _look_for_the_immortal(self, folders: Folders) -> None:
        """An entry may be over its time only until the next sweep."""
        now, over = anyio.current_time(), set[int]()
        for number in filter(None, map(number_in, folders.pending)):
            if self.true_time() - self._counts_since(self.witness.told[number]) > TTL_S:
                over.add(number)
        self.overdue = {number: self.overdue.get(number, now) for number in over}
        immortal = [number for number, since in self.overdue.items() if now - since > SWEPT_WITHIN_S]
        assert not immortal, f"I11: replies {immortal} are over their time and wait on"

    def _counts_since(self, told: Told) -> float:
        """While the clock was never set, what others put in is of unknown age: it counts from when it was seen."""
        assert told.queued_at is not None
        since = max(told.queued_at, self.life.started)
        if told.put_in_at is None or is_credible(self.clock.now()):
            return since
        return max(since, told.put_in_at + NOTICED_WITHIN_S)
