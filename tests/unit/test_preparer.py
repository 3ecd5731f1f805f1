"""Who asks for tips while the player plays, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from sg_coach.coach_policy import evaluate_session
from sg_coach.progression import apply_progression_policy
from sg_hybrid.errors import AiBusy, AiError, AiPaused, AiRejected
from sg_hybrid.models import AiReply, Coached, CoachRequest, Take
from sg_hybrid.prepared import PreparedTip, TipClass, TipKey, clip_from, key_for
from sg_hybrid.preparer import MOST_UNUSABLE, OPEN_CALLS, Preparer
from tests.fake_edges import FakeGate, session
from tests.fakes import FakeClock


class MemoryBank:
    """Tips in memory."""

    def __init__(self) -> None:
        self.tips: dict[TipKey, PreparedTip] = {}

    def wanted(self, keys: Iterable[TipKey]) -> list[TipKey]:
        return [key for key in keys if key not in self.tips or len(self.tips[key].texts) < 2]

    def peek(self, key: TipKey) -> PreparedTip | None:
        tip = self.tips.get(key)
        return tip if tip and tip.texts else None

    def take(self, key: TipKey) -> PreparedTip | None:
        tip = self.peek(key)
        if tip:
            self.tips[key] = tip.without_first()
        return tip

    async def put(self, tip: PreparedTip) -> None:
        self.tips[tip.key] = tip

    async def save_used(self) -> None:
        return


@dataclass
class SlowCoach:
    """Takes a second for each call; counts how many run at once."""

    fail: type[AiError] | None = None
    takes_s: float = 1.0
    running: int = 0
    most: int = 0
    asked: list[CoachRequest] = field(default_factory=list)

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        self.asked.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(self.takes_s)
        finally:
            self.running -= 1
        if self.fail:
            raise self.fail
        number = "abcdefghijklmnopqrstuvwxyz"[len(self.asked) % 26]
        return AiReply("a:b@c", coaching_tip=f"Play softer {number}.", exercise_hint=f"Clap {number}.")


@dataclass
class Desk:
    """A preparer over fakes."""

    coach: SlowCoach = field(default_factory=SlowCoach)
    gate: FakeGate = field(default_factory=FakeGate)
    bank: MemoryBank = field(default_factory=MemoryBank)
    enabled: bool = True
    asks: bool = True
    tags_by_name: bool = False
    tags: dict[str, Any] = field(default_factory=lambda: {"style": "salsa"})

    @asynccontextmanager
    async def preparer(self) -> AsyncIterator[Preparer]:
        async def tags_of(bundle: Path) -> dict[str, Any]:
            return {"style": bundle.name} if self.tags_by_name else self.tags

        made = Preparer(
            bank=self.bank,
            coach=self.coach,
            gate=self.gate,
            clock=FakeClock(),
            model="m",
            tags_of=tags_of,
            enabled=self.enabled,
            asks=self.asks,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(made.run)
            yield made
            group.cancel_scope.cancel()

    def coached(self) -> Coached:
        take = Take(Path("b"), "clip_a", "sha256:0", session(), self.tags)
        evaluation = evaluate_session(take.session)
        now = "2026-02-04T12:00:00.000Z"
        return Coached(
            take, evaluation, apply_progression_policy(evaluation, clip_id="clip_a", created_at_utc=now), 0.0
        )


async def test_a_clip_gets_a_tip_for_each_class_three_calls_at_a_time() -> None:
    desk = Desk()
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(3.5)
    assert {key.tip_class for key in desk.bank.tips} == set(TipClass)
    assert desk.coach.most == 3
    assert len(desk.coach.asked) == 9


async def test_a_second_clip_of_the_same_program_costs_nothing() -> None:
    desk = Desk()
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(1.5)
        preparer.bundle_appeared(Path("c"))
        await anyio.sleep(5)
    assert len(desk.coach.asked) == 9


async def test_the_same_words_are_never_shown_twice_and_new_ones_are_asked_for() -> None:
    desk, shown = Desk(), []
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(4)
        for _ in range(6):
            addendum = preparer.take(desk.coached(), 450)
            assert addendum is not None
            shown.append(addendum.coaching_tip)
            await anyio.sleep(2)
    assert len(set(shown)) == 6
    assert all(request.facts["diagnosis"] == "timing_warn" for request in desk.coach.asked[9:])


async def test_after_a_take_new_texts_are_asked_for_if_none_is_left_else_with_the_next_clip() -> None:
    """Nobody pays for what the last take of an evening would have used."""
    desk = Desk()
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(4)
        assert preparer.take(desk.coached(), 450)
        await anyio.sleep(4)
        assert len(desk.coach.asked) == 9
        preparer.bundle_appeared(Path("c"))
        await anyio.sleep(4)
        assert len(desk.coach.asked) == 10
        for _ in range(2):
            assert preparer.take(desk.coached(), 450)
        await anyio.sleep(4)
        assert len(desk.coach.asked) == 11


@pytest.mark.parametrize("gate", [FakeGate(enabled=False), FakeGate(key_present=False), FakeGate(within_limits=False)])
async def test_nobody_is_asked_without_permission_key_or_allowance(gate: FakeGate) -> None:
    desk = Desk(gate=gate)
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(5)
    assert desk.coach.asked == []


async def test_switched_off_by_its_setting_it_asks_and_gives_nothing() -> None:
    desk = Desk(enabled=False)
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(5)
        assert preparer.take(desk.coached(), 450) is None
    assert desk.coach.asked == []


async def test_a_failing_ai_is_asked_again_with_the_next_clip() -> None:
    desk = Desk(coach=SlowCoach(fail=AiBusy))
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(60)
        assert len(desk.coach.asked) == 4 * 9, "a few times, and then no more"
        desk.coach.fail = None
        preparer.bundle_appeared(Path("c"))
        await anyio.sleep(5)
    assert len(desk.bank.tips) == 9


async def test_a_service_that_is_left_alone_costs_no_tries() -> None:
    desk = Desk(coach=SlowCoach(fail=AiPaused, takes_s=0))
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(30)
        desk.coach.fail = None
        await anyio.sleep(3)
        assert len(desk.bank.tips) == 9
        desk.bank.tips.clear()
        desk.coach.fail = AiPaused
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(120)
        asked = len(desk.coach.asked)
        await anyio.sleep(3600)
        assert len(desk.coach.asked) == asked, "it does not look for ever"


async def test_a_slow_service_is_waited_for_and_its_tips_are_kept() -> None:
    desk = Desk(coach=SlowCoach(takes_s=10))
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(60)
        assert len(desk.bank.tips) == 9
        assert desk.coach.most <= OPEN_CALLS
        asked = len(desk.coach.asked)
        desk.bank.tips.clear()
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(60)
    assert len(desk.bank.tips) == 9
    assert len(desk.coach.asked) == asked + 9, "by now it is known how long a call takes"


async def test_calls_that_hang_take_nobody_s_place_for_long_and_stay_few() -> None:
    desk = Desk(coach=SlowCoach(takes_s=1000))
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(4.1)
        assert len({request.facts["diagnosis"] for request in desk.coach.asked}) == 6
        await anyio.sleep(500)
        assert desk.coach.most == OPEN_CALLS


async def test_a_clip_that_was_refused_is_asked_for_when_that_is_over() -> None:
    desk = Desk(gate=FakeGate(enabled=False))
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(100)
        assert desk.coach.asked == []
        desk.gate.enabled = True
        await anyio.sleep(10)
    assert len(desk.bank.tips) == 9


async def test_of_the_clips_that_were_refused_the_newest_is_asked_for() -> None:
    desk = Desk(gate=FakeGate(enabled=False), tags_by_name=True)
    async with desk.preparer() as preparer:
        for style in ("older", "old", "new"):
            preparer.bundle_appeared(Path(style))
        await anyio.sleep(100)
        desk.gate.enabled = True
        await anyio.sleep(10)
    assert {key.program for key in desk.bank.tips} == {"new", "any"}


async def test_at_the_end_nothing_is_asked_and_what_was_asked_is_kept() -> None:
    desk = Desk()
    async with desk.preparer() as preparer:
        preparer.bundle_appeared(Path("b"))
        await anyio.sleep(0.5)
        await preparer.finish()
        assert len(desk.bank.tips) == 3
        await anyio.sleep(10)
    assert len(desk.coach.asked) == 3


async def test_a_model_that_does_not_understand_slots_is_asked_no_more() -> None:
    desk = Desk(coach=SlowCoach(fail=AiRejected))
    async with desk.preparer() as preparer:
        for _ in range(5):
            preparer.bundle_appeared(Path("b"))
            await anyio.sleep(60)
    assert MOST_UNUSABLE <= len(desk.coach.asked) < MOST_UNUSABLE + 3


async def test_what_is_there_is_given_although_nothing_is_asked() -> None:
    desk = Desk(asks=False)
    key = key_for(clip_from(desk.tags), TipClass.TIMING_WARN, "m")
    async with desk.preparer() as preparer:
        await desk.bank.put(PreparedTip(key, ("Play softer.",), "a:b@c", "2026-02-04T12:00:00.000Z"))
        assert preparer.take(desk.coached(), 450) is not None
        await anyio.sleep(10)
    assert desk.coach.asked == []


async def test_the_first_take_of_a_program_has_the_live_race_alone_and_the_next_has_tips() -> None:
    desk = Desk()
    async with desk.preparer() as preparer:
        assert preparer.take(desk.coached(), 450) is None
        await anyio.sleep(4)
        assert preparer.take(desk.coached(), 450) is not None


async def test_a_filled_text_that_the_facts_do_not_bear_out_is_passed_over() -> None:
    desk = Desk()
    key = key_for(clip_from(desk.tags), TipClass.TIMING_WARN, "m")
    texts = ("You rush by {timing_p95_ms} ms, so slow down.", "Play softer and land on the click.")
    async with desk.preparer() as preparer:
        await desk.bank.put(PreparedTip(key, texts, "a:b@c", "2026-02-04T12:00:00.000Z"))
        addendum = preparer.take(desk.coached(), 450)
    assert addendum is not None
    assert addendum.coaching_tip == texts[1]
