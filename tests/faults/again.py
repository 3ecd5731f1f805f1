"""Crashes during recovery, and during the recovery from that: a search over states until none is new."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from . import tree
from .facts import parsed
from .injector import engine
from .injector.engine import Point
from .stage import Stage
from .trial import TIMEOUT_S, Judge, Survey, arranged, changes, sandbox, start_again, state_key

Tried = Iterator[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class State:
    """What a crash left, and what had been said by then."""

    path: str
    """How it was reached."""
    tree: tree.Tree
    journal: bytes


def crashes_in_recovery(survey: Survey, judge: Judge, every: int = 1) -> Tried:
    """Yield each kill of a restart: where, and what did not hold after it.

    One restart is watched from call to call, and what stands on the disk before each of them is what a kill there
    leaves. So a restart from each different state is enough, and each different state is judged once.
    """
    seen: set[bytes] = set()

    def is_new(state: State) -> bool:
        key, count = _key(survey, state), len(seen)
        seen.add(key)
        return len(seen) > count

    todo = [state for state in _kills_of_the_play(survey)[::every] if is_new(state)]
    while todo:
        for state in _kills_of_a_restart(survey, todo.pop())[::every]:
            problems: list[str] = []
            if is_new(state):
                problems = _verdict(survey, judge, state)
                if not problems:
                    todo.append(state)
            yield state.path, problems


def _kills_of_the_play(survey: Survey) -> list[State]:
    """What a kill before each change of the scenario's own run leaves; the mode KILL judges these."""
    scenario = survey.before.scenario
    with arranged(scenario) as stage:
        return _watched(stage, lambda: stage.play(scenario.act), "")


def _kills_of_a_restart(survey: Survey, state: State) -> list[State]:
    with _restored(state) as stage:
        return _watched(stage, lambda: start_again(survey.before, stage), f"{state.path}, then ")


def _watched(stage: Stage, work: Callable[[], object], path: str) -> list[State]:
    states: list[State] = []

    def look(point: Point) -> None:
        if changes(point):
            states.append(_state(stage, f"{path}{point}"))

    engine.run(work, str(stage.box), look=look, timeout_s=TIMEOUT_S)
    return states


def _verdict(survey: Survey, judge: Judge, state: State) -> list[str]:
    with _restored(state) as stage:
        return judge.verdict(survey.before, stage)


def _restored(state: State) -> AbstractContextManager[Stage]:
    return sandbox(state.tree, state.journal)


def _state(stage: Stage, path: str) -> State:
    journal = stage.journal.read_bytes() if stage.journal.exists() else b""
    return State(path, tree.settled(stage.box), journal)


def _key(survey: Survey, state: State) -> bytes:
    return state_key(survey.before, state.tree, parsed(state.journal))
