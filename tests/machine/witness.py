"""Who sees everything that passes the worker's edges, and says what must not have happened.

A tip's text names the call that brought it (`Tip 7.`), so each reply can be followed through bundles and folders.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from sg_coach.coach_policy import evaluate_session
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import apply_progression_policy, next_ema
from sg_hybrid.models import AiAddendum, Coached, Origin, Query, ReplyContext, Take, program_key
from sg_hybrid.ports import Bundles, Claim, Spool
from sg_hybrid.sweeper import IDLE_FACTOR
from tests.fake_edges import FakeGate
from tests.fakes import FakeClock

from .life import Life

TTL_S = 300.0
DEADLINE_S = 0.5
SWEEP_S = 5.0
NOTICED_WITHIN_S = IDLE_FACTOR * SWEEP_S + 0.5
"""A sweeper looks this often whether others put something into an empty queue."""

SWEPT_WITHIN_S = SWEEP_S + 0.5
"""A sweeper looks this often while something waits."""


@dataclass
class Told:
    """One text of the AI (or of somebody who put an entry into the queue)."""

    clip: str
    session: str | None
    """None if it is for the worker to find out."""
    tip_at: float | None = None
    """Monotonic seconds at which its tip was handed out ahead of the whole."""
    whole_at: float | None = None
    queued_at: float | None = None
    """True time from which its age counts."""
    steps_before: int = 0
    """How many steps the wall clock had made when its time was written into it."""
    from_the_future: bool = False
    """Its text lies ahead of the clock: it counts as written when the worker sees it."""
    put_in_at: float | None = None
    """True time at which somebody put it in; None for a reply of the worker's own."""


def number_in(text: str | bytes | None) -> int:
    """Return the number of the text that a tip, or a document, holds; 0 for a prepared one."""
    found = re.search(r"Tip (\d+)\.", text.decode(errors="replace") if isinstance(text, bytes) else text or "")
    return int(found[1]) if found else 0


@dataclass
class Witness:
    """What happened, and what of it must not have happened (`problems`)."""

    gate: FakeGate
    true_time: Callable[[], float]
    clock: FakeClock
    life: Life
    told: dict[int, Told] = field(default_factory=dict)
    attached: Counter[int] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)
    """Late replies that the spool acknowledged."""
    claimed_at: dict[int, float] = field(default_factory=dict)
    """When a reply was last claimed, in seconds of the event loop."""
    shown_later: Counter[int] = field(default_factory=Counter)
    lost: set[int] = field(default_factory=set)
    """What a process held in memory when the power failed."""
    hints: dict[str, CoachingDeterministic] = field(default_factory=dict)
    """By take id."""
    averages: dict[tuple[str, str], float] = field(default_factory=dict)
    wall_steps: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def hint(self, coached: Coached) -> None:
        """I1, I3: the hint is the one of a clean run, and stays as it is."""
        take, coaching = coached.take, coached.coaching
        if (earlier := self.hints.get(take.take_id)) is not None:
            self._expect(earlier == coaching, f"I3: the hint of {take.take_id[-3:]} changed without a new take")
            return
        key = str(take.session.session_id), program_key(take.session)
        clean = apply_progression_policy(
            evaluate_session(take.session),
            clip_id=take.clip_id,
            created_at_utc=coaching.created_at_utc,
            ema_before=self.averages.get(key),
        )
        self._expect(coaching == clean, f"I1: {coaching} is not the hint of a clean run")
        self.averages[key] = next_ema(self.averages.get(key), coaching.score)
        self.hints[take.take_id] = coaching

    def attach(self, coached: Coached, addendum: AiAddendum, origin: Origin) -> None:
        """I4: an AI file is enabled, valid, in time and not a queued one."""
        number = number_in(addendum.coaching_tip)
        self._expect(self.gate.enabled, "I4: attached with the AI off")
        self._expect(not addendum.queued, "I4: a queued reply among the live ones")
        self._expect(addendum.clip_id == coached.take.clip_id, "I4: the reply is about another clip")
        if origin == "prepared":
            self._expect(addendum.ai_latency_ms < DEADLINE_S * 1000, "I4: a prepared tip came late")
            return
        told = self.told[number]
        came_at = told.whole_at if addendum.timing_insight else told.tip_at
        in_time = came_at is not None and came_at - coached.t0 < DEADLINE_S
        self._expect(in_time, f"I4: reply {number} stands in its bundle and came too late")
        self.attached[number] += 1

    def keep(self, addendum: AiAddendum) -> None:
        """The spool acknowledged a late reply."""
        number = number_in(addendum.coaching_tip)
        self.kept[number] += 1
        self._expect(self.kept[number] == 1, f"I5: reply {number} was queued twice")
        self.told[number].queued_at = self.true_time()
        self.told[number].steps_before = len(self.wall_steps)

    def show_later(self, coached: Coached, document: bytes) -> None:
        """I4, I10, I11: an earlier reply is shown once, to its session, to another clip, before its time is over."""
        number = number_in(document)
        told, session = self.told[number], str(coached.take.session.session_id)
        self.shown_later[number] += 1
        self._expect(json.loads(document)["queued"] is True, f"I4: entry {number} is not marked as queued")
        self._expect(self.gate.enabled, "I4: applied with the AI off")
        self._expect(self.shown_later[number] == 1, f"I10: reply {number} was applied twice")
        self._expect(told.session in (None, session), f"I10: reply {number} was applied to another session")
        self._expect(told.clip != coached.take.clip_id, f"I10: reply {number} was applied to its own clip")
        self._expect(not self._is_stale(told), f"I11: reply {number} was applied after its time")

    def _is_stale(self, told: Told) -> bool:
        """Steps of the wall clock between two lives may hide an age; no life adds more than the time to live."""
        assert told.queued_at is not None
        seen_since = max(told.queued_at, self.life.started)
        hidden = sum(self.wall_steps[told.steps_before : self.life.steps_before])
        since = told.queued_at if hidden >= 0 and self.life.clock_was_set else seen_since
        if told.from_the_future:
            since = max(told.queued_at, self.life.started + NOTICED_WITHIN_S)
        unset = told.queued_at < self.life.started and self.clock.now().year < 2025
        return unset or self.true_time() - since > TTL_S + 0.002

    def unplaced(self) -> set[int]:
        """Replies that were told whole and ended nowhere."""
        whole = {number for number, told in self.told.items() if told.whole_at is not None}
        return whole - set(self.attached) - set(self.kept) - self.lost

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.append(otherwise)


