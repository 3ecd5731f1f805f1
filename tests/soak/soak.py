"""One soak from its folders to its report."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import tree
from .accounts import account
from .conductor import KEY, Soak, free_port, settings_for
from .flatness import flat, not_at_rest
from .lives import Processes
from .place import Place
from .plan import plan
from .raw import Watcher
from .report import Report


@dataclass(frozen=True, slots=True)
class Options:
    """What a soak is asked for."""

    minutes: float
    takes: int
    sessions: int
    seed: int = 1
    keep: bool = False

    @property
    def command(self) -> str:
        words = (f"--{name} {getattr(self, name):g}" for name in ("minutes", "takes", "sessions", "seed"))
        return f"python -m tests.soak {' '.join(words)}"


def soak(options: Options) -> Report:
    """Run one; nothing of it stays on the disk unless it is to be kept."""
    base = Path(tempfile.mkdtemp(prefix="soak-")) / "soak"
    place = Place.make(base, options.takes)
    port = free_port()
    processes = Processes(place, port, options.seed, settings_for(place, port))
    run = Soak(
        place, processes, plan(options.takes, options.sessions, options.seed), options.minutes * 60, options.seed
    )
    watcher = Watcher(place, random.Random(options.seed))
    try:
        with watcher:
            run.run(watcher)
        return _judged(run, watcher, options)
    finally:
        processes.end_all()
        if options.keep:
            print(f"kept in {base}")
        else:
            place.remove()
            base.parent.rmdir()


def _judged(run: Soak, watcher: Watcher, options: Options) -> Report:
    accounts = account(run)
    flats = [found for life in run.lives if life.calm and (found := flat(life, accounts.loaded.get(life.number)))]
    violations = [
        *(f"at an instant: {problem}" for problem in watcher.found),
        *(fault for life in run.lives if (fault := life.fault)),
        *(f"{folder}: never coached" for folder in run.not_at_rest),
        *tree.problems(run.place, run.sessions),
        *accounts.violations,
        *(problem for found in flats for problem in found.problems),
        *not_at_rest(run.lives[-1]),
        *(f"{path.name} holds the key" for path in run.place.logs.iterdir() if KEY.encode() in path.read_bytes()),
    ]
    out_of_order = tree.out_of_order(run.place, run.sessions)
    without = tree.without_entry(run.place, run.sessions)
    return Report(run, accounts, flats, violations, watcher.looks, out_of_order, without, options.command)
