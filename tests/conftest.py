"""Shared set-up of the tests. Virtual time for tests/unit, real asyncio everywhere else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio.testing

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
SHARED_DATA = HERE.parent.parent / "shared" / "data"


def pytest_configure() -> None:
    """Whoever starts the tests in the background ignores SIGINT and SIGQUIT, and so would every program under test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait, for a process, a browser or a time limit."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Unit tests run in virtual time (a 5-minute wait costs nothing); the others on asyncio, as in production."""
    if (HERE / "unit") in request.path.parents:
        return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})
    return "asyncio"


@pytest.fixture(autouse=True)
def _logs_as_at_the_start() -> Iterator[None]:
    """A command that a test runs configures the logs of its process, which here is everybody's."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def shared_data() -> Path:
    """Real performances that stand beside the repository; tests that need them skip where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data folder is not there: {SHARED_DATA.name}")
    return SHARED_DATA
