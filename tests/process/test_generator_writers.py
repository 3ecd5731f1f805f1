"""Many writers at once: clips appear whole, the session index loses nothing."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sg_coach.errors import LockTimeout
from sg_coach.session_index import append_entries, read_entries
from sg_generator import index_writer
from sg_generator.bundle import write_bundle
from sg_generator.index_writer import IndexWriter
from sg_generator.models import request_from
from tests.fake_engine import arrange

from .generator import WANTED

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)
PROCESSES = 4
THREADS = 100
SEPARATE = multiprocessing.get_context("forkserver")
SEPARATE.set_forkserver_preload([__name__])  # imported once, not by each process


def entry(process: int, number: int) -> dict[str, object]:
    return {"clip_id": f"clip_{process}_{number}", "timestamp": "2026-02-04T12:34:56.789Z", "verdict": "pass"}


def append_through_one_writer(day: Path, process: int, count: int) -> None:
    """What a server does: many threads append, each waits until its own entry is on the disk."""
    writer = IndexWriter()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: writer.append(day, entry(process, number)), range(count)))


def append_one_by_one(day: Path, process: int, count: int) -> None:
    for number in range(count):
        append_entries(day, [entry(process, number)])


@pytest.mark.parametrize(("work", "each"), [(append_through_one_writer, 2500), (append_one_by_one, 50)])
def test_appends_of_four_processes_are_all_there(
    tmp_path: Path, work: Callable[[Path, int, int], None], each: int
) -> None:
    writers = [SEPARATE.Process(target=work, args=(tmp_path, process, each)) for process in range(PROCESSES)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        read_entries(tmp_path)  # whole and valid at every instant
        writers[0].join(0.2)
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    found = [one["clip_id"] for one in read_entries(tmp_path)]
    assert len(found) == PROCESSES * each
    for process in range(PROCESSES):
        mine = [clip_id for clip_id in found if clip_id.startswith(f"clip_{process}_")]
        assert set(mine) == {f"clip_{process}_{number}" for number in range(each)}
    assert [path.name for path in tmp_path.iterdir()] == ["session.index.json"]


def append_and_tell(day: Path, told: Connection) -> None:
    writer = IndexWriter()
    for number in range(10_000):
        writer.append(day, entry(0, number))
        told.send(number)


def test_what_was_appended_outlives_a_kill(tmp_path: Path) -> None:
    ours, theirs = SEPARATE.Pipe(duplex=False)
    victim = SEPARATE.Process(target=append_and_tell, args=(tmp_path, theirs))
    victim.start()
    told = [ours.recv() for _ in range(20)]
    victim.kill()
    victim.join(30)
    IndexWriter().append(tmp_path, entry(1, 0))
    found = {one["clip_id"] for one in read_entries(tmp_path)}
    assert found >= {f"clip_0_{number}" for number in told} | {"clip_1_0"}


def test_an_append_that_returned_is_there(tmp_path: Path) -> None:
    writer = IndexWriter()
    missing: list[int] = []

    def append(number: int) -> None:
        writer.append(tmp_path, entry(0, number))
        if f"clip_0_{number}" not in {one["clip_id"] for one in read_entries(tmp_path)}:
            missing.append(number)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(append, range(200)))
    assert missing == []


def test_what_cannot_be_written_is_told_to_each_of_those_that_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    written: list[int] = []

    def full(_day: Path, waiting: Callable[[], list[object]]) -> None:
        written.append(len(waiting()))
        inside.set()
        go_on.wait(30)
        raise LockTimeout("held")

    monkeypatch.setattr(index_writer, "append_waiting", full)
    writer = IndexWriter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        first = pool.submit(writer.append, tmp_path, entry(0, 0))
        assert inside.wait(30)
        others = [pool.submit(writer.append, tmp_path, entry(0, number)) for number in range(1, 6)]
        while len(writer._waiting.get(tmp_path, [])) < len(others):
            pass
        go_on.set()
        for future in (first, *others):
            with pytest.raises(LockTimeout):
                future.result(30)
    assert written == [1, 5]


def test_clips_that_are_made_at_once_do_not_sweep_each_other_away(tmp_path: Path) -> None:
    request = request_from(WANTED)

    def make(_: int) -> str:
        return write_bundle(tmp_path, request, arrange(request), NOW, engine_version="fake").clip_id

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        clips = list(pool.map(make, range(96)))
    assert len(set(clips)) == 96
    [day] = tmp_path.iterdir()
    assert sorted(path.name for path in day.iterdir()) == sorted(clips)
    assert all(len(list((day / clip_id).iterdir())) == 6 for clip_id in clips)
