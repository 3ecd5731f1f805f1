"""An evening with the guitar as a state machine: takes, replies, crashes, clocks, switches, other people's files.

Everything between the edges is the real code: worker, cycle, race, sweeper, the rules' side. After each step the
invariants of docs/reliability.md are looked at. Time is virtual: an evening of hours costs milliseconds.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVarTuple, Unpack
from uuid import UUID

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sg_coach.timestamps import utc_text
from sg_hybrid.queue_entry import entry_bytes
from sg_hybrid.race import Limits
from sg_hybrid.sweeper import Sweeper
from sg_hybrid.worker import Parts, Worker
from tests.fake_edges import FakeGate, FakeIntake, FakeLedger, FakeTips, session
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import queued

from .life import Life
from .loop import VirtualLoop
from .provider import Plan, Provider
from .witness import NOTICED_WITHIN_S, SWEEP_S, TTL_S, Told, WatchedBundles, WatchedSpool, Witness, number_in
from .world import SETTLE_S, Folders, World, take_id

Ts = TypeVarTuple("Ts")

CLIPS = ("clip_a", "clip_b", "clip_c", "clip_d")
SESSIONS = tuple(UUID(int=number << 64) for number in (1, 2))

clips, sessions = st.sampled_from(CLIPS), st.sampled_from((SESSIONS[0], *SESSIONS))
plans = st.one_of(
    st.builds(Plan, delay=st.sampled_from([0.0, 0.1, 0.44, 0.46, 0.499, 0.501, 0.7, 5.0, 29.0])),
    st.builds(Plan, delay=st.sampled_from([0.3, 0.6, 8.0, 40.0]), tip_after=st.sampled_from([0.1, 0.47, 0.52])),
    st.builds(
        Plan,
        ending=st.sampled_from(["nothing", "silence", "busy", "invalid", "offline", "bug"]),
        delay=st.sampled_from([0.0, 0.2, 0.6]),
        tip_after=st.sampled_from([None, 0.1]),
    ),
)
JUNK = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"{", b"\0" * 200, b"[]", entry_bytes(queued("another", EPOCH)), b'{"a":1,"a":2}']),
)


class Evening(RuleBasedStateMachine):
    """The rules. A subclass says in which world it takes place."""

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
            limits=Limits(),
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
            if isinstance(error, Exception):
                self.witness.problems.append(f"the worker died of {error!r}")
            raise
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

    # Rules

    def is_up(self) -> bool:
        return self.life.alive and not self.life.ended.is_set()

    def is_down(self) -> bool:
        return not self.is_up()

    @rule(clip=clips, of=sessions, plan=plans, clean=st.booleans(), then_s=st.sampled_from([0.0, 0.3, 1.0, 9.0]))
    def a_take_arrives(self, clip: str, of: UUID, plan: Plan, clean: bool, then_s: float) -> None:
        self._play(clip, of, plan, clean)
        self._run(anyio.sleep, then_s)

    @rule(
        first=clips,
        then=clips,
        of=st.sampled_from([(SESSIONS[0], SESSIONS[0]), (SESSIONS[0], SESSIONS[0]), SESSIONS]),
        pause_s=st.sampled_from([0.0, 0.0, 30.0, 30.0, 299.5, 299.9]),
        interlude=st.sampled_from(["nothing", "nothing", "nothing", "power", "power", "switch", "replaced", "refused"]),
        points=st.integers(1, 10),
        plan=plans,
    )
    def a_late_reply_meets_another_take(
        self, first: str, then: str, of: tuple[UUID, UUID], pause_s: float, interlude: str, points: int, plan: Plan
    ) -> None:
        """The life that the queue is there for, with something in its way at its narrowest point."""
        self.gate.enabled = True
        self._play(first, of[0], Plan(delay=2.0), clean=True)
        self._run(anyio.sleep, 2.0 + pause_s)
        if interlude == "power" and self.is_up():
            self.life.points_left = points
        if interlude == "refused":
            self.world.refuse_ai(OSError(errno.EROFS, "Read-only file system"))
        self._play(then, of[1], plan, clean=False)
        self._run(anyio.sleep, SETTLE_S / 2)
        if interlude == "switch":
            self.gate.enabled = not self.gate.enabled
        if interlude == "replaced":
            self._play(then, of[1], plan, clean=False)
        self._run(anyio.sleep, 1.0)
        self.world.refuse_ai(None)
        if interlude == "switch":
            self.gate.enabled = not self.gate.enabled

    def _play(self, clip: str, of: UUID, plan: Plan, clean: bool) -> None:
        self.takes += 1
        record = session(session_id=of, timing_p95_error_ms=41.0, notes_on_grid_ratio=0.95 if clean else 0.75)
        self.world.play(clip, self.takes, record)
        self.newest[clip] = self.takes
        self.provider.plans[clip] = plan
        self._played(clip)

    @rule(clip=clips)
    def a_bad_take_arrives(self, clip: str) -> None:
        if clip in self.newest:
            self.world.spoil(clip)
            self.newest[clip] = None
            self._played(clip)

    def _played(self, clip: str) -> None:
        self.order = [*(other for other in self.order if other != clip), clip]
        self._run(self._dispatch, clip)

    @rule(clip=clips)
    def the_same_event_comes_again(self, clip: str) -> None:
        if clip in self.newest:
            self._run(self._dispatch, clip)

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.47, 0.6, 5.0, 31.0, 120.0, 299.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self._run(anyio.sleep, seconds)

    @rule(while_off_s=st.sampled_from([0.0, 0.0, 60.0]))
    def the_switch_is_thrown(self, while_off_s: float) -> None:
        self.gate.enabled = not self.gate.enabled
        self._run(anyio.sleep, while_off_s)
        if while_off_s:
            self.gate.enabled = not self.gate.enabled

    @rule()
    def a_tip_is_prepared(self) -> None:
        self.tips.left += 1

    @rule(seconds=st.sampled_from([1.0, 200.0, 600.0]))
    def the_lid_is_closed(self, seconds: float) -> None:
        self.extra_s += seconds
        self.clock.suspend(seconds)

    @rule(seconds=st.sampled_from([0.3, 600.0]))
    def the_process_is_frozen(self, seconds: float) -> None:
        self.extra_s += seconds
        self.clock.advance(seconds)

    @rule(by=st.sampled_from([-3600.0, 3600.0]))
    def the_clock_is_set(self, by: float) -> None:
        self._run(self._set_wall, by)

    @rule()
    def the_clock_is_put_right(self) -> None:
        self._run(self._set_wall, -self.wall_error_s)

    async def _set_wall(self, by: float) -> None:
        self._step_wall(by)

    @precondition(is_up)
    @rule()
    def the_power_fails(self) -> None:
        self.loop.run(self._bury)

    @precondition(is_up)
    @rule(points=st.integers(1, 9))
    def the_power_will_fail(self, points: int) -> None:
        self.life.points_left = points

    @precondition(is_up)
    @rule()
    def the_worker_is_stopped(self) -> None:
        self._run(self._stop)

    async def _stop(self) -> None:
        assert self.life.worker is not None
        self.life.worker.life.stop()
        await self.life.ended.wait()

    @precondition(is_down)
    @rule(without_a_clock=st.booleans())
    def it_starts(self, without_a_clock: bool) -> None:
        self.loop.run(self._restart, without_a_clock)

    async def _restart(self, without_a_clock: bool) -> None:
        """A new boot: the boot clock begins anew; without a clock chip the wall clock does too."""
        wall = self.clock.now()
        self.clock = FakeClock(wall)
        if without_a_clock:
            self._step_wall((datetime(1970, 1, 1, tzinfo=UTC) - wall).total_seconds())
        await self._start()

    @precondition(is_up)
    @rule()
    def the_queues_disk_is_full_for_a_while(self) -> None:
        self._run(self._full_for_a_while)

    async def _full_for_a_while(self) -> None:
        self.world.fill(OSError(errno.ENOSPC, "No space left on device"))
        await anyio.sleep(15)
        self.world.fill(None)
        await anyio.sleep(45)

    @rule(clip=clips, age=st.sampled_from([-3600.0, 0.0, 100.0, 280.0, 301.0, 86_400.0]))
    def somebody_puts_an_entry_in(self, clip: str, age: float) -> None:
        if clip in self.newest and not self._has_entry(clip):
            self._run(self._put_in, clip, age)

    async def _put_in(self, clip: str, age: float) -> None:
        """An entry without a context: its session is its bundle's. A worker that runs notices it soon."""
        number = len(self.witness.told) + 1
        written = utc_text(self.clock.now() - timedelta(seconds=age))
        since = self.true_time() - age if age >= 0 else self.true_time() + NOTICED_WITHIN_S
        self.witness.told[number] = Told(
            clip, session=None, queued_at=since, steps_before=len(self.witness.wall_steps), from_the_future=age < 0
        )
        self.witness.kept[number] += 1
        self.world.drop(clip, entry_bytes(queued(clip, written, coaching_tip=f"Tip {number}.")))
        if self.is_up():
            await anyio.sleep(NOTICED_WITHIN_S)

    def _has_entry(self, clip: str) -> bool:
        folders = self.world.folders()
        return any(f'"{clip}"'.encode() in document for document in folders.pending + folders.claimed)

    @rule(junk=JUNK)
    def somebody_puts_junk_in(self, junk: bytes) -> None:
        self.drops += 1
        document = junk + b" " * self.drops
        self.world.drop(f"junk_{self.drops}", document)
        self._run(self._note_junk, document)

    async def _note_junk(self, document: bytes) -> None:
        self.junk[document] = anyio.current_time()

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
        both = set(self.witness.attached) & set(self.witness.kept)
        assert not both, f"I5: replies in their bundle and in the queue: {both}"

    def _look_at_junk(self, folders: Folders) -> None:
        for document, since in self.junk.items():
            assert document in folders.pending + folders.rejected, "I12: somebody's file is lost"
            noticed = anyio.current_time() - since > NOTICED_WITHIN_S
            assert document in folders.rejected or not noticed, "I12: what cannot be read is not put aside"

    def _look_for_the_immortal(self, folders: Folders) -> None:
        """An entry may be over its time only for as long as the sweeper sleeps."""
        now, over = anyio.current_time(), set[int]()
        for number in filter(None, map(number_in, folders.pending)):
            queued_at = self.witness.told[number].queued_at
            assert queued_at is not None
            if self.true_time() - max(queued_at, self.life.started) > TTL_S:
                over.add(number)
        self.overdue = {number: self.overdue.get(number, now) for number in over}
        immortal = [number for number, since in self.overdue.items() if now - since > NOTICED_WITHIN_S]
        assert not immortal, f"I11: replies {immortal} are over their time and wait on"
