"""Fixtures of the tests with real commands, sockets and disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cli import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line with a home of its own."""
    return Cli(tmp_path)
