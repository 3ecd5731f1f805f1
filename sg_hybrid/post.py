"""From threads to the event loop: a thread leaves a call and goes on, without waiting until the loop has made it.

`anyio.from_thread` waits for the loop, a third of a millisecond after a quiet time; what a player waits for cannot.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from typing import Final, Self

import anyio

_AT_ONCE: Final = 4096


Leave = Callable[[Callable[[], None]], None]
"""Has a call made on the event loop, soon, without waiting for it: `Post.leave`."""


class Post:
    """Calls that wait for the event loop, in the order in which they were left; use it as a context manager."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._rung = False
        """Whether the loop was woken and has not begun to make the calls: whoever comes then need not wake it."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        os.close(self._reader)

    def leave(self, call: Callable[[], None]) -> None:
        """Have `call` made on the event loop, soon. Safe in any thread, while the post is open."""
        self._calls.append(call)
        if not self._rung:
            self._rung = True
            with contextlib.suppress(BlockingIOError):  # so many came at once that the loop is awake anyway
                os.write(self._writer, b"\0")

    async def run(self) -> None:
        """Make the calls, until cancelled. They must neither wait nor raise."""
        while True:
            await anyio.wait_readable(self._reader)
            os.read(self._reader, _AT_ONCE)
            self._rung = False
            while self._calls:
                self._calls.popleft()()
