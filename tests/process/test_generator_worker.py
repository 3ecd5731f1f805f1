"""Generator and worker, two programs that meet on the disk: a take over HTTP becomes coaching, told live."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sg_coach.session_index import read_entries
from tests.conftest import FIXTURES

from .generator import SESSION, Server, environ, failed


class Event(NamedTuple):
    name: str
    data: dict[str, Any]


class Listener:
    """One client of an event stream."""

    def __init__(self, server: Server, clip_id: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._connection.request("GET", f"/clips/{clip_id}/events")
        self.response = self._connection.getresponse()

    @property
    def is_streaming(self) -> bool:
        return self.response.headers["content-type"].startswith("text/event-stream")

    def next(self) -> Event:
        """The next event; comments and the retry hint are passed over."""
        name = ""
        while line := self.response.readline().decode():
            key, _, value = line.rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                return Event(name, json.loads(value))
        raise EOFError("the stream ended")

    def until(self, name: str) -> list[Event]:
        """Read up to the event of that name."""
        found = [self.next()]
        while found[-1].name != name:
            found.append(self.next())
        return found

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def worker_of(home: Path) -> subprocess.Popen[str]:
    log = (home / "worker.log").open("w")
    command = [sys.executable, "-m", "sg_hybrid", "run"]
    worker = subprocess.Popen(command, env=environ(home, {"SG_LOG_FORMAT": "json"}), stderr=log, text=True)
    with (home / "worker.log").open() as lines:
        while '"ready"' not in lines.read():
            assert worker.poll() is None
            lines.seek(0)
            time.sleep(0.02)
    return worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("both")
    (home / "bundles").mkdir()
    worker = worker_of(home)
    try:
        with Server(home, env={"SG_ENGINE": "sg_generator.engine"}) as running:
            yield running
    finally:
        worker.terminate()
        worker.wait(30)


def played(server: Server, clip_id: str, late_s: float = 0.0) -> dict[str, Any]:
    """The comping of a clip, played so much late on every other beat."""
    comp = server.get(f"/clips/{clip_id}/notes")["tracks"]["comp"]
    wanted = ("time_s", "pitch", "velocity", "duration_s")
    notes = [{key: note[key] for key in wanted} for note in comp]
    onsets = sorted({note["time_s"] for note in notes})
    for note in notes:
        note["time_s"] += late_s * (onsets.index(note["time_s"]) % 2)
    return {"take": {"notes": notes}}


def test_a_take_is_measured_coached_and_told_in_the_answer(server: Server) -> None:
    clip_id = server.clip(bars=8)
    answer = server.post(f"/clips/{clip_id}/take?wait_ms=10000", played(server, clip_id))
    told = answer["coaching"]
    assert told["state"] == "coached"
    assert told["take"]["session_id"] == SESSION
    coaching = told["envelope"]["deterministic"]
    on_disk = json.loads((server.bundle(clip_id) / "clip.coach.json").read_bytes())
    assert {**coaching, "score": on_disk["score"]} == on_disk
    assert answer["suggested_adjustment"]["coach_hint"] == coaching["coach_hint"]
    assert server.get(f"/clips/{clip_id}/coaching") == told


def test_the_next_clip_follows_the_coach_to_the_letter(server: Server) -> None:
    clip_id = server.clip(bars=8, session_id="7d9f7c5e-1111-4222-8333-444444444444")
    answer = server.post(f"/clips/{clip_id}/take?wait_ms=10000", played(server, clip_id))
    decision = answer["coaching"]["envelope"]["deterministic"]["decision"]
    following = server.post("/regenerate", {"parent_clip_id": clip_id, "difficulty_signal": -1, "follow_coach": True})
    assert following["adjustments"] == {
        "tempo": decision["tempo_delta_bpm"],
        "density": decision["density_bucket"],
        "syncopation": decision["syncopation_bucket"],
        "difficulty": decision["difficulty_delta"],
    }
    assert following["request"]["tempo_bpm"] == 120 + decision["tempo_delta_bpm"]


def test_a_verdict_after_a_coaching_suggests_what_the_coach_decided(server: Server) -> None:
    clip_id = server.clip(bars=8)
    facts = json.loads((FIXTURES / "sessions" / "martino_00.json").read_bytes())
    told = server.post("/feedback?wait_ms=10000", {"clip_id": clip_id, "session": facts})["coaching"]
    coaching = told["envelope"]["deterministic"]
    suggested = server.post("/feedback", {"clip_id": clip_id, "verdict": "struggle"})["suggested_adjustment"]
    assert suggested["coach_hint"] == coaching["coach_hint"]
    assert suggested["density_delta"] == ["sparse", "medium", "dense"].index(coaching["decision"]["density_bucket"]) - 1


def test_what_appears_is_told_live_and_again_for_a_new_take(server: Server) -> None:
    clip_id = server.clip(bars=8)
    listener = Listener(server, clip_id)
    assert listener.is_streaming
    first = listener.next()
    assert (first.name, first.data["state"]) == ("state", "no_take")
    server.post(f"/clips/{clip_id}/take", played(server, clip_id))
    [*before, coach] = listener.until("coach")
    assert {event.name for event in before} == {"take"}
    assert coach.data["state"] == "coached"
    server.post(f"/clips/{clip_id}/take", played(server, clip_id, late_s=0.08))
    [*before, again] = listener.until("coach")
    assert {event.name for event in before} == {"take"}
    assert again.data["envelope"]["deterministic"]["score"] < coach.data["envelope"]["deterministic"]["score"]
    listener.close()
    late = Listener(server, clip_id)
    assert late.next() == ("state", again.data)
    late.close()


def test_a_refused_take_is_told_live(server: Server) -> None:
    clip_id = server.clip()
    listener = Listener(server, clip_id)
    listener.next()
    (server.bundle(clip_id) / "session.json").write_text('{"bpm": 0}')
    error = listener.until("error")[-1].data
    assert error["state"] == "refused"
    assert error["error"]["error_code"] == "VALIDATION_ERROR"
    assert "session.json" in error["error"]["message"]
    listener.close()


def test_so_many_listen_and_no_more_and_who_leaves_makes_room(server: Server) -> None:
    clip_id = server.clip()
    listeners: list[Listener] = []
    while len(listeners) < 32:  # those of other tests may need a moment to be gone
        listener = Listener(server, clip_id)
        if listener.is_streaming:
            listeners.append(listener)
    assert failed(server.get(f"/clips/{clip_id}/events"), "GENERATION_ERROR", "32")
    for listener in listeners:
        listener.close()
    while not (again := Listener(server, clip_id)).is_streaming:
        again.close()
    again.close()


def test_a_session_is_told_as_a_story(server: Server) -> None:
    session = "9c9d9f5e-1111-4222-8333-555555555555"
    scores = []
    for late_s in (0.0, 0.06):
        clip_id = server.clip(bars=8, session_id=session)
        told = server.post(f"/clips/{clip_id}/take?wait_ms=10000", played(server, clip_id, late_s))["coaching"]
        scores.append(told["envelope"]["deterministic"])
    while len(server.get(f"/sessions/{session}")["takes"]) < 2:
        pass
    story = server.get(f"/sessions/{session.upper()}")
    assert [take["score"] for take in story["takes"]] == [one["score"] for one in scores]
    assert [take["trend"] for take in story["takes"]] == [one["score_trend"] for one in scores]
    assert all(len(take["error_by_beat_ms"]) == 4 for take in story["takes"])
    assert [clip["clip_id"] for clip in story["clips"]] == [take["clip_id"] for take in story["takes"]]


def test_both_write_the_index_of_the_day_and_nothing_is_lost(server: Server) -> None:
    clips = [server.clip(bars=8) for _ in range(5)]
    for clip_id in clips:
        server.post(f"/clips/{clip_id}/take", played(server, clip_id))
        server.post("/feedback", {"clip_id": clip_id, "verdict": "pass"})
    day = server.bundle(clips[0]).parent
    wanted = {(clip_id, source) for clip_id in clips for source in ("generate", "feedback", "coach")}
    while not wanted <= {(entry["clip_id"], entry["source"]) for entry in read_entries(day)}:
        pass
    for clip_id in clips:
        assert b"clip.feedback.json" in (server.bundle(clip_id) / "manifest.json").read_bytes()


def test_the_status_knows_the_worker_and_the_switch_and_changes_neither(server: Server) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in server.queue.iterdir())
    status = server.get("/status")
    assert status["worker"]["alive"] is True
    assert status["worker"]["pid"] != os.getpid()
    assert (status["ai"]["enabled"], status["ai"]["mode"]) == (False, "auto")
    assert sorted((path.name, path.stat().st_mtime_ns) for path in server.queue.iterdir()) == before
    (server.queue / "control.json").write_text('{"ai": "on"}')
    while not (ai := server.get("/status")["ai"])["enabled"]:
        pass
    assert (ai["mode"], "sg-hybrid ai on" in ai["why"]) == ("on", True)
    (server.queue / "control.json").unlink()


def test_a_worker_starts_while_its_lock_is_looked_at_all_the_time(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    watcher = subprocess.Popen(
        [sys.executable, "-c", _LOOKS_ALL_THE_TIME, str(tmp_path / "queue")], env=environ(tmp_path, {})
    )
    try:
        worker = worker_of(tmp_path)
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        watcher.kill()
        watcher.wait(30)


_LOOKS_ALL_THE_TIME = """
import sys, time
from pathlib import Path
from sg_generator.worker_status import WorkerLook
look = WorkerLook(Path(sys.argv[1]))
while True:
    look.state()
"""
