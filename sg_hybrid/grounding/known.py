"""The facts that were sent, by unit. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

_NOISE: Final = 1e-6
"""What floating point may add to a difference."""


_TIMING: Final = frozenset({"timing_mean_ms", "timing_p95_ms", "late_events", "notes_on_grid_pct", "error_by_beat_ms"})
"""Figures that say nothing of a take whose timing could not be measured."""


class Known:
    """What a text may say: numbers by unit, signs, and what is not known (None, or an empty list)."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        following, program = facts.get("next_round"), facts.get("program")
        unmeasured = _TIMING if facts.get("timing_measurable") is False else frozenset()
        facts = {name: value for name, value in facts.items() if name not in unmeasured}
        self._facts = facts
        self._findings = _findings(facts.get("findings"))
        self.timing_was_measured = not unmeasured and self.number("total_events") != 0
        """Whether anything is known of how the timing was."""
        self._next: Mapping[str, Any] = following if isinstance(following, Mapping) else {}
        self.tempo_delta = _number(self._next.get("tempo_delta_bpm"))
        """How much faster the next round is, in BPM."""
        self.next_bpm = _number(self._next.get("bpm"))
        """The tempo of the next round, in BPM."""
        self.difficulty_delta = _number(self._next.get("difficulty_delta"))
        """How much harder the next round is."""
        self.beats = _beats(facts.get("error_by_beat_ms"))
        """Signed mean error of each beat of the bar in ms, late is positive; empty if not measured."""
        self.beat_errors = [ms for ms in self.beats if ms is not None]
        """The errors of those beats that were measured, in ms."""
        self.meter = str(facts.get("meter", ""))
        """As `4/4`; empty if not known."""
        self.verdict = str(facts.get("take_result", ""))
        """`pass`, `struggle` or `fail`; empty if not known."""
        self.label = str(program.get("name", "")).lower() if isinstance(program, Mapping) else ""
        """The program's name in lower case."""

    def number(self, name: str) -> float | None:
        """Return a fact, None if it is not known."""
        return _number(self._facts.get(name))

    def worst_of(self, code: str) -> str | None:
        """Return the severity of a finding, None if there is none of this code."""
        return self._findings.get(code)

    def is_false(self, name: str) -> bool:
        """Return whether a fact is known to be false."""
        return self._facts.get(name) is False

    def is_true(self, name: str) -> bool:
        """Return whether a fact is known to be true."""
        return self._facts.get(name) is True

    def numbers(self, *names: str) -> list[float]:
        """Return those of the named facts that are known."""
        return [value for name in names if (value := self.number(name)) is not None]

    def next_round(self, name: str) -> str | None:
        """Return what was decided about the next round in a word."""
        value = self._next.get(name)
        return value if isinstance(value, str) else None

    @property
    def beats_in_a_bar(self) -> int:
        """How many beats a bar has, as far as the meter tells."""
        count = self.meter.partition("/")[0]
        return int(count) if count.isdecimal() and len(count) <= 2 else 4


def rounds_to(value: float, decimals: int, facts: Iterable[float], *, hedged: bool = False) -> bool:
    """Return whether a fact, rounded as `value` is written, gives `value`.

    What is only about so much (`hedged`, from 10 on) may be rounded to fives. Signs are left out.
    """
    tolerance = 0.5 * 10.0**-decimals + _NOISE
    if hedged and value >= 10 and value % 5 == 0:
        tolerance = 2.5 + _NOISE
    return any(abs(value - abs(fact)) <= tolerance for fact in facts)


def _beats(errors: object) -> list[float | None]:
    beats = [_number(one) for one in errors] if isinstance(errors, list | tuple) else []
    return beats if any(one is not None for one in beats) else []


def _findings(found: object) -> dict[str, str]:
    """Return the severities by code."""
    rows = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []
    return {str(one.get("code")): str(one.get("severity")) for one in rows}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
