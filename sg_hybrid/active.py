"""Counting what runs, so that an end can wait for quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Active:
    """Counts what runs, so that an end can wait for quiet."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = anyio.Event()

    def enter(self) -> None:
        self.count += 1

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Count down when the body ends; `enter` was called before."""
        try:
            yield
        finally:
            self.count -= 1
            self._changed.set()
            self._changed = anyio.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the body."""
        self.enter()
        with self.leaving():
            yield

    async def quiet(self) -> None:
        """Wait until nothing runs."""
        await self.below(1)

    async def below(self, count: int) -> None:
        """Wait until less than `count` run."""
        while self.count >= count:
            await self._changed.wait()
