"""The generator's server in a test: a program of its own, on a free port, with a home of its own."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.conftest import HERE

REPOSITORY = HERE.parent
FAKE_ENGINE = "tests.fake_engine"
SESSION = "550e8400-e29b-41d4-a716-446655440000"
JSON = {"Content-Type": "application/json"}
START_S = 60.0
WANTED = {"chords": ["Dm7", "G7"], "tempo_bpm": 120, "meter": "4/4", "bars": 4}


def environ(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that shall not see the tester's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SG_", "AI_COACH_", "XDG_"))}
    ours = {
        "HOME": str(home),
        "SG_BUNDLE_ROOTS": str(home / "bundles"),
        "SG_COACH_QUEUE_DIR": str(home / "queue"),
        "SG_ENGINE": FAKE_ENGINE,
        "PYTHONPATH": str(REPOSITORY),
    }
    return {**kept, **ours, **more}


class Server:
    """A running `sg-generator serve`; a context manager that ends it."""

    def __init__(
        self, home: Path, *options: str, limit: Callable[[], None] | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.bundles, self.queue = home, home / "bundles", home / "queue"
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sg_generator", "serve", "--port", "0", "--ready-line", *options],
                env=environ(home, env or {}),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=limit,
            )
        self.port = self._port()

    def _port(self) -> int:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_S)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("READY "):
            self.process.kill()
            raise AssertionError(f"no server: {line!r} {self.log.read_text()}")
        return int(line.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()

    # Asking

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request as it is given; return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> dict[str, Any]:
        status, _, body = self.ask("GET", path, headers={})
        assert status == 200
        answer: dict[str, Any] = json.loads(body)
        return answer

    def post(self, path: str, body: object) -> dict[str, Any]:
        status, _, raw = self.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
        assert status == 200
        answer: dict[str, Any] = json.loads(raw)
        return answer

    def clip(self, **changes: object) -> str:
        """Make a clip; return its id."""
        answer = self.post("/generate", {**WANTED, "session_id": SESSION, **changes})
        assert answer["status"] == "ok", answer
        return str(answer["clip_id"])

    def bundle(self, clip_id: str) -> Path:
        return next(self.bundles.glob(f"*/{clip_id}"))

    def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are (`half_close`: and say that these were all); return what comes until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=40) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def tree(self) -> set[str]:
        """Every file below the bundle root."""
        return {str(path.relative_to(self.bundles)) for path in self.bundles.rglob("*") if path.is_file()}


def failed(answer: Mapping[str, Any], code: str, *words: str) -> bool:
    """Whether an answer is the failure that is meant: its code, and words that its message has."""
    said = answer["status"] == "failed" and answer["error_code"] == code
    return said and all(word in answer["error_message"] for word in words)
