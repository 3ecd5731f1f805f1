"""When to stop calling a service that does not work, as values. Nobody asks a clock here: `now` is an argument.

    closed ──3 failures in a row──▶ paused ──time is over──▶ probing (one call) ──works──▶ closed
                                      ▲                                        └──fails──▶ paused

(Nygard, "Release It!": Circuit Breaker.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_PAUSE_S: Final = 600.0
"""Longest pause, whatever a server asks for: a guitar that is switched on again should soon be coached again."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """How many failures in a row make a pause, and how long it lasts (s)."""

    failures: int = 3
    pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one service. `paused_until` is on the clock that `now` comes from, None while calls go through."""

    failures: int = 0
    paused_until: float | None = None
    probing: bool = False


def admit(state: Breaker, now: float) -> tuple[Breaker, bool]:
    """Return the new state and whether a call may be made. After a pause exactly one call goes through: the probe."""
    if state.paused_until is None:
        return state, True
    if state.probing or now < state.paused_until:
        return state, False
    return Breaker(state.failures, state.paused_until, probing=True), True


def succeeded() -> Breaker:
    """Return the state after a call that worked."""
    return Breaker()


def failed(state: Breaker, now: float, limits: BreakerLimits, *, pause_s: float | None = None) -> Breaker:
    """Return the state after a call that failed. With `pause_s` (asked for, s) the pause begins at once."""
    failures = state.failures + 1
    if pause_s is not None:
        return Breaker(failures, _later(state, now + min(max(pause_s, 0.0), MAX_PAUSE_S)))
    if state.probing or failures >= limits.failures:
        return Breaker(failures, _later(state, now + limits.pause_s))
    return Breaker(failures, state.paused_until)


def _later(state: Breaker, until: float) -> float:
    return until if state.paused_until is None else max(until, state.paused_until)
