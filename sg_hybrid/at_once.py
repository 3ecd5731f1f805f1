"""The short way of a lone take: the thread that notices it writes its hint; the event loop hears of it afterwards.

The long way (event loop, dispatch, another thread) costs two wake-ups more, which is longer than the rules take. It is
for everything else: batches, a `take.mid` that is to be analysed, a worker that stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from .models import Coached, Take
from .post import Leave


class Begun:
    """The rules' side of one cycle, begun in another thread: what the event loop hears of it, and when."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle
        self._visible: Coached | None = None
        self._coached: Coached | None = None
        self._error: Exception | None = None
        self._ended: anyio.Event | None = None

    def begin(self, start: Callable[[Begun], None], coached: Coached | None) -> None:
        """The hint is out (`coached`), or nothing was new. Called on the event loop."""
        self._visible = coached
        self._ended = anyio.Event()
        start(self)

    def end(self, coached: Coached | None, error: Exception | None) -> None:
        """All is durable, or could not be written. Called on the event loop, after `begin`."""
        assert self._ended is not None
        self._coached, self._error = coached, error
        self._ended.set()

    async def coach(self, visible: Callable[[Coached], None]) -> Coached:
        """The same promise as `ports.Bundles.coach`."""
        assert self._ended is not None
        if self._visible is not None:
            visible(self._visible)
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        assert self._coached is not None
        return self._coached


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Coaches a bundle in the thread that calls."""

    coach: Callable[[Path, Callable[[Take], Coached], Callable[[Coached], None]], Coached | None]
    """See `bundle.DiskBundles.coach_here`."""
    decide: Callable[[Take], Coached]
    leave: Leave
    start: Callable[[Begun], None]
    """Told on the event loop of each cycle that was begun."""
    drop: Callable[[Path], None]
    """Told on the event loop of each accepted take that has to go the long way after all."""
    may: Callable[[], bool]
    """Whether new takes may begin."""
    in_hand: dict[Path, None]
    """Accepted takes whose hint is not out yet: what comes meanwhile may have to wait for them."""

    def accept(self, bundle: Path) -> bool:
        """Take `bundle` in hand if nothing else is; it must be called with then. Called by one thread at a time."""
        if self.in_hand or not self.may():
            return False
        self.in_hand[bundle] = None
        return True

    def __call__(self, bundle: Path) -> bool:
        """Coach an accepted bundle; return False if it has to go the long way (nothing was done then). Blocks."""
        begun, told = Begun(bundle), False

        def begin(coached: Coached | None) -> None:
            nonlocal told
            told = True
            self.in_hand.pop(bundle, None)
            self.leave(partial(begun.begin, self.start, coached))

        coached, error = None, None
        try:
            coached = self.coach(bundle, self.decide, begin)
            if coached is None:
                self.in_hand.pop(bundle, None)
                self.leave(partial(self.drop, bundle))
                return False
        except Exception as raised:  # noqa: BLE001 - raised again, in the cycle
            error = raised
        if not told:
            begin(None)
        self.leave(partial(begun.end, coached, error))
        return True
