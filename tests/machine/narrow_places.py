"""The narrow places of an evening, entered on purpose: between claim and apply, between a reply and its deadline.

Steps drawn at random come here too seldom to find an error that shows for a tenth of a second. Each rule here leads
the machine there, with the worker up and the AI on, and lets one thing get in the way.
"""

from __future__ import annotations

import errno
from typing import Final, Literal
from uuid import UUID

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import rule

from .evening import SESSIONS, Evening, clips, plans, sessions
from .provider import Plan
from .witness import DEADLINE_S, TTL_S
from .world import SETTLE_S

Interlude = Literal["nothing", "power", "switch", "replaced", "refused", "frozen"]

INTERLUDES: Final[tuple[Interlude, ...]] = ("nothing", "power", "switch", "replaced", "refused", "frozen")
WITHIN_SETTLING: Final = (Plan(delay=SETTLE_S / 4), Plan(delay=5.0, tip_after=SETTLE_S / 4))
"""The reply, or its tip, is there before the hint is durable; it is shown after that."""


class NarrowPlaces(Evening):
    """An evening that comes there."""

    @rule(
        first=clips,
        then=clips,
        of=st.sampled_from([(SESSIONS[0], SESSIONS[0]), (SESSIONS[0], SESSIONS[0]), SESSIONS]),
        pause_s=st.sampled_from([0.0, 0.0, 30.0, 30.0, 299.5, 299.9]),
        interlude=st.sampled_from(INTERLUDES),
        points=st.integers(1, 10),
        plan=plans,
    )
    def a_late_reply_meets_another_take(
        self,
        first: str,
        then: str,
        of: tuple[UUID, UUID],
        pause_s: float,
        interlude: Interlude,
        points: int,
        plan: Plan,
    ) -> None:
        """The life that the queue is there for, with something in its way while the reply is claimed."""
        self._bring_in_order()
        self._play(first, of[0], Plan(delay=2.0), clean=True)
        self._run(anyio.sleep, 2.0 + pause_s)
        if interlude == "power":
            self.life.points_left = points
        self._play(then, of[1], plan, clean=False)
        self._run(anyio.sleep, SETTLE_S / 2)
        self._get_in_the_way(interlude, then, of[1], plan)
        self._run(anyio.sleep, 1.0)
        self.world.refuse_ai(None)
        self.gate.enabled = True

    def _get_in_the_way(self, interlude: Interlude, clip: str, of: UUID, plan: Plan) -> None:
        if interlude == "switch":
            self.gate.enabled = False
        if interlude == "replaced":
            self._play(clip, of, plan, clean=False)
        if interlude == "refused":
            self.world.refuse_ai(OSError(errno.EROFS, "Read-only file system"))
        if interlude == "frozen":
            self._freeze(TTL_S + 1.0)

    @rule(clip=clips, of=sessions, plan=st.sampled_from(WITHIN_SETTLING))
    def the_switch_is_thrown_before_a_reply_is_shown(self, clip: str, of: UUID, plan: Plan) -> None:
        self._bring_in_order()
        self._play(clip, of, plan, clean=False)
        self._run(anyio.sleep, SETTLE_S / 2)
        self.gate.enabled = False
        self._run(anyio.sleep, 1.0)
        self.gate.enabled = True

    @rule(clip=clips, of=sessions, delay=st.sampled_from([0.3, 0.44]), early=st.booleans())
    def the_process_is_frozen_over_the_deadline(self, clip: str, of: UUID, delay: float, early: bool) -> None:
        """The reply is read before anybody could notice that its time is over."""
        self._bring_in_order()
        self._play(clip, of, Plan(delay=delay, tip_after=0.1 if early else None), clean=False)
        self._run(anyio.sleep, delay - 0.01)
        self._freeze(DEADLINE_S)
        self._run(anyio.sleep, 1.0)

    def _bring_in_order(self) -> None:
        if self.is_down():
            self.loop.run(self._restart, False)
        self.life.points_left = None
        self.gate.enabled = True
