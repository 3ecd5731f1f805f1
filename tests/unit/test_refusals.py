"""Which refused takes are worth another try."""

from __future__ import annotations

from typing import Any

from sg_hybrid.refusals import MOST_REFUSED, Refusals


def test_a_refused_take_is_worth_one_more_try_whatever_stands_beside_it() -> None:
    refusals = Refusals()
    refusals.note("a")
    assert refusals.beside() == {"a": None}
    assert refusals.bring_again({"a": 7}) == ["a"]
    assert refusals.beside() == {}, "it has its try"
    refusals.note("a")
    assert refusals.beside() == {"a": 7}, "what stood there before the try"


def test_a_take_that_came_anew_is_forgotten() -> None:
    refusals = Refusals()
    refusals.note("a")
    refusals.forget("a")
    refusals.forget("unknown")
    assert refusals.bring_again({"a": 7}) == []
    refusals.note("a")
    assert refusals.beside() == {"a": None}


def test_a_take_that_comes_anew_while_it_is_tried_again_harms_nobody() -> None:
    refusals = Refusals()
    refusals.note("a")

    class Meanwhile(dict[str, int]):
        """After it was looked at, another thread forgets the take."""

        def items(self) -> Any:
            yield from super().items()
            refusals.forget("a")

    refusals.bring_again(Meanwhile(a=7))
    assert refusals.beside() == {}


def test_a_try_before_the_last_look_says_nothing() -> None:
    refusals = Refusals()
    refusals.note("a")
    refusals.bring_again({"a": 7})
    refusals.bring_again({})
    refusals.note("a")
    assert refusals.beside() == {"a": None}


def test_of_too_many_the_first_is_forgotten() -> None:
    refusals = Refusals()
    for number in range(MOST_REFUSED + 1):
        refusals.note(str(number))
    assert len(refusals.beside()) == MOST_REFUSED
    assert "0" not in refusals.beside()
