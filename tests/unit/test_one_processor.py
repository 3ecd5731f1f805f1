"""Bringing this process's threads together on one processor, and letting them go again. On the real scheduler."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sg_hybrid.one_processor import OneProcessor

needs_processors = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is one processor, or no Linux"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    yield
    for thread in threading.enumerate():
        if thread.native_id is not None:
            os.sched_setaffinity(thread.native_id, before)


@contextmanager
def another_thread() -> Iterator[Callable[[], set[int]]]:
    """A thread that waits; call what is given for its processors."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert thread.native_id is not None
    native_id = thread.native_id
    try:
        yield lambda: os.sched_getaffinity(native_id)
    finally:
        end.set()
        thread.join()


@needs_processors
def test_all_threads_share_one_processor_and_get_theirs_back() -> None:
    before = os.sched_getaffinity(0)
    processor = OneProcessor()
    with another_thread() as earlier:
        assert processor.gather()
        shared = os.sched_getaffinity(0)
        assert len(shared) == 1
        assert shared < before
        assert earlier() == shared
        with another_thread() as later:
            assert later() == shared
            assert not processor.gather()
            processor.let_go()
            assert os.sched_getaffinity(0) == earlier() == later() == before


@needs_processors
def test_the_processor_is_the_one_where_the_caller_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.sched_getaffinity(0)
    for here in allowed:
        os.sched_setaffinity(0, {here})
        processor = OneProcessor()
        with another_thread() as other, monkeypatch.context() as patch:
            patch.setattr(os, "sched_getaffinity", lambda _thread: allowed)
            assert processor.gather()
            patch.undo()
            assert other() == {here}
            processor.let_go()


@needs_processors
def test_another_programs_process_is_left_alone() -> None:
    before = os.sched_getaffinity(0)
    assert not OneProcessor(ours=False).gather()
    assert os.sched_getaffinity(0) == before


@needs_processors
@pytest.mark.parametrize("allowed", [0, 1])
def test_where_it_is_not_allowed_all_threads_stay_as_they_were(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    before, real, tried = os.sched_getaffinity(0), os.sched_setaffinity, 0

    def refuse_the_second(thread: int, processors: set[int]) -> None:
        nonlocal tried
        tried += 1
        if tried == allowed + 1:
            raise PermissionError
        real(thread, processors)

    processor = OneProcessor()
    with another_thread() as other:
        monkeypatch.setattr(os, "sched_setaffinity", refuse_the_second)
        assert not processor.gather()
        assert os.sched_getaffinity(0) == other() == before
        assert not processor.gather(), "it is not tried again"


@needs_processors
def test_all_threads_that_may_go_get_their_processors_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, refused = os.sched_getaffinity(0), os.sched_setaffinity, False

    def refuse_the_first(thread: int, processors: set[int]) -> None:
        nonlocal refused
        if not refused:
            refused = True
            raise OSError(22, "Invalid argument")
        real(thread, processors)

    processor = OneProcessor()
    with another_thread() as other:
        assert processor.gather()
        monkeypatch.setattr(os, "sched_setaffinity", refuse_the_first)
        processor.let_go()
        assert other() == before


@needs_processors
@pytest.mark.parametrize("stat", [None, "", "1 (python) S 2"])
def test_without_a_proc_that_says_the_processor_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, stat: str | None
) -> None:
    def read_text(path: Path, **_: object) -> str:
        if stat is None:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return stat

    before = os.sched_getaffinity(0)
    monkeypatch.setattr(Path, "read_text", read_text)
    assert not OneProcessor().gather()
    assert os.sched_getaffinity(0) == before


@needs_processors
def test_a_thread_that_ends_meanwhile_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real, gone = os.sched_setaffinity, 0

    def first_one_is_gone(thread: int, processors: set[int]) -> None:
        nonlocal gone
        gone += 1
        if gone == 1:
            raise ProcessLookupError
        real(thread, processors)

    with another_thread() as other:
        monkeypatch.setattr(os, "sched_setaffinity", first_one_is_gone)
        assert OneProcessor().gather()
        assert len(other()) == 1