class WatchedBundles:
    """Bundles that the witness sees and a power loss can hit."""

    def __init__(self, inner: Bundles, witness: Witness, life: Life) -> None:
        self._inner, self._witness, self._life = inner, witness, life

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        self._life.point()

        def seen(coached: Coached) -> None:
            self._witness.hint(coached)
            visible(coached)
            self._life.point()

        coached = await self._inner.coach(bundle, decide, seen)
        self._life.point()
        return coached

    async def attach(self, coached: Coached, addendum: AiAddendum, origin: Origin) -> None:
        self._life.point()
        await self._inner.attach(coached, addendum, origin)
        self._witness.attach(coached, addendum, origin)
        self._life.point()

    async def attach_queued(self, coached: Coached, addendum: bytes) -> None:
        self._life.point()
        await self._inner.attach_queued(coached, addendum)
        self._witness.show_later(coached, addendum)
        self._life.point()

    async def unsettled_by_session(self, bundles: Sequence[Path]) -> list[list[Path]]:
        return await self._inner.unsettled_by_session(bundles)


class WatchedSpool:
    """A spool that the witness sees and a power loss can hit."""

    def __init__(self, inner: Spool, witness: Witness, life: Life) -> None:
        self._inner, self._witness, self._life = inner, witness, life

    async def put(self, addendum: AiAddendum, context: ReplyContext) -> None:
        self._life.point()
        await self._inner.put(addendum, context)
        self._witness.keep(addendum)
        self._life.point()

    async def claim(self, query: Query, target: Path) -> Claim | None:
        self._life.point()
        claim = await self._inner.claim(query, target)
        if claim is not None:
            self._witness.claimed_at[number_in(claim.document)] = anyio.current_time()
        self._life.point()
        return claim

    async def finish(self, claim: Claim) -> None:
        self._life.point()
        await self._inner.finish(claim)
        self._life.point()

    async def give_back(self, claim: Claim) -> None:
        self._life.point()
        await self._inner.give_back(claim)
        self._life.point()
