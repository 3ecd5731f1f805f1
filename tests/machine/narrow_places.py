"""The narrow places of an evening, entered on purpose: between claim and apply, between a reply and its deadline.

Steps drawn at random come here too seldom to find an error that shows for a tenth of a second. Each rule here leads
the machine there, with the worker up and the AI on, and lets one thing get in the way.
"""

from __future__ import annotations

import errno
from itertools import permutations
from typing import Final, Literal
from uuid import UUID

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import rule

from .evening import CLIPS, SESSIONS, Evening, clips, plans, sessions
from .provider import Plan
from .witness import DEADLINE_S, TTL_S
from .world import SETTLE_S

Trouble = Literal["switch", "replaced", "refused", "frozen"]

TROUBLES: Final[tuple[Trouble, ...]] = ("switch", "replaced", "refused", "frozen")
PAIRS: Final = tuple(permutations(CLIPS, 2))
WITHIN_SETTLING: Final = (Plan(delay=SETTLE_S / 4), Plan(delay=5.0, tip_after=SETTLE_S / 4))
"""The reply, or its tip, is there before the hint is durable; it is shown after that."""

pauses = st.sampled_from([0.0, 0.0, 30.0, 30.0, 299.5, 299.9])


class NarrowPlaces(Evening):
    """An evening that comes there."""

    @rule(
        first=clips,
        then=clips,
        of=st.sampled_from([(SESSIONS[0], SESSIONS[0]), (SESSIONS[0], SESSIONS[0]), SESSIONS]),
        pause_s=pauses,
        points=st.one_of(st.none(), st.integers(1, 10)),
        plan=plans,
    )
    def a_late_reply_meets_another_take(
        self, first: str, then: str, of: tuple[UUID, UUID], pause_s: float, points: int | None, plan: Plan
    ) -> None:
        """The life that the queue is there for; with `points`, the power fails somewhere in it."""
        self._keep_a_late_reply(first, of[0], pause_s)
        self.life.points_left = points
        self._play(then, of[1], plan, clean=False)
        self._run(anyio.sleep, 1.0)

    @rule(pair=st.sampled_from(PAIRS), pause_s=pauses, trouble=st.sampled_from(TROUBLES), plan=plans)
    def a_reply_that_is_claimed_meets_trouble(
        self, pair: tuple[str, str], pause_s: float, trouble: Trouble, plan: Plan
    ) -> None:
        """It is ours already and waits for the hint to be durable."""
        self._keep_a_late_reply(pair[0], SESSIONS[0], pause_s)
        self._play(pair[1], SESSIONS[0], plan, clean=False)
        self._run(anyio.sleep, SETTLE_S / 2)
        self._get_in_the_way(trouble, pair[1], plan)
        self._run(anyio.sleep, 1.0)
        self.world.refuse_ai(None)
        self.gate.enabled = True

    def _keep_a_late_reply(self, clip: str, of: UUID, pause_s: float) -> None:
        self._bring_in_order()
        self._play(clip, of, Plan(delay=2.0), clean=True)
        self._run(anyio.sleep, 2.0 + pause_s)

    def _get_in_the_way(self, trouble: Trouble, clip: str, plan: Plan) -> None:
        match trouble:
            case "switch":
                self.gate.enabled = False
            case "replaced":
                self._play(clip, SESSIONS[0], plan, clean=False)
            case "refused":
                self.world.refuse_ai(OSError(errno.EROFS, "Read-only file system"))
            case "frozen":
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
