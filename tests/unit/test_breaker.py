"""When a service that does not work is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sg_hybrid.breaker import MAX_PAUSE_S, Breaker, BreakerLimits, admit, failed, succeeded

LIMITS = BreakerLimits(failures=3, pause_s=60.0)


def after_failures(count: int, now: float = 0.0) -> Breaker:
    state = Breaker()
    for _ in range(count):
        state = failed(state, now, LIMITS)
    return state


def test_two_failures_change_nothing_and_the_third_pauses() -> None:
    assert admit(after_failures(2), 0.0)[1]
    assert not admit(after_failures(3), 0.0)[1]


def test_a_success_forgets_earlier_failures() -> None:
    assert succeeded(5.0) == Breaker(worked_at=5.0)


def test_after_the_pause_one_probe_goes_through() -> None:
    state = after_failures(3)
    assert not admit(state, 59.999)[1]
    probing, admitted = admit(state, 60.0)
    assert admitted
    assert not admit(probing, 61.0)[1]


def test_a_failed_probe_pauses_again_and_a_good_one_ends_it() -> None:
    probing, _ = admit(after_failures(3), 60.0)
    again = failed(probing, 65.0, LIMITS)
    assert not admit(again, 124.9)[1]
    assert admit(again, 125.0)[1]
    assert admit(succeeded(65.0), 65.0)[1]


def test_a_pause_that_is_asked_for_begins_at_once_and_is_bounded() -> None:
    assert failed(Breaker(), 10.0, LIMITS, pause_s=5.0).paused_until == 15.0
    assert failed(Breaker(), 10.0, LIMITS, pause_s=1e9).paused_until == 10.0 + MAX_PAUSE_S
    assert failed(Breaker(), 10.0, LIMITS, pause_s=-1).paused_until == 10.0


def test_a_service_that_asks_for_short_pauses_only_is_left_alone_like_any_other() -> None:
    state = Breaker()
    for now in (0.0, 5.0, 10.0):
        state = failed(state, now, LIMITS, pause_s=1.0)
    assert state.paused_until == 70.0
    assert failed(state, 70.0, LIMITS, pause_s=0.0).paused_until == 130.0


def test_a_short_pause_does_not_shorten_a_long_one() -> None:
    long = failed(Breaker(), 0.0, LIMITS, pause_s=600.0)
    assert failed(long, 1.0, LIMITS).paused_until == 600.0


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())))
def test_between_two_answers_never_more_than_one_call_passes_while_the_service_fails(
    steps: list[tuple[float, bool]],
) -> None:
    state, now, open_probes = after_failures(3), 0.0, 0
    for wait, answers in steps:
        now += wait
        state, admitted = admit(state, now)
        open_probes += admitted
        assert open_probes <= 1
        if answers and open_probes:
            state, open_probes = failed(state, now, LIMITS), 0


def test_a_service_that_worked_a_moment_ago_is_left_alone_for_a_moment_only() -> None:
    state = succeeded(0.0)
    for now in (10.0, 20.0, 30.0):
        state = failed(state, now, LIMITS)
    assert state.paused_until == 32.0
    probing, admitted = admit(state, 32.0)
    assert admitted
    assert failed(probing, 61.0, LIMITS).paused_until == 121.0, "a minute without any success: it is away"
