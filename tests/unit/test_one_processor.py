"""Bringing this process's threads together on one processor, and letting them go again. On the real scheduler."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sg_hybrid.one_processor import MOST_S, OneProcessor

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
        processor.gather()
        shared = os.sched_getaffinity(0)
        assert len(shared) == 1
        assert shared < before
        assert earlier() == shared
        with another_thread() as later:
            assert later() == shared
            processor.gather()
            processor.let_go(busy=False)
            assert os.sched_getaffinity(0) == earlier() == later() == before


@needs_processors
def test_while_busy_they_stay_together_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    processor = OneProcessor()
    processor.gather()
    processor.let_go(busy=True)
    assert len(os.sched_getaffinity(0)) == 1
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + MOST_S + 1)
    processor.let_go(busy=True)
    assert os.sched_getaffinity(0) == before


@needs_processors
def test_another_programs_process_is_left_alone() -> None:
    before = os.sched_getaffinity(0)
    OneProcessor(ours=False).gather()
    assert os.sched_getaffinity(0) == before


@needs_processors
def test_where_it_is_not_allowed_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: int, _processors: object) -> None:
        raise PermissionError

    processor = OneProcessor()
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    processor.gather()
    processor.let_go(busy=False)
    monkeypatch.undo()
    assert len(os.sched_getaffinity(0)) > 1


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
        OneProcessor().gather()
        assert len(other()) == 1
