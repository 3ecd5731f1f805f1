"""The server's life: how it starts, refuses to start, ends; and a disk that refuses."""

from __future__ import annotations

import http.client
import json
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .generator import JSON, WANTED, Server, environ, failed

NOTE = {"time_s": 0.5, "pitch": 60}


def run(home: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sg_generator", "serve", *options]
    return subprocess.run(command, env=environ(home, env), capture_output=True, text=True, timeout=60, check=False)


# The start


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--host", "0.0.0.0"], 3, ["0.0.0.0", "--allow-remote"]),
        (["--host", "192.168.1.7"], 3, ["192.168.1.7", "--allow-remote"]),
        (["--host", "no such host"], 3, ["--host", "no such host"]),
        (["--port", "70000"], 3, ["--port", "70000", "65535"]),
        (["--bundle-root", ""], 2, ["--bundle-root", "empty"]),
        (["--nothing"], 2, ["--nothing", "--help"]),
    ],
)
def test_a_start_that_cannot_be_says_why_in_one_line(
    tmp_path: Path, options: list[str], code: int, words: list[str]
) -> None:
    done = run(tmp_path, *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("ERROR: ")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)


def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, SG_GENERATOR_PORT="http")
    assert done.returncode == 3
    assert "SG_GENERATOR_PORT" in done.stderr
    assert "'http'" in done.stderr


def test_a_taken_port_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 4
    assert "--port" in done.stderr


def test_bound_elsewhere_on_purpose_it_answers_to_addresses_and_to_no_foreign_name(tmp_path: Path) -> None:
    with Server(tmp_path / "g", "--host", "0.0.0.0", "--allow-remote") as server:
        _, _, body = server.ask("GET", "/status", headers={"Host": "192.168.1.7:8420"})
        assert json.loads(body)["status"] == "ok"
        _, _, body = server.ask("GET", "/status", headers={"Host": "evil.example"})
        assert failed(json.loads(body), "VALIDATION_ERROR", "Host")


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_event_streams_with_it(tmp_path: Path, number: int) -> None:
    server = Server(tmp_path / "g")
    clip_id = server.clip()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/clips/{clip_id}/events")
    stream = connection.getresponse()
    stream.readline()
    assert server.end(number) == 0
    assert b"event: end" in stream.read()
    connection.close()
    assert "Traceback" not in server.log.read_text()


def test_a_request_that_runs_is_finished_and_a_new_one_is_not_taken(tmp_path: Path) -> None:
    server = Server(tmp_path / "g")
    clip_id = server.clip()
    answers = []

    def wait() -> None:
        answers.append(server.post(f"/clips/{clip_id}/take?wait_ms=10000", {"take": {"notes": [NOTE]}}))

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not (server.bundle(clip_id) / "take.mid").exists():
        pass
    assert server.end() == 0
    waiting.join(30)
    assert [(answer["status"], answer["coaching"]) for answer in answers] == [("ok", None)]
    with pytest.raises(ConnectionRefusedError):
        server.get("/status")


def test_a_client_that_stays_silent_does_not_hold_the_end_up(tmp_path: Path) -> None:
    server = Server(tmp_path / "g", env={"SG_GENERATOR_GRACE_S": "1"})
    head = (
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head)
        server.get("/status")
        assert server.end() == 0


# A disk that refuses


def test_a_root_that_is_no_folder_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "bundles").write_text("a file")
    with Server(tmp_path / "g") as server:
        assert failed(server.post("/generate", WANTED), "GENERATION_ERROR", "bundles")
        assert server.get("/session_index")["entries"] == []


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit to the size of files stands for the disk: what is longer is refused in the middle of a write."""

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))

    with Server(tmp_path / "g", "--ready-line", limit=small_files) as server:
        assert failed(server.post("/generate", WANTED), "GENERATION_ERROR", "/bundles", "too large")
        assert server.tree() == set()
        assert [path.name for path in server.bundles.glob("*/*")] == []
        assert server.get("/status")["status"] == "ok"


@pytest.mark.parametrize("path", ["/feedback", "/regenerate"])
def test_what_a_full_disk_refuses_later_leaves_the_bundle_as_it_was(tmp_path: Path, path: str) -> None:
    with Server(tmp_path / "g") as server:
        clip_id = server.clip()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100, 100))
        before = {name: (server.bundles / name).read_bytes() for name in server.tree()}
        body = {"clip_id": clip_id, "verdict": "pass", "parent_clip_id": clip_id, "difficulty_signal": 0}
        code = "REGENERATION_ERROR" if path == "/regenerate" else "GENERATION_ERROR"
        _, _, raw = server.ask("POST", path, json.dumps(body).encode(), JSON)
        assert failed(json.loads(raw), code, "/bundles", "too large")
        assert {name: (server.bundles / name).read_bytes() for name in server.tree()} == before


def test_a_clip_whose_entry_cannot_be_written_is_there_in_part(tmp_path: Path) -> None:
    with Server(tmp_path / "g") as server:
        day = server.bundle(server.clip()).parent
        index = day / "session.index.json"
        entries = json.loads(index.read_bytes())["entries"]
        index.write_text(json.dumps({"entries": [*entries, {"clip_id": "long_ago", "note": "x" * 400_000}]}))
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
        answer = server.post("/generate", WANTED)
        assert answer["status"] == "partial"
        assert "session index" in answer["error_message"]
        assert server.get(f"/clips/{answer['clip_id']}/notes")["status"] == "ok"
