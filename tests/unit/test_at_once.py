"""The short way of a lone take: what the event loop hears, in which order, whatever the thread meets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import anyio
import pytest

from sg_hybrid.at_once import AtOnce, Begun
from sg_hybrid.models import Coached

BUNDLE = Path("bundles/clip_a")
COACHED = cast(Coached, object())
"""What it is does not matter here: it is handed on."""


class Loop:
    """The event loop's side: the calls that were left, made when the test says so."""

    def __init__(self) -> None:
        self.left: list[Callable[[], None]] = []
        self.begun: list[Begun] = []
        self.dropped: list[Path] = []
        self.in_hand: dict[Path, None] = {}

    def make_calls(self) -> None:
        while self.left:
            self.left.pop(0)()


def at_once(loop: Loop, coach: Callable[..., Coached | None], *, may: bool = True) -> AtOnce:
    return AtOnce(
        coach=coach,
        decide=lambda _take: COACHED,
        leave=loop.left.append,
        start=loop.begun.append,
        drop=loop.dropped.append,
        may=lambda: may,
        in_hand=loop.in_hand,
    )


async def test_the_cycle_goes_on_as_soon_as_the_hint_is_out() -> None:
    loop = Loop()
    heard: list[Coached] = []

    def coach(_bundle: Path, _decide: object, visible: Callable[[Coached], None]) -> Coached:
        visible(COACHED)
        loop.make_calls()
        assert loop.begun, "told before all is durable"
        return COACHED

    assert at_once(loop, coach)(BUNDLE)
    (begun,) = loop.begun
    async with anyio.create_task_group() as group:

        async def rules() -> None:
            assert await begun.coach(heard.append) is COACHED

        group.start_soon(rules)
        await anyio.wait_all_tasks_blocked()
        assert heard == [COACHED]
        loop.make_calls()
    assert begun.bundle == BUNDLE


async def test_a_take_that_was_coached_before_tells_of_no_hint() -> None:
    loop = Loop()
    assert at_once(loop, lambda *_: COACHED)(BUNDLE)
    loop.make_calls()
    assert await loop.begun[0].coach(lambda _coached: pytest.fail("no new hint")) is COACHED


@pytest.mark.parametrize("after_the_hint", [True, False])
async def test_what_went_wrong_is_raised_in_the_cycle(after_the_hint: bool) -> None:
    loop = Loop()
    heard: list[Coached] = []

    def coach(_bundle: Path, _decide: object, visible: Callable[[Coached], None]) -> Coached:
        if after_the_hint:
            visible(COACHED)
        raise OSError("disk full")

    assert at_once(loop, coach)(BUNDLE)
    loop.make_calls()
    with pytest.raises(OSError, match="disk full"):
        await loop.begun[0].coach(heard.append)
    assert heard == ([COACHED] if after_the_hint else [])


def test_what_has_to_go_the_long_way_is_dropped() -> None:
    loop = Loop()
    short = at_once(loop, lambda *_: None)
    assert short.accept(BUNDLE)
    assert not short(BUNDLE)
    loop.make_calls()
    assert loop.dropped == [BUNDLE]
    assert short.accept(BUNDLE), "it is not in hand any more"


def test_while_one_take_is_in_hand_no_other_is_accepted_until_its_hint_is_out() -> None:
    loop, other = Loop(), Path("bundles/clip_b")
    accepted: list[bool] = []

    def coach(_bundle: Path, _decide: object, visible: Callable[[Coached], None]) -> Coached:
        accepted.append(short.accept(other))
        visible(COACHED)
        accepted.append(short.accept(other))
        return COACHED

    short = at_once(loop, coach)
    assert short.accept(BUNDLE)
    assert short(BUNDLE)
    assert accepted == [False, True]
    assert not at_once(Loop(), coach, may=False).accept(BUNDLE)
