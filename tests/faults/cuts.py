"""Power cuts: one run of a scenario is recorded, and every state that a cut could leave is found and started from."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

from . import tree
from .injector import engine
from .injector.power import cuts
from .injector.recorder import Log, Recorder, missed
from .trial import TIMEOUT_S, Judge, Survey, Wrong, arranged, sandbox, spread

Recording = tuple[Log, Path]
"""What a run changes, and where."""


def power_cuts(
    survey: Survey, recording: Recording, judge: Judge, mode: str, every: int = 1
) -> Iterator[tuple[str, list[str]]]:
    """Yield each state: the moment and what was lost, and what did not hold. `mode`: `power:` and the model."""
    log, box = recording
    for cut in spread(list(cuts(log, mode.removeprefix("power:"))), every):
        with sandbox(tree.marked(cut.tree, box), cut.said) as stage:
            yield f"after {cut.after}: {cut.lost}", judge.verdict(survey.before, stage, after_a_cut=True)


def recorded(survey: Survey) -> Recording:
    """Run a scenario once more. Raises Wrong if the kernel saw more than the recorder."""
    scenario = survey.before.scenario
    with arranged(scenario) as stage:
        result = stage.folder / "log"
        before = tree.taken(stage.box)

        def record() -> None:
            recorder = Recorder(stage.box, stage.journal, before)
            recorder.install()
            try:
                stage.play(scenario.act)
            finally:
                _save(recorder.log, result)

        run = engine.run(record, str(stage.box), timeout_s=TIMEOUT_S)
        if run.exit or run.hung:
            raise Wrong(f"{scenario.name}, recorded, ended with {run.exit}")
        log: Log = pickle.loads(result.read_bytes())
        if lacking := missed(log, [call.point.call for call in run.calls]):
            raise Wrong(f"{scenario.name}: the recorder missed calls: {lacking}")
        return log, stage.box


def _save(log: Log, path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump(log, file)
