"""The processes of the soak: one worker after the other, one service after the other, and what was measured of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .place import Place

GRACE_S: Final = 1.5
END_S: Final = GRACE_S + 10.0
"""A worker that has not ended so long after SIGTERM did not obey."""

_PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What the kernel says about a process at a moment (seconds since 1970)."""

    at: float
    rss_mib: float
    files: int
    threads: int


@dataclass(slots=True)
class Life:
    """One worker process. Times are seconds since 1970."""

    number: int
    log: Path
    process: subprocess.Popen[bytes]
    began: float
    calm: bool = False
    asked: float = 0.0
    """When it was told to end, however."""
    hurried: float = 0.0
    how: str = ""
    """`kill`, `term` or `term_twice`."""
    ended: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    _ready: bool = False

    @property
    def ready(self) -> bool:
        """Whether it has said that its folders are watched."""
        self._ready = self._ready or b'"event": "ready"' in self.log.read_bytes()
        return self._ready

    def end(self, how: str) -> None:
        """SIGKILL, SIGTERM, or SIGTERM twice; returns when it is dead."""
        self.how, self.asked = how, time.time()
        self.process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        if how == "term_twice":
            time.sleep(0.2)
            self.hurried = time.time()
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.how = f"{how}, which it did not obey"
            self.process.kill()
            self.process.wait()
        self.ended = time.time()

    @property
    def fault(self) -> str | None:
        """What was wrong with the end of this life."""
        if "not obey" in self.how:
            return f"worker {self.number} did not end within {END_S:g} s"
        code = self.process.returncode
        expected = {-signal.SIGKILL} if self.how == "kill" else {0}
        if not self.log.stat().st_size:  # Python was still loading the program: nothing was begun
            expected.add(-signal.SIGTERM)
        if self.how == "term_twice":  # the second one may come when everything is done and nobody listens any more
            expected.add(-signal.SIGTERM)
        return None if code in expected else f"worker {self.number} ({self.how}) ended with code {code}"

    def sample(self) -> None:
        """Measure it; one that is just dying is left out."""
        try:
            self.samples.append(_sample(self.process.pid))
        except (OSError, IndexError, ValueError):
            return


def _sample(pid: int) -> Sample:
    proc = Path(f"/proc/{pid}")
    rss = int((proc / "statm").read_text().split()[1]) * _PAGE_KIB / 1024
    threads = int((proc / "stat").read_text().rpartition(")")[2].split()[17])
    return Sample(time.time(), round(rss, 2), len(os.listdir(proc / "fd")), threads)


@dataclass(slots=True)
class Processes:
    """Starts workers and services."""

    place: Place
    port: int
    seed: int
    settings: Mapping[str, str]
    lives: list[Life] = field(default_factory=list)
    generation: int = 0
    service: subprocess.Popen[bytes] | None = None

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def journals(self) -> list[Path]:
        return sorted(self.place.logs.glob("service-*.jsonl"))

    def start_worker(self, *, calm: bool) -> None:
        number = len(self.lives)
        log = self.place.logs / f"worker-{number:04d}.jsonl"
        command = [sys.executable, "-m", "tests.soak.worker_main", str(self.place.offset)]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env={**os.environ, **self.settings}
            )
        self.lives.append(Life(number, log, process, time.time(), calm))

    def start_service(self) -> None:
        journal = self.place.logs / f"service-{self.generation:04d}.jsonl"
        command = [sys.executable, "-m", "tests.soak.service_main", str(self.port), str(self.generation)]
        command += [str(self.seed), str(journal)]
        with (self.place.logs / "service.err").open("ab") as stream:
            self.service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        self.generation += 1

    def kill_service(self) -> None:
        if self.service is not None:
            self.service.kill()
            self.service.wait()
            self.service = None

    def end_all(self) -> None:
        """Leave no process behind, whatever happened."""
        self.kill_service()
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()
                life.ended = life.ended or time.time()
