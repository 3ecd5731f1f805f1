"""One cycle: the coach file at once, then a tip by the deadline, live or prepared.

Three limits, named for where they start: `reply_deadline_s` and `give_up_after_s` count from `t0` (the score is known),
a waiting reply's time to live counts from `queued_at_utc` (see policy). The deadline ends the waiting, never the
request: the call lives in the worker's task group, and its reply goes to the bundle or to the spool, never to both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from sg_coach.coach_policy import judge
from sg_coach.errors import CoachError
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing, coaching_after
from sg_coach.timestamps import utc_text
from sg_coach.uncertainty import score_se

from .active import Active
from .errors import AiError, AiInvalid, AiPaused, AiTimeout, AiUsedUp, BundleRefused, StaleTake
from .late_replies import LateReplies
from .models import (
    AiAddendum,
    AiReply,
    AiState,
    Coached,
    CycleReport,
    Origin,
    Take,
    TipSource,
)
from .outcome import Outcome, Outcomes, summary
from .ports import AiCoach, Bundles, Claim, Clock, Gate, Scores, Spool, Tips
from .prompt import build_request
from .race import CycleLimits, Race
from .replies import addendum_from, query_of

RulesSide = Callable[[Callable[[Coached], None]], Awaitable[Coached]]
"""Writes the coach file and its manifest; is given who hears when the hint is out (see `ports.Bundles.coach`)."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CycleRunner:
    """Runs cycles over its ports. `calls` is the task group in which calls outlive their cycle."""

    bundles: Bundles
    spool: Spool
    coach: AiCoach
    gate: Gate
    clock: Clock
    scores: Scores
    tips: Tips
    limits: CycleLimits
    calls: TaskGroup
    stop_asked: anyio.Event = field(default_factory=anyio.Event)
    """Set when the worker is to end: then no call begins."""
    count: Callable[[TipSource], None] = lambda _source: None
    """Told for each take with the AI on where its tip came from."""
    active: Active = field(default_factory=Active, init=False)
    _late: LateReplies = field(init=False)
    open_calls: int = field(default=0, init=False)
    _outcomes: Outcomes = field(default_factory=Outcomes, init=False)

    def __post_init__(self) -> None:
        self._late = LateReplies(self.spool, self.clock, self.stop_asked)

    async def run(
        self, bundle: Path, *, hinted: Callable[[], None] = lambda: None, rules: RulesSide | None = None
    ) -> CycleReport:
        """Coach the take that `bundle` holds; return when its race is over and its files are durable.

        `hinted` is called when the hint is out. `rules` is the rules' side, if it was begun already. A take whose cycle
        runs already is not coached twice: its report is waited for. Raises OSError, UnsafePath or LockTimeout if not
        even the coach file could be written.
        """
        with self.active.running(), self._outcomes.one() as outcome:
            async with anyio.create_task_group() as group:

                def visible(coached: Coached) -> None:
                    hinted()
                    self._hint_is_out(coached, outcome, group)

                await self._write(rules or partial(self.bundles.coach, bundle, self.decide), visible, outcome)
            return await self._conclude(bundle, outcome)

    async def _write(self, rules: RulesSide, visible: Callable[[Coached], None], outcome: Outcome) -> None:
        """Have the rules' side written; what goes wrong is kept in the outcome, so that the AI side ends in peace."""
        try:
            outcome.coached = await rules(visible)
        except (BundleRefused, CoachError, OSError) as error:
            outcome.failure = error
        finally:
            outcome.settled.set()
            self.scores.kick()  # not before: the index's fsyncs would stand in the way of the hint's

    def _hint_is_out(self, coached: Coached, outcome: Outcome, group: TaskGroup) -> None:
        """Start the AI side: the call, the race for its reply, and the look for an earlier reply."""
        outcome.coached = coached
        outcome.hint_ms = round((self.clock.monotonic() - coached.t0) * 1000, 3)
        outcome.take = coached.take.bundle, coached.take.take_id
        running = self._outcomes.first_of(outcome.take, outcome)
        state = self.gate.state()
        if not state.enabled or running is not outcome:  # not: the same take again, whose manifest could not be written
            return
        if self._outcomes.was_unsettled(outcome.take):
            outcome.status = "not_requested"
        else:
            race = self._start_call(coached, outcome, state)
            group.start_soon(self._win_a_tip, coached, race, outcome, name="race")
        group.start_soon(self._apply_waiting, coached, outcome, name="apply waiting reply")

    async def _conclude(self, bundle: Path, outcome: Outcome) -> CycleReport:
        coached, failure = outcome.coached, outcome.failure
        if coached is None:
            return self._without_hint(bundle, failure)
        running = self._outcomes.running((bundle, coached.take.take_id))
        if running is not outcome:
            return await running.finished(coached) if running else outcome.report(coached, None)
        if failure is not None:
            _log.error("settle_failed", clip=coached.take.clip_id, bundle=str(bundle), error=str(failure))
        report = outcome.report(coached, outcome.status)
        _log.info("cycle", **summary(report))
        return report

    def _without_hint(self, bundle: Path, failure: Exception | None) -> CycleReport:
        if failure is not None and not isinstance(failure, BundleRefused):
            raise failure
        _log.warning("cycle_refused", bundle=str(bundle), reason=str(failure))
        return CycleReport(bundle, bundle.name, None, None, error=str(failure), refused=True)

    def decide(self, take: Take) -> Coached:
        """Decide a take by the rules. Runs in the thread that reads and writes its bundle."""
        evaluation = judge(take.session)
        t0 = self.clock.monotonic()

        def coach(before: Standing | None) -> CoachingDeterministic:
            now = utc_text(self.clock.now())
            return coaching_after(before, evaluation, score_se(take.session), clip_id=take.clip_id, created_at_utc=now)

        return Coached(take, evaluation, self.scores.place(take, coach), t0)

    # The AI side

    def _start_call(self, coached: Coached, outcome: Outcome, state: AiState) -> Race:
        """Start the call if one may be made; return its race. The outcome's status says how it stands without reply."""
        race = Race(coached.t0 + self.limits.reply_deadline_s)
        outcome.status = "not_requested"
        if not state.may_ask or self.stop_asked.is_set():
            race.give_up()
        elif self.open_calls >= self.limits.max_open_calls:
            _log.warning("ai_not_asked", clip=coached.take.clip_id, reason="too many open calls", open=self.open_calls)
            race.give_up()
        else:
            outcome.status = "timeout"
            self.open_calls += 1
            self.active.enter()
            self.calls.start_soon(self._call, coached, race, name=f"ask AI for {coached.take.clip_id}")
        return race

    async def _call(self, coached: Coached, race: Race) -> None:
        """Ask, and bring the reply where it belongs. Lives on after the race."""
        with self.active.leaving():
            try:
                await self._ask_and_bring(coached, race)
            finally:
                self.open_calls -= 1
                race.give_up(AiTimeout())

    async def _ask_and_bring(self, coached: Coached, race: Race) -> None:
        try:
            addendum = await self._ask(coached, race)
        except AiPaused as error:
            race.give_up(error)
            _log.debug("ai_failed", clip=coached.take.clip_id, kind=error.kind, reason=str(error))
        except AiError as error:
            race.give_up(error)
            _log.warning("ai_failed", clip=coached.take.clip_id, kind=error.kind, reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever a provider does, the worker goes on
            race.give_up(AiInvalid())
            _log.exception("ai_failed", clip=coached.take.clip_id, kind="bug", reason=type(error).__name__)
        else:
            in_time = race.offer(addendum, self.clock.monotonic()) if self.gate.state().enabled else race.withdraw()
            if not in_time and not race.has_shown_early(addendum):
                await self._late.keep(coached, addendum)

    async def _ask(self, coached: Coached, race: Race) -> AiAddendum:
        take = coached.take
        request = build_request(take.session, coached.evaluation, coached.coaching, clip_id=take.clip_id)

        def early(reply: AiReply) -> None:
            now = self.clock.monotonic()
            race.offer_early(addendum_from(reply, take.clip_id, _ms(now - coached.t0)), now)

        left = self.limits.give_up_after_s - (self.clock.monotonic() - coached.t0)
        with anyio.move_on_after(left):
            reply = await self.coach.ask(request, on_tip=early)
            if not reply.says_something:
                raise AiInvalid("the reply says nothing")
            return addendum_from(reply, take.clip_id, _ms(self.clock.monotonic() - coached.t0))
        raise AiTimeout(f"no complete reply within {self.limits.give_up_after_s:g} s")

    async def _win_a_tip(self, coached: Coached, race: Race, outcome: Outcome) -> None:
        """Wait for a live reply as long as it can be in time; a prepared tip stands in for it."""
        for until in (coached.t0 + self.limits.prepared_at_s, race.closes_at):
            await self._wait(race, until)
            if race.early is None and race.won is None:
                self._settle_for_prepared(coached, race)
        race.close()
        if race.failed is not None and not isinstance(race.failed, AiTimeout):
            outcome.status = "not_requested" if isinstance(race.failed, AiUsedUp) else "error"
        if race.won is not None:
            with anyio.CancelScope(shield=True):
                await outcome.settled.wait()
                await self._attach(coached, race.won, race.origin, outcome)
        self.count(race.origin if outcome.status == "success" else "none")

    async def _wait(self, race: Race, until: float) -> None:
        with anyio.move_on_after(until - self.clock.monotonic()):
            await race.decided.wait()

    def _settle_for_prepared(self, coached: Coached, race: Race) -> None:
        latency_ms, state = _ms(self.clock.monotonic() - coached.t0), self.gate.state()
        if latency_ms >= self.limits.reply_deadline_s * 1000 or not (state.enabled and state.key_present):
            return
        prepared = self.tips.take(coached, latency_ms)
        if prepared is not None:
            race.settle_for(prepared)

    async def _attach(self, coached: Coached, addendum: AiAddendum, origin: Origin, outcome: Outcome) -> None:
        """Write an in-time tip; a live reply that cannot stand in its bundle any more waits in the spool instead."""
        try:
            if not self.gate.state().enabled:
                raise StaleTake("the AI was switched off meanwhile")
            await self.bundles.attach(coached, addendum, origin)
        except (StaleTake, CoachError, OSError) as error:
            _log.warning("ai_reply_not_attached", clip=addendum.clip_id, origin=origin, reason=str(error))
            outcome.status = "timeout" if isinstance(error, StaleTake) else "error"
            if origin == "live":
                await self._late.keep(coached, addendum)
        else:
            outcome.status, outcome.ai, outcome.origin = "success", addendum, origin

    # Earlier replies

    async def _apply_waiting(self, coached: Coached, outcome: Outcome) -> None:
        """Show an earlier clip's late reply with this take, if one is relevant."""
        try:
            claim = await self.spool.claim(query_of(coached), coached.take.bundle)
            if claim is not None:
                with anyio.CancelScope(shield=True):
                    await outcome.settled.wait()
                    await self._apply(coached, claim, outcome)
        except (OSError, CoachError) as error:
            _log.error("apply_failed", clip=coached.take.clip_id, error=str(error))

    async def _apply(self, coached: Coached, claim: Claim, outcome: Outcome) -> None:
        if outcome.failure or not claim.is_fresh() or not self.gate.state().enabled:
            await self.spool.give_back(claim)
            return
        try:
            await self.bundles.attach_queued(coached, claim.document)
        except (StaleTake, CoachError, OSError) as error:
            _log.warning("reply_given_back", clip=claim.context.clip_id, reason=str(error))
            await self.spool.give_back(claim)
        else:
            outcome.applied = claim.context.clip_id
            await self.spool.finish(claim)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
