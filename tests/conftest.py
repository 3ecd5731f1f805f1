"""Shared set-up of the tests. Virtual time for tests/unit, real asyncio everywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio.testing

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
SHARED_DATA = HERE.parent.parent / "shared" / "data"


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Unit tests run in virtual time (a 5-minute wait costs nothing); the others on asyncio, as in production."""
    if (HERE / "unit") in request.path.parents:
        return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})
    return "asyncio"


@pytest.fixture
def shared_data() -> Path:
    """Real performances that stand beside the repository; tests that need them skip where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data folder is not there: {SHARED_DATA.name}")
    return SHARED_DATA
