"""One trial: a fresh sandbox, a run in which something goes wrong, a restart, and what the invariants say to that."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from . import instant, invariants, tree
from .facts import Before, Said
from .injector import engine
from .injector.engine import Fault, Point, Run
from .injector.syscalls import CLOSES, READ_SIDE, SYNCS, WRITING, applies
from .scenarios import Scenario
from .stage import ENDING, GRACE_S, STARTING, Stage, recover

_T = TypeVar("_T")

TIMEOUT_S: Final = 20.0
END_S: Final = GRACE_S + 2.0
"""How long an end may take after SIGTERM: the grace period, and what a busy machine adds."""

_PROMISES: Final = ("reply_queued", "reply_applied", "reply_expired")


@dataclass(frozen=True, slots=True)
class Survey:
    """A scenario without any fault: where it begins and ends, and the calls that it makes."""

    before: Before
    writes: tuple[Point, ...]
    reads: tuple[Point, ...]
    """Those of a run in which reading calls count, too."""

    def points(self, kind: str) -> list[Point]:
        """Where a fault of this kind may strike."""
        points = self.reads if kind in READ_SIDE else self.writes
        return [point for point in points if applies(kind, point.call)]


def _is_errno(kind: str) -> bool:
    return kind not in engine.SIGNALS


@contextmanager
def sandbox(content: tree.Tree | None = None, journal: bytes = b"") -> Iterator[Stage]:
    """A stage in memory if the machine has such a file system, else on its disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        stage = Stage(Path(folder) / "stage")
        stage.folder.mkdir()
        if content is None:
            stage.empty()
        else:
            stage.incoming.mkdir()
            stage.box.mkdir()
            tree.build(content, stage.box)
        if journal:
            stage.journal.write_bytes(journal)
        yield stage


_arranged: dict[str, tuple[tree.Tree, tree.Tree]] = {}


@contextmanager
def arranged(scenario: Scenario) -> Iterator[Stage]:
    """A stage as the scenario begins."""
    if scenario.name not in _arranged:
        with sandbox() as stage:
            scenario.arrange(stage)
            _arranged[scenario.name] = tree.take(stage.box), tree.take(stage.incoming)
    box, incoming = _arranged[scenario.name]
    with sandbox(box) as stage:
        tree.build(incoming, stage.incoming, later=1000)
        yield stage


class Wrong(Exception):
    """The scenario is wrong already without any fault."""


def survey(scenario: Scenario) -> Survey:
    """Run a scenario without faults. Raises Wrong if it breaks an invariant."""
    with arranged(scenario) as stage:
        before = Before(scenario, tree.take(stage.box))
        writes = _clean(scenario, stage, reads=False)
        before.clean = tree.take(stage.box)
        problems = [*instant.raw(before, before.clean), *restarted(before, stage)]
        if problems:
            raise Wrong(f"{scenario.name}: {problems[0]} (and {len(problems) - 1} more)")
    with arranged(scenario) as stage:
        reads = _clean(scenario, stage, reads=True)
    return Survey(before, _points(writes), _points(reads))


def _clean(scenario: Scenario, stage: Stage, *, reads: bool) -> Run:
    run = engine.run(lambda: stage.play(scenario.act), str(stage.box), reads=reads, timeout_s=TIMEOUT_S)
    if run.exit or run.hung:
        raise Wrong(f"{scenario.name} ended with {run.exit}{' (hung)' if run.hung else ''}")
    return run


def _points(run: Run) -> tuple[Point, ...]:
    return tuple(call.point for call in run.calls)


def restarted(before: Before, stage: Stage) -> list[str]:
    """Start again on what is there, and say what does not hold then."""
    crashed = tree.take(stage.box)
    run = engine.unwatched(lambda: start_again(before, stage), timeout_s=TIMEOUT_S)
    if run.hung or run.exit:
        return [f"I19 the restart {'hangs' if run.hung else f'ends with {run.exit}'}"]
    return list(invariants.recovered(before, crashed, tree.take(stage.box), stage.said()))


def start_again(before: Before, stage: Stage) -> None:
    """Let a worker start again on what is there, as much later as the scenario says."""
    stage.clock.advance(before.scenario.later_s)
    stage.play(recover)


