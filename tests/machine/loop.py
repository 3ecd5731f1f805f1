"""An event loop whose clock moves only while a step of a state machine waits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
import trio.testing
from anyio.abc import TaskGroup, TaskStatus
from anyio.from_thread import start_blocking_portal

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEP_LIMIT_S = 36_000.0
"""A step that waits longer, in virtual seconds, waits for what will never come."""


class VirtualLoop:
    """trio in a thread of its own, with virtual time.

    `run` does one step: while it waits, time jumps from one deadline to the next, so that everything due in between
    happens in its order. Between two steps time stands and nothing runs.
    """

    def __init__(self) -> None:
        self._clock = trio.testing.MockClock()
        self._context = start_blocking_portal("trio", {"clock": self._clock})
        self._portal = self._context.__enter__()
        self._end = self._portal.call(anyio.Event)
        _, self.tasks = self._portal.start_task(self._keep_tasks)

    def run(self, function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
        """Run one step; return when it, and everything that it set off for this moment, is done."""
        return self._portal.call(self._step, lambda: function(*args))

    def close(self) -> None:
        """Cancel what still runs."""
        self._portal.call(self._portal.stop, True)
        self._context.__exit__(None, None, None)

    async def _keep_tasks(self, *, task_status: TaskStatus[TaskGroup]) -> None:
        async with anyio.create_task_group() as tasks:
            task_status.started(tasks)
            await self._end.wait()

    async def _step(self, step: Callable[[], Awaitable[T]]) -> T:
        self._clock.autojump_threshold = 0
        try:
            with anyio.fail_after(STEP_LIMIT_S):
                result = await step()
            await trio.testing.wait_all_tasks_blocked()
            return result
        finally:
            self._clock.autojump_threshold = math.inf
