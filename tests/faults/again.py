"""Crashes during recovery, and during the recovery from that: a search over states until none is new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import tree
from .facts import parsed
from .injector import engine
from .injector.engine import Fault, Point
from .stage import Stage, recover
from .trial import TIMEOUT_S, Judge, Survey, arranged, changes, crash_points, sandbox, state_key

Tried = Iterator[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class State:
    """What a crash left, and what had been said by then."""

    path: str
    """How it was reached."""
    tree: tree.Tree
    journal: bytes


def crashes_in_recovery(survey: Survey, judge: Judge, every: int = 1) -> Tried:
    """Yield each kill of a restart: where, and what did not hold after it."""
    todo = _first_crashes(survey, every)
    seen = {_key(survey, state) for state in todo}
    while todo:
        state = todo.pop()
        for point in _restart_points(survey, state)[::every]:
            after, problems = _killed_again(survey, judge, state, point)
            yield f"{state.path}, then {point}", problems
            if not problems and (key := _key(survey, after)) not in seen:
                seen.add(key)
                todo.append(after)


def _first_crashes(survey: Survey, every: int) -> list[State]:
    """The distinct states that a kill of the scenario's own run leaves."""
    states: dict[bytes, State] = {}
    scenario = survey.before.scenario
    for point in crash_points(survey)[::every]:
        with arranged(scenario) as stage:
            engine.run(lambda stage=stage: stage.play(scenario.act), str(stage.box), fault=Fault("KILL", point))  # type: ignore[misc]
            state = _state(stage, str(point))
        states.setdefault(_key(survey, state), state)
    return list(states.values())


def _restart_points(survey: Survey, state: State) -> list[Point]:
    with _restored(state) as stage:
        run = engine.run(lambda: _restart(survey, stage), str(stage.box), timeout_s=TIMEOUT_S)
    return [call.point for call in run.calls if changes(call.point)]


def _killed_again(survey: Survey, judge: Judge, state: State, point: Point) -> tuple[State, list[str]]:
    with _restored(state) as stage:
        engine.run(lambda: _restart(survey, stage), str(stage.box), fault=Fault("KILL", point), timeout_s=TIMEOUT_S)
        after = _state(stage, f"{state.path}, then {point}")
        return after, judge.verdict(survey.before, stage)


def _restart(survey: Survey, stage: Stage) -> None:
    stage.clock.advance(survey.before.scenario.later_s)
    stage.play(recover)


def _restored(state: State):  # type: ignore[no-untyped-def]
    return sandbox(state.tree, state.journal)


def _state(stage: Stage, path: str) -> State:
    journal = stage.journal.read_bytes() if stage.journal.exists() else b""
    return State(path, tree.take(stage.box), journal)


def _key(survey: Survey, state: State) -> bytes:
    return state_key(survey.before, state.tree, parsed(state.journal))
