"""The generator's server under load: requests a second with four clients, memory, against a bare FastAPI answer."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._scratch import scratch
from benchmarks.table import Row, at_most, below, known

CLIENTS = 4
SECONDS = 2.0
CLIP = {"chords": ["Dm7", "G7", "Cmaj7", "A7"], "tempo_bpm": 140, "bars": 8, "style": "swing"}
PEER = "a bare FastAPI answer"


def run() -> list[Row]:
    with scratch("api") as folder, _server(folder) as (port, process), _bare() as bare_port:
        bare = _rate(bare_port, "GET", "/status")
        clip_id = _ask(http.client.HTTPConnection("127.0.0.1", port), "POST", "/generate", CLIP)["clip_id"]
        rates = {
            "GET /status": _rate(port, "GET", "/status"),
            "GET /clips/…/coaching": _rate(port, "GET", f"/clips/{clip_id}/coaching"),
            "GET /clips/…/notes": _rate(port, "GET", f"/clips/{clip_id}/notes"),
            "POST /generate of 8 bars, durable": _rate(port, "POST", "/generate", CLIP),
            "POST /feedback, durable": _rate(port, "POST", "/feedback", {"clip_id": clip_id, "verdict": "pass"}),
        }
        memory = _memory_mb(process.pid)
    status = at_most("GET /status with 4 clients, time of one", 1000 / rates["GET /status"], "ms", PEER, 1000 / bare, 3)
    return [
        status,
        *(known(f"{call} with 4 clients", rate, "a second", PEER, bare) for call, rate in rates.items()),
        below("memory of the server after that", memory, "MB", 150),
    ]


def _rate(port: int, method: str, path: str, body: object = None) -> float:
    """Requests a second of all clients together, each asking as soon as it was answered."""
    counts = [0] * CLIENTS
    begin = time.perf_counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() - begin < SECONDS:
            _ask(connection, method, path, body)
            counts[number] += 1
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: object) -> dict[str, Any]:
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    if answer["status"] != "ok":
        raise RuntimeError(str(answer))
    return answer


@contextmanager
def _server(root: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "sg_generator", "serve", "--port", "0", "--ready-line"]
    folders = ["--bundle-root", str(root / "bundles"), "--queue-dir", str(root / "queue")]
    with _program([*command, *folders]) as (line, process):
        yield int(line.rpartition(":")[2]), process


@contextmanager
def _bare() -> Iterator[int]:
    with _program([sys.executable, "-m", "benchmarks._bare_api"]) as (line, _):
        yield int(line)


@contextmanager
def _program(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline(), process
    finally:
        process.kill()
        process.wait(30)


def _memory_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else 0.0
