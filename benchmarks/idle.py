"""What a worker costs that has nothing to do: CPU per second and memory, with the AI off and on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from ._scratch import scratch
from .table import Row, below

SETTLE_S: Final = 75.0
"""The start is over by then, its second look at queue and bundles included."""

WATCH_S: Final = 120.0
"""Two sweeps of an empty queue, and two rescans."""

BUNDLES: Final = 20


def _measure(environ: dict[str, str]) -> tuple[float, float]:
    """Return (CPU ms per second, RSS in MiB) of an idle `sg-hybrid run`."""
    with scratch("idle") as base:
        return _measure_in(base, environ)


def _measure_in(base: Path, environ: dict[str, str]) -> tuple[float, float]:
    for number in range(BUNDLES):
        (base / "bundles" / "2026-02-04" / f"clip_{number}").mkdir(parents=True)
    command = [sys.executable, "-m", "sg_hybrid", "run", "--bundle-root", str(base / "bundles")]
    env = {**os.environ, "SG_COACH_QUEUE_DIR": str(base / "queue"), **environ}
    process = subprocess.Popen([*command, "--queue-dir", str(base / "queue")], env=env, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        before = _cpu_ms(process.pid)
        time.sleep(WATCH_S)
        cpu = (_cpu_ms(process.pid) - before) / WATCH_S
        return cpu, _rss_mib(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _cpu_ms(pid: int) -> float:
    """CPU time of a process to the nanosecond, threads that ended included (`cpu_times` has steps of 10 ms).

    The clock's number is what clock_getcpuclockid(3) makes of a process id on Linux.
    """
    return time.clock_gettime(~pid << 3 | 2) * 1000


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def run() -> list[Row]:
    """Four figures."""
    off_cpu, off_rss = _measure({"AI_COACH_ENABLED": "false"})
    on = {"AI_COACH_ENABLED": "true", "ANTHROPIC_API_KEY": "bench", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    on_cpu, on_rss = _measure(on)
    return [
        below("idle worker, AI off: CPU", off_cpu, "ms/s", 0.05),
        below("idle worker, AI off: memory", off_rss, "MiB", 60),
        below("idle worker, AI on: CPU", on_cpu, "ms/s", 0.05),
        below("idle worker, AI on: memory", on_rss, "MiB", 140),
    ]
