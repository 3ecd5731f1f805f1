"""The programs that the page meets: the generator's server, the worker, the simulated AI. Real ones, with a home of
their own."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S = 30.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ours(name: str) -> bool:
    return name.startswith(("SG_", "AI_COACH_", "ANTHROPIC_", "XDG_CONFIG"))


@dataclass
class World:
    """A home with a generator, and with a worker and an AI if they are started."""

    home: Path
    port: int = field(default_factory=_free_port)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bundles(self) -> Path:
        return self.home / "bundles"

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not _ours(name)}
        return inherited | {
            "HOME": str(self.home),
            "SG_BUNDLE_ROOTS": str(self.bundles),
            "SG_COACH_QUEUE_DIR": str(self.home / "queue"),
            "SG_GENERATOR_PORT": str(self.port),
            **more,
        }

    def start(self, *command: str, **environ: str) -> subprocess.Popen[str]:
        """Start one of our programs; its events go to a file in the home, which a failing test may show."""
        self.bundles.mkdir(exist_ok=True)
        log = self.home / f"{command[0]}-{command[1]}.log"
        with log.open("w") as events:
            program = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self._environ(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=events,
                text=True,
            )
        self._running.append(program)
        return program

    def generator(self) -> None:
        self.start("sg_generator", "serve", AI_COACH_ENABLED="true")
        wait_for(lambda: self.get("/status")["status"] == "ok", "the generator's server")

    def worker(self, profile: str, **environ: str) -> None:
        """Start the simulated AI and a worker that asks it; return when the worker listens."""
        simulator = self.start("sg_hybrid", "simulate", "--profile", profile)
        exports = dict(re.findall(r"export (\w+)=(\S+)", _first_words(simulator)))
        self.start("sg_hybrid", "run", **{**exports, **environ})
        wait_for(lambda: self.get("/status")["worker"]["alive"], "the worker")

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            document: dict[str, Any] = json.load(answer)
            return document

    def stop(self) -> None:
        for program in reversed(self._running):
            program.terminate()
        for program in self._running:
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(5)
            if program.stdout is not None:
                program.stdout.close()


def _first_words(program: subprocess.Popen[str]) -> str:
    """What a program prints until it has been quiet for a moment."""
    assert program.stdout is not None
    said, until = "", time.monotonic() + START_S
    descriptor = program.stdout.fileno()
    while time.monotonic() < until:
        ready, _, _ = select.select([descriptor], [], [], 0.3 if said else 1.0)
        if ready:
            said += os.read(descriptor, 65536).decode()
        elif "ANTHROPIC_BASE_URL" in said:
            return said
    raise AssertionError(f"the simulator did not say where it is: {said!r}")


def wait_for(condition: Any, what: str, within_s: float = START_S) -> None:
    """Wait until `condition()` is true; whatever it raises until then is only its reason."""
    why: object = "it never was"
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if condition():
                return
        except (OSError, KeyError, ValueError) as error:
            why = error
        time.sleep(0.05)
    raise AssertionError(f"{what}: not there within {within_s:g} s ({why})")
