"""An evening with the guitar: takes, replies, crashes, clocks, switches, other people's files. The rules at large."""

from __future__ import annotations

import errno
from datetime import timedelta
from uuid import UUID

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from sg_coach.timestamps import utc_text
from sg_hybrid.queue_entry import entry_bytes
from tests.fake_edges import session
from tests.fakes import EPOCH
from tests.late_replies import queued

from .machine import Machine
from .provider import Plan
from .witness import NOTICED_WITHIN_S, Told

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


class Evening(Machine):
    """What may happen at any time, in any order."""

    @rule(clip=clips, of=sessions, plan=plans, clean=st.booleans(), then_s=st.sampled_from([0.0, 0.3, 1.0, 9.0]))
    def a_take_arrives(self, clip: str, of: UUID, plan: Plan, clean: bool, then_s: float) -> None:
        self._play(clip, of, plan, clean)
        self._run(anyio.sleep, then_s)

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
        self._freeze(seconds)

    @rule(by=st.sampled_from([-3600.0, 3600.0]))
    def the_clock_is_set(self, by: float) -> None:
        self._run(self._set_wall, by)

    @rule()
    def the_clock_is_put_right(self) -> None:
        self._run(self._set_wall, -self.wall_error_s)

    @precondition(Machine.is_up)
    @rule()
    def the_power_fails(self) -> None:
        self.loop.run(self._bury)

    @precondition(Machine.is_up)
    @rule(points=st.integers(1, 9))
    def the_power_will_fail(self, points: int) -> None:
        self.life.points_left = points

    @precondition(Machine.is_up)
    @rule()
    def the_worker_is_stopped(self) -> None:
        self._run(self._stop)

    @precondition(Machine.is_down)
    @rule(without_a_clock=st.booleans())
    def it_starts(self, without_a_clock: bool) -> None:
        self.loop.run(self._restart, without_a_clock)

    @precondition(Machine.is_up)
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
            clip,
            session=None,
            queued_at=since,
            steps_before=len(self.witness.wall_steps),
            from_the_future=age < 0,
            put_in_at=self.true_time(),
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
