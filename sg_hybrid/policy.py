"""Which waiting reply may be applied, and for how long. Pure: moments and limits are arguments.

Two clocks meet here. `queued_at_utc` is wall-clock text, and the wall clock may step or start in 1970; so it is asked
once, when a worker first sees an entry, and from then on the age is counted by the boot clock, which runs on while the
machine is suspended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .models import Query, ReplyContext

FIRST_CREDIBLE_YEAR: Final = 2025
"""A wall clock that shows less was never set: the machine has no clock chip and no network yet."""

_FIRST_CREDIBLE_AT: Final = datetime(FIRST_CREDIBLE_YEAR, 1, 1, tzinfo=UTC).timestamp()

WRITING_TIME_S: Final = 2.0
"""Time that another program gets to finish a file that it writes in place, in seconds."""

_MILLISECONDS: Final = 3
"""Decimals of a second that ages are compared with: `queued_at_utc` knows no more."""


@dataclass(frozen=True, slots=True)
class Age:
    """How long a waiting reply may still be used. Seconds of the boot clock."""

    deadline: float
    """Last moment at which it is alive. If the age is unknown: the latest that this moment can be."""
    known: bool = True
    """False until the wall clock is credible; an entry of unknown age is never applied."""
    future: bool = False
    """`queued_at_utc` lay ahead of the wall clock: it counts as now, or as the time of writing (`judge_found`)."""


def is_credible(now: datetime) -> bool:
    """Tell whether a wall clock that shows `now` was ever set."""
    return now.year >= FIRST_CREDIBLE_YEAR


def first_judgement(queued_at: datetime, now: datetime, boottime: float, ttl_s: float) -> Age:
    """Judge an entry that was queued at `queued_at` and is seen for the first time. Both moments are aware datetimes.

    `boottime` is the boot clock at `now`, `ttl_s` the time that a reply stays usable, both in seconds.
    """
    if not is_credible(now):
        return Age(boottime + ttl_s, known=False)
    elapsed = (now - queued_at).total_seconds()
    return Age(boottime + ttl_s - max(elapsed, 0.0), future=elapsed < 0)


def judge_found(queued_at: datetime, written_at: float, now: datetime, boottime: float, ttl_s: float) -> Age:
    """Judge an entry that was found in the queue; `written_at` is when its file was written, in seconds since 1970.

    A time that lies ahead counts as the time of writing, so that no start gives such an entry a new life; as now, if
    that is not credible or lies ahead, too.
    """
    age = first_judgement(queued_at, now, boottime, ttl_s)
    if not age.future or written_at < _FIRST_CREDIBLE_AT:
        return age
    return Age(age.deadline - max(now.timestamp() - written_at, 0.0), future=True)


def judge_own(queued_at: datetime, now: datetime, boottime: float, ttl_s: float) -> Age:
    """Judge a reply that this process queued itself: born a moment ago, whatever an unset wall clock shows."""
    age = first_judgement(queued_at, now, boottime, ttl_s)
    return age if age.known else Age(age.deadline)


def judge_again(age: Age, queued_at: datetime, now: datetime, boottime: float, ttl_s: float) -> Age:
    """Judge an entry of unknown age once more; it never outlives the limit that it got when it was first seen."""
    judged = first_judgement(queued_at, now, boottime, ttl_s)
    if age.known or not judged.known:
        return age
    return Age(min(judged.deadline, age.deadline), future=judged.future)


def is_expired(age: Age, boottime: float) -> bool:
    """Tell whether the time of an entry is over; at exactly its deadline (to the millisecond) it is alive."""
    return round(boottime - age.deadline, _MILLISECONDS) > 0


def is_applicable(age: Age, boottime: float) -> bool:
    """Tell whether an entry of this age may be applied now."""
    return age.known and not is_expired(age, boottime)


def is_settled(changed_at: float, now: datetime, seen_for_s: float) -> bool:
    """Tell whether a file that cannot be read will stay so; one that somebody still writes deserves another look.

    `changed_at` is its time of change in seconds since 1970, `seen_for_s` how long it was seen to be unreadable: that
    counts where the time of change lies ahead of a wall clock that stepped.
    """
    return now.timestamp() - changed_at >= WRITING_TIME_S or seen_for_s >= WRITING_TIME_S


def is_relevant(context: ReplyContext, query: Query) -> bool:
    """Tell whether a reply says something about this take.

    It does if it comes from the same session and program, from another clip, and if the finding that it is about is
    still among the findings of this take.
    """
    return (
        context.session_id == query.session_id
        and context.program == query.program
        and context.clip_id != query.clip_id
        and context.focus in query.focuses
    )
