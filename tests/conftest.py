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

from tests import deep  # noqa: F401 - makes its profile known before the command line asks for it

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
SHARED_DATA = Path(os.environ.get("SG_CORPORA") or HERE.parent.parent / "shared" / "data")
BROWSER = "tests/browser/"
MOSTLY_WAITING = (
    "tests/process/test_artefacts.py",
    "tests/process/test_generator_safety.py",
    "tests/conformance/test_intake.py",
    "tests/process/test_service_manager.py",
    "tests/process/test_worker_real.py",
)
"""Tests that need time, not a processor. They have a worker to themselves: nobody else waits behind them."""
LONGEST = (BROWSER, *MOSTLY_WAITING, "tests/soak/", "tests/faults/test_faults.py")


def pytest_configure() -> None:
    """Whoever starts the tests in the background ignores SIGINT and SIGQUIT, and so would every program under test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One for the browser, one for those that mostly wait, and one more than there are processors: others wait, too."""
    return (os.cpu_count() or 1) + 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no processor is idle at the end."""

    def place(item: pytest.Item) -> int:
        return next((number for number, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file stay together, those of the page (they share a browser), and those that mostly wait."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class ByFile(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(BROWSER):
                return "browser"
            return "mostly waiting" if nodeid.startswith(MOSTLY_WAITING) else str(super()._split_scope(nodeid))

    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


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
