"""Which waiting reply may be applied, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_hybrid import policy
from sg_hybrid.policy import Age
from tests.late_replies import OTHER_SESSION, context, query

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)
UNSET = datetime(1970, 1, 1, 0, 3, tzinfo=UTC)
TTL_S = 300.0

boottimes = st.floats(0, 1e8)
milliseconds = st.integers(0, 10_000_000)


def age_at(queued_at: datetime, *, now: datetime = NOW, boottime: float = 1000.0) -> Age:
    return policy.first_judgement(queued_at, now, boottime, TTL_S)


# Relevance


def test_a_reply_of_the_same_session_program_and_focus_is_relevant() -> None:
    assert policy.is_relevant(context(), query())


def test_progress_is_a_focus_like_any_other() -> None:
    assert policy.is_relevant(context(focus="progress"), query(focuses=frozenset({"progress"})))


@pytest.mark.parametrize(
    "change",
    [{"session_id": OTHER_SESSION}, {"program": "ztex:scales"}, {"focus": "PANIC_USED"}, {"clip_id": "clip_now"}],
    ids=["another session", "another program", "a finding that is gone", "the clip itself"],
)
def test_one_difference_makes_it_irrelevant(change: dict[str, str]) -> None:
    assert not policy.is_relevant(replace(context(), **change), query())


# Age


@pytest.mark.parametrize(
    ("age_ms", "is_alive"), [(0, True), (299_999, True), (300_000, True), (300_001, False), (10_000_000, False)]
)
def test_the_time_to_live_is_exact_to_the_millisecond(age_ms: int, is_alive: bool) -> None:
    age = age_at(NOW - timedelta(milliseconds=age_ms))

    assert policy.is_applicable(age, 1000.0) is is_alive
    assert policy.is_expired(age, 1000.0) is not is_alive


@given(waited_ms=milliseconds, more_ms=milliseconds, boottime=boottimes)
def test_wall_clock_before_and_boot_clock_after_the_first_look_add_up(
    waited_ms: int, more_ms: int, boottime: float
) -> None:
    age = age_at(NOW - timedelta(milliseconds=waited_ms), boottime=boottime)

    assert policy.is_expired(age, boottime + more_ms / 1000) is (waited_ms + more_ms > TTL_S * 1000)
    assert not age.future


@given(ahead_ms=st.integers(1, 10**14), boottime=boottimes)
def test_a_time_in_the_future_counts_as_now_and_is_flagged(ahead_ms: int, boottime: float) -> None:
    age = age_at(NOW + timedelta(milliseconds=ahead_ms), boottime=boottime)

    assert age == Age(boottime + TTL_S, known=True, future=True)


@pytest.mark.parametrize("year", [1, 1970, 2024])
def test_a_very_old_entry_is_expired_at_once(year: int) -> None:
    assert policy.is_expired(age_at(datetime(year, 1, 1, tzinfo=UTC)), 1000.0)


def test_an_unset_wall_clock_makes_the_age_unknown_and_the_entry_not_applicable() -> None:
    age = age_at(NOW, now=UNSET)

    assert not age.known
    assert not policy.is_applicable(age, 1000.0)


@given(queued=st.integers(-10_000_000, 10_000_000), waited_ms=milliseconds)
def test_an_entry_of_unknown_age_never_outlives_its_time_after_the_first_look(queued: int, waited_ms: int) -> None:
    queued_at = NOW + timedelta(milliseconds=queued)
    first = age_at(queued_at, now=UNSET)
    boottime = 1000.0 + waited_ms / 1000

    age = policy.judge_again(first, queued_at, NOW, boottime, TTL_S)

    assert age.known
    assert age.deadline <= 1000.0 + TTL_S
    assert policy.is_expired(age, 1000.0 + TTL_S + 0.001)


def test_an_entry_of_unknown_age_is_judged_by_its_own_time_once_the_clock_is_set() -> None:
    queued_at = NOW - timedelta(seconds=290)
    first = age_at(queued_at, now=UNSET)

    age = policy.judge_again(first, queued_at, NOW, 1005.0, TTL_S)

    assert policy.is_applicable(age, 1015.0)
    assert policy.is_expired(age, 1015.001)


def test_what_is_known_is_not_judged_again() -> None:
    age = age_at(NOW)

    assert policy.judge_again(age, NOW, NOW + timedelta(hours=1), 1001.0, TTL_S) == age
    unknown = age_at(NOW, now=UNSET)
    assert policy.judge_again(unknown, NOW, UNSET, 1001.0, TTL_S) == unknown


def test_our_own_reply_is_fresh_even_if_the_wall_clock_was_never_set() -> None:
    age = policy.judge_own(UNSET, UNSET, 1000.0, TTL_S)

    assert policy.is_applicable(age, 1300.0)
    assert policy.is_expired(age, 1300.001)


@pytest.mark.parametrize(
    ("written_s_ago", "life_s"), [(0.0, 300.0), (100.0, 200.0), (400.0, -100.0), (-50.0, 300.0), (-1e15, 300.0)]
)
def test_an_entry_from_the_future_is_as_old_as_its_file(written_s_ago: float, life_s: float) -> None:
    written_at = NOW.timestamp() - written_s_ago
    age = policy.judge_found(NOW + timedelta(hours=1), written_at, NOW, 1000.0, 300.0)
    assert age == policy.Age(1000.0 + life_s, future=True)


def test_a_file_from_before_clocks_were_set_says_nothing_about_an_entry_from_the_future() -> None:
    assert policy.judge_found(NOW + timedelta(hours=1), 1.0, NOW, 1000.0, 300.0) == policy.Age(1300.0, future=True)


def test_the_time_of_a_file_says_nothing_about_an_entry_that_tells_a_time() -> None:
    age = policy.judge_found(NOW - timedelta(seconds=10), 0.0, NOW, 1000.0, 300.0)
    assert age == policy.Age(1290.0)


def test_our_own_reply_that_the_disk_refused_for_a_while_is_as_old_as_it_says() -> None:
    age = policy.judge_own(NOW - timedelta(seconds=60), NOW, 1000.0, TTL_S)

    assert age.deadline == pytest.approx(1240.0)


# Files that somebody may still be writing


@pytest.mark.parametrize(
    ("changed_s_ago", "seen_for_s", "is_settled"),
    [(0.0, 0.0, False), (1.9, 1.9, False), (2.0, 0.0, True), (-3600.0, 0.0, False), (-3600.0, 2.0, True)],
    ids=["just written", "a moment ago", "old", "ahead of the clock", "ahead of the clock, but seen for a while"],
)
def test_an_unreadable_file_gets_time_to_be_finished(changed_s_ago: float, seen_for_s: float, is_settled: bool) -> None:
    assert policy.is_settled(NOW.timestamp() - changed_s_ago, NOW, seen_for_s) is is_settled


def test_a_clock_is_believed_from_2025_on() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert policy.is_credible(start)
    assert not policy.is_credible(start - timedelta(milliseconds=1))
