"""Tries every point of every scenario in every mode, two trials at a time, and counts."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from . import trial
from .again import Tried, crashes_in_recovery
from .cuts import power_cuts, recorded
from .injector.engine import SIGNALS, Fault, Point
from .injector.syscalls import CLOSES, READ_SIDE, applies
from .scenarios import SCENARIOS
from .trial import Judge, Survey

STRIKES: Final = ("KILL", "TERM", "ENOSPC", "EIO", "EACCES", "EMFILE")
LASTING: Final = {"ENOSPC-on": "ENOSPC", "EIO-on": "EIO"}
"""From the point on, every call that the error applies to fails: a disk that stays full, or broken."""

AGAIN: Final = "again"
"""A kill at every point of the restart after every crash, and of the restart after that, until no state is new."""

POWER: Final = ("power:posix", "power:ext4")
MODES: Final = (*STRIKES, *LASTING, AGAIN, *POWER)
AT_ONCE: Final = 2
_CHUNK: Final = 24


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold. `point` is what `--point` takes."""

    scenario: str
    mode: str
    point: int
    where: str
    problems: list[str]


@dataclass(slots=True)
class Row:
    """What came of one scenario in one mode."""

    scenario: str
    mode: str
    points: int = 0
    reached: int = 0
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)

    def add(self, other: Row) -> None:
        self.points += other.points
        self.reached += other.reached
        self.seconds += other.seconds
        self.violations += other.violations


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried: every `every`-th point, or the one with number `point`."""

    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    modes: tuple[str, ...] = MODES
    every: int = 1
    point: int | None = None
    keep: str | None = None


def run(plan: Plan, told: Callable[[Row], None] = lambda _row: None) -> list[Row]:
    """Carry a plan out; `told` hears of each finished part.

    Raises trial.Wrong if a scenario is wrong without faults.
    """
    rows: dict[tuple[str, str], Row] = {}
    gc.freeze()  # so that collections in the many children copy nothing
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("fork")) as pool:
        for future in as_completed(_submit(pool, plan)):
            for row in future.result():
                told(row)
                rows.setdefault((row.scenario, row.mode), Row(row.scenario, row.mode)).add(row)
    return [rows[scenario, mode] for scenario in plan.scenarios for mode in plan.modes if (scenario, mode) in rows]


def _submit(pool: ProcessPoolExecutor, plan: Plan) -> Iterator[Future[list[Row]]]:
    """The long parts first, so that none is left over at the end."""
    surveys = {name: pool.submit(_survey, name) for name in plan.scenarios}
    cutting = [mode for mode in plan.modes if mode in POWER]
    parts: list[Future[list[Row]]] = []
    if AGAIN in plan.modes:
        parts += [pool.submit(_again, surveys[name].result(), plan) for name in plan.scenarios]
    if cutting:
        parts += [pool.submit(_cut, surveys[name].result(), cutting, plan) for name in plan.scenarios]
    striking = [mode for mode in plan.modes if mode in STRIKES or mode in LASTING]
    for name in plan.scenarios:
        survey = surveys[name].result()
        for strike in striking:
            for chunk in _chunks(points_of(survey, strike), plan):
                parts.append(pool.submit(_strike, survey, strike, chunk))
    return iter(parts)


def points_of(survey: Survey, mode: str) -> list[tuple[int, Point]]:
    """The numbered points of a mode that strikes."""
    kind = LASTING.get(mode, mode)
    points = survey.points(kind)
    if mode in SIGNALS:
        points = trial.crash_points(survey)
    elif mode in LASTING:
        points = [point for point in survey.writes if applies(kind, point.call) and point.call not in CLOSES]
    return list(enumerate(points, 1))


def chosen(points: Sequence[Any], plan: Plan) -> list[Any]:
    """Those of numbered points that a plan names."""
    if plan.point is not None:
        return [numbered for numbered in points if numbered[0] == plan.point]
    return list(trial.spread(points, plan.every))


def _chunks(points: list[tuple[int, Point]], plan: Plan) -> Iterable[list[tuple[int, Point]]]:
    points = chosen(points, plan)
    return (points[start : start + _CHUNK] for start in range(0, len(points), _CHUNK))


# In the processes that try


@cache
def _judge() -> Judge:
    return Judge()


def _survey(name: str) -> Survey:
    return trial.survey(SCENARIOS[name])


def _strike(survey: Survey, mode: str, points: list[tuple[int, Point]]) -> list[Row]:
    began, name = time.monotonic(), survey.before.scenario.name
    row = Row(name, mode)
    for number, point in points:
        fault = Fault(LASTING.get(mode, mode), point, lasting=mode in LASTING, reads=mode in READ_SIDE)
        run, problems = trial.tried(survey, _judge(), fault)
        row.points += 1
        row.reached += run.struck is not None
        if problems:
            row.violations.append(Violation(name, mode, number, str(point), problems))
    row.seconds = time.monotonic() - began
    return [row]


def _again(survey: Survey, plan: Plan) -> list[Row]:
    return [_whole(survey, AGAIN, crashes_in_recovery(survey, _judge(), plan.every), plan)]


def _cut(survey: Survey, modes: list[str], plan: Plan) -> list[Row]:
    recording = recorded(survey)
    return [_whole(survey, mode, power_cuts(survey, recording, _judge(), mode, plan.every), plan) for mode in modes]


def _whole(survey: Survey, mode: str, tried: Tried, plan: Plan) -> Row:
    began, name = time.monotonic(), survey.before.scenario.name
    row = Row(name, mode)
    for number, (where, problems) in enumerate(tried, 1):
        row.points += 1
        row.reached += 1
        if problems and plan.point in (None, number):
            row.violations.append(Violation(name, mode, number, where, problems))
    row.seconds = time.monotonic() - began
    return row
