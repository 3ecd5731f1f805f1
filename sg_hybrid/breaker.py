"""When to stop calling a service that does not work, as values. Nobody asks a clock here: `now` is an argument.

    closed ──3 failures in a row──▶ paused ──time is over──▶ probing (one call) ──works──▶ closed
                                      ▲                                        └──fails──▶ paused

(Nygard, "Release It!": Circuit Breaker.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MAX_PAUSE_S: Final = 600.0
"""Longest pause, whatever a server asks for: a guitar that is switched on again should soon be coached again."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """How many failures in a row make a pause, and how long it lasts (s).

    A service that worked within the last `alive_s` seconds is shaky and not away: it is left alone for
    `short_pause_s` only. So an offline guitar spends nothing, and a bad evening still has tips.
    """

    failures: int = 3
    pause_s: float = 60.0
    short_pause_s: float = 2.0
    alive_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one service. `paused_until` is on the clock that `now` comes from, None while calls go through."""

    failures: int = 0
    paused_until: float | None = None
    probing: bool = False
    worked_at: float | None = None
    """When a call last worked, None if none has yet."""


def admit(state: Breaker, now: float) -> tuple[Breaker, bool]:
    """Return the new state and whether a call may be made. After a pause exactly one call goes through: the probe."""
    if state.paused_until is None:
        return state, True
    if state.probing or now < state.paused_until:
        return state, False
    return replace(state, probing=True), True


def succeeded(now: float) -> Breaker:
    """Return the state after a call that worked."""
    return Breaker(worked_at=now)


def failed(state: Breaker, now: float, limits: BreakerLimits, *, pause_s: float | None = None) -> Breaker:
    """Return the state after a call that failed.

    With `pause_s` (asked for, s) the pause begins at once; it is never shorter than the one that the failures make.
    """
    failures = max(state.failures + 1, limits.failures if state.probing else 0)
    state = replace(state, failures=failures, probing=False)
    pauses = [] if pause_s is None else [min(max(pause_s, 0.0), MAX_PAUSE_S)]
    if failures >= limits.failures:
        alive = state.worked_at is not None and now - state.worked_at <= limits.alive_s
        pauses.append(limits.short_pause_s if alive else limits.pause_s)
    return _paused(state, now + max(pauses)) if pauses else state


def _paused(state: Breaker, until: float) -> Breaker:
    return replace(state, paused_until=until if state.paused_until is None else max(until, state.paused_until))
