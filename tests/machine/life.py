"""One life of the worker's process, which may end at any point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from sg_hybrid.worker import Worker


class PowerLoss(BaseException):
    """The process is gone; nothing of it runs any more. No handler of errors may catch this."""


@dataclass(eq=False)
class Life:
    """From a start to a crash or a clean end. `started` is the true time in seconds."""

    number: int
    started: float
    clock_was_set: bool
    """Whether the wall clock showed a credible time at the start."""
    steps_before: int = 0
    """How many steps the wall clock had made before the start."""
    alive: bool = True
    points_left: int | None = None
    """At so many points from now on the power fails; None if it does not."""
    at_death: Callable[[], None] = lambda: None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    worker: Worker | None = None

    def point(self) -> None:
        """A point at which the power may fail. Raises PowerLoss there, and everywhere after it did."""
        if self.alive and self.points_left is not None:
            self.points_left -= 1
            if self.points_left <= 0:
                self.die()
        self.check()

    def check(self) -> None:
        """Raise PowerLoss if the process is gone."""
        if not self.alive:
            raise PowerLoss

    def die(self) -> None:
        """Pull the plug."""
        if self.alive:
            self.alive = False
            self.at_death()

    @property
    def is_quiet(self) -> bool:
        """Whether no cycle and no call runs."""
        return self.worker is None or self.worker.runner.active.count == 0
