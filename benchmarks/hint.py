"""From the take's rename to its hint: visible, durable, and while the AI side storms.

The peers run at the same time and are played in turn, take by take, so that a noisy machine is noisy for all of them.
An outside observer sees the file appear (inotify); when it is durable, the process itself says (one clock for all).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.fake_edges import session

from ._children import IN_MOVED_TO, events, watch
from ._scratch import scratch
from .table import Row, at_most, below, known

TAKES: Final = 300
GAP_S: Final = 0.01
DAY: Final = "2026-02-04"


class Child:
    """One measured process, with a bundle root of its own."""

    def __init__(
        self, base: Path, name: str, kind: str, environ: Mapping[str, str] | None = None, takes: int = TAKES
    ) -> None:
        self.day = base / name / "bundles" / DAY
        self.bundles = [self.day / f"clip_{n:04d}" for n in range(takes)]
        for bundle in self.bundles:
            bundle.mkdir(parents=True)
        self.visible: list[float] = []
        self.durable: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        self._observer, _ = watch(self.bundles, IN_MOVED_TO)
        command = [sys.executable, "-m", "benchmarks._children", kind, str(self.day)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environ or {})}
        )
        self._line()
        self._reader = threading.Thread(target=self._note_durable, daemon=True)
        self._reader.start()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _note_durable(self) -> None:
        while line := self._line():
            name, at = line.split()
            self.durable[name] = float(at)

    def play(self, number: int) -> None:
        """Leave a take, and wait until its hint can be seen."""
        bundle = self.bundles[number]
        record = session(session_id=UUID(int=number + 1))
        (bundle / ".take").write_text(record.model_dump_json())
        begin = self.begun[bundle.name] = time.perf_counter()
        os.rename(bundle / ".take", bundle / "session.json")
        while not any(name == "clip.coach.json" for _, name in events(self._observer)):
            pass
        self.visible.append((time.perf_counter() - begin) * 1e6)

    def durable_after(self) -> list[float]:
        return [(at - self.begun[name]) * 1e6 for name, at in self.durable.items()]

    def end(self) -> None:
        os.close(self._observer)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._reader.join(5)


def in_turn(children: list[Child]) -> None:
    """Play all children take by take, then end them."""
    for number in range(TAKES):
        for child in children:
            child.play(number)
            time.sleep(GAP_S)
    time.sleep(0.5)
    for child in children:
        child.end()


def p50(values: list[float]) -> float:
    return statistics.median(values)


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def run() -> list[Row]:
    """Three figures of the hint."""
    with scratch("hint") as base:
        return _run_in(base)


def _run_in(base: Path) -> list[Row]:
    storm = subprocess.Popen([sys.executable, "-m", "benchmarks._storm"], stdout=subprocess.PIPE, text=True)
    try:
        assert storm.stdout is not None
        address = storm.stdout.readline().strip()
        ai = {"AI_COACH_ENABLED": "true", "ANTHROPIC_API_KEY": "bench", "ANTHROPIC_BASE_URL": address}
        quiet = Child(base, "quiet", "worker", {"AI_COACH_ENABLED": "false"})
        stormy = Child(base, "stormy", "worker", ai | {"AI_COACH_LATE_WINDOW_S": "3", "AI_COACH_GRACE_S": "0"})
        visible, durable = Child(base, "visible", "bare_visible"), Child(base, "durable", "bare_durable")
        rules = Child(base, "rules", "bare_rules")
        in_turn([quiet, durable, stormy, visible, rules])  # what is not synced comes last
    finally:
        storm.terminate()
        storm.wait(10)
    return [
        at_most(
            "take → hint visible, p50", p50(quiet.visible), "µs", "inotify + write + rename", p50(visible.visible), 2
        ),
        known(
            "take → hint visible, p50", p50(quiet.visible), "µs", "the same rules in a bare loop", p50(rules.visible)
        ),
        below("take → hint visible, p99", p99(quiet.visible) / 1000, "ms", 10),
        at_most(
            "take → hint durable, p50",
            p50(quiet.durable_after()),
            "µs",
            "inotify + open, write, fsync, rename, fsync(dir)",
            p50(durable.durable_after()),
            1.3,
        ),
        at_most("hint visible while the AI storms, p50", p50(stormy.visible), "µs", "AI off", p50(quiet.visible), 1.2),
        known("hint visible while the AI storms, p99", p99(stormy.visible), "µs", "AI off", p99(quiet.visible)),
    ]