@dataclass(slots=True)
class Judge:
    """Remembers which states were found to be good, so that each is judged once."""

    good: set[bytes] = field(default_factory=set)

    def verdict(self, before: Before, stage: Stage, *, after_a_cut: bool = False) -> list[str]:
        """Say what is wrong with the state on a stage: at once, and after a restart.

        `after_a_cut`: the power went. A hint is shown before it is fsynced; only then may it be found torn until the
        restart, and no manifest lists it.
        """
        now = tree.take(stage.box)
        key = state_key(before, now, stage.said()) + bytes([after_a_cut])
        if key in self.good:
            return []
        at_once = instant.raw(before, now, unsettled=instant.unlisted_hints(now) if after_a_cut else frozenset())
        problems = [*at_once, *restarted(before, stage)]
        if not problems:
            self.good.add(key)
        return problems


def state_key(before: Before, now: tree.Tree, said: Said) -> bytes:
    """Two states of one key differ in nothing that a restart or a reader could see, or that was promised."""
    promised = sorted(
        {
            (str(event["event"]), str(event.get("clip") or event.get("clips")))
            for event in said
            if event["event"] in _PROMISES
        }
    )
    return tree.key(now, before.scenario.name.encode(), repr(promised).encode())


def tried(survey_: Survey, judge: Judge, fault: Fault) -> tuple[Run, list[str]]:
    """One trial of one fault: how the run ended, and what does not hold."""
    scenario = survey_.before.scenario
    with arranged(scenario) as stage:
        run = engine.run(
            lambda: stage.play(scenario.act), str(stage.box), fault=fault, reads=fault.reads, timeout_s=TIMEOUT_S
        )
        problems = list(_of_the_run(survey_.before, stage, run, fault))
        return run, problems + judge.verdict(survey_.before, stage)


def _of_the_run(before: Before, stage: Stage, run: Run, fault: Fault) -> Iterator[str]:
    """What a run itself must show; the state that it leaves is judged apart."""
    if run.hung:
        yield f"{'I16' if fault.kind == 'TERM' else 'I15'} hangs"
        return
    starts = [str(event["event"]) for event in stage.said() if event["event"] in (STARTING, "ready", ENDING)]
    ready = starts[-1:] == ["ready"]
    if fault.kind == "TERM":
        if run.after_s > END_S:
            yield f"I16 ended {run.after_s:.1f} s after SIGTERM"
        if run.exit not in ((0,) if ready else (0, -15)):  # -15: before signals are handled, and at the very end
            yield f"I16 SIGTERM: ended with {run.exit}"
    if _is_errno(fault.kind):
        if run.exit < 0 or (run.exit and (ready or starts[-1:] == [ENDING])):
            yield f"I15 {fault.kind} ended a worker that ran, with {run.exit}"
        if run.exit == 0 and not fault.lasting:
            yield from (
                f"I15 {problem}" for problem in invariants.i1_every_take_has_its_coaching(before, tree.take(stage.box))
            )
        yield from _i18_failed_fsync_is_final(run, fault)


def _i18_failed_fsync_is_final(run: Run, fault: Fault) -> Iterator[str]:
    """After a failed fsync of a file: never again on it, and what it held is not renamed into place."""
    if run.struck is None or fault.kind != "EIO" or fault.point.call not in SYNCS or fault.lasting:
        return
    failed = run.calls[run.struck]
    if not failed.point.label.endswith((".json", ".tmp", ".why")):
        return  # a folder: its fsync is of names, and may be tried again
    for call in run.calls[run.struck + 1 :]:
        if call.point.call in SYNCS and call.inode == failed.inode and call.point.label.endswith((".json", ".tmp")):
            yield f"I18 {failed.point} failed, and was tried again on the same file"


def spread(items: Sequence[_T], every: int) -> Sequence[_T]:
    """Every `every`-th of some items; where there are fewer, the one in the middle."""
    return items[min(every, len(items)) // 2 :: every]


def crash_points(survey_: Survey) -> list[Point]:
    """Calls before which a kill leaves a state of its own: those that change something."""
    return [point for point in survey_.writes if changes(point)]


def changes(point: Point) -> bool:
    return point.call in WRITING and point.call not in {*SYNCS, *CLOSES}


def keep(stage: Stage, where: Path) -> None:
    """Copy a sandbox for a person to look at."""
    shutil.copytree(stage.folder, where, dirs_exist_ok=True)
