"""Counting what runs, so that an end can wait for quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Active:
    """Counts what runs, so that an end can wait for quiet."""

    def __init__(self) -> None:
        self.count = 0
        self._changed: anyio.Event | None = None
        """Set at the next change; there only while somebody waits: a thousand takes make thousands of changes."""

    def enter(self) -> None:
        self.count += 1

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Count down when the body ends; `enter` was called before."""
        try:
            yield
        finally:
            self.count -= 1
            if self._changed is not None:
                self._changed.set()
                self._changed = None

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
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()
