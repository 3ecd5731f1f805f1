"""Telling listeners that a bundle changed. One look a tick at the bundles that somebody listens to, in one thread hop.

Nothing is kept of what was seen but a signature a bundle, and a listener that is slow to read finds one notice waiting,
however much happened: it reads the bundle itself, as it is then. Without listeners nobody looks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .answers import Coaching
from .coaching_view import Signature, signature
from .errors import GeneratorError

LOOK_EVERY_S: Final = 0.05
MAX_LISTENERS: Final = 32
MAX_WAITERS: Final = 256
"""Requests that wait for one thing: as many as there can be connections."""

Look = Callable[[Sequence[str]], Awaitable[dict[str, Signature]]]


class TooManyListeners(GeneratorError):
    """So many listen already; close one of the pages."""


class _Listener(NamedTuple):
    bundle: str
    briefly: bool


class Hub:
    """Who listens to which bundle. All on one event loop; `run` is its one task."""

    def __init__(self, *, max_listeners: int = MAX_LISTENERS, look: Look | None = None) -> None:
        self._most = {False: max_listeners, True: MAX_WAITERS}
        self._look = look or _look_in_thread
        self._listeners: dict[MemoryObjectSendStream[None], _Listener] = {}
        self._somebody = anyio.Event()
        self._closed = False

    @contextmanager
    def listen(self, bundle: str, *, briefly: bool = False) -> Iterator[MemoryObjectReceiveStream[None]]:
        """Give a stream that says "look again", once at the start; it ends when the server stops.

        `briefly`: for the length of a request; these are counted apart. Raises TooManyListeners.
        """
        if sum(one.briefly is briefly for one in self._listeners.values()) >= self._most[briefly]:
            raise TooManyListeners(f"{self._most[briefly]} listen already; close one of the pages")
        sender, receiver = anyio.create_memory_object_stream[None](1)
        sender.send_nowait(None)
        if self._closed:
            sender.close()
        else:
            self._listeners[sender] = _Listener(bundle, briefly)
            self._somebody.set()
        try:
            yield receiver
        finally:
            self._listeners.pop(sender, None)
            sender.close()
            receiver.close()

    def close(self) -> None:
        """End every listener's stream, and those to come."""
        self._closed = True
        for sender in self._listeners:
            sender.close()

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        seen: dict[str, Signature] = {}
        while True:
            await self._somebody.wait()
            if not self._listeners:
                self._somebody = anyio.Event()
                seen = {}
                continue
            now = await self._look(sorted({one.bundle for one in self._listeners.values()}))
            self._tell({bundle for bundle, what in now.items() if seen.get(bundle) != what})
            seen = now
            await anyio.sleep(LOOK_EVERY_S)

    def _tell(self, changed: set[str]) -> None:
        for sender, listener in list(self._listeners.items()):
            if listener.bundle in changed:
                try:
                    sender.send_nowait(None)
                except anyio.WouldBlock:  # one notice waits already
                    continue
                except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                    continue


async def _look_in_thread(bundles: Sequence[str]) -> dict[str, Signature]:
    return await anyio.to_thread.run_sync(lambda: {bundle: signature(bundle) for bundle in bundles})


def news(before: Coaching, now: Coaching) -> list[str]:
    """Return the events that lead from one view of a bundle to the next, in the order in which they are told. Pure."""
    is_new = _made_at(now) is not None and _made_at(now) != _made_at(before)
    told = []
    if now.state != before.state and now.state == "waiting":
        told.append("take")
    if is_new:
        told += ["coach"] if before.state == "waiting" else ["take", "coach"]
    if _ai(now) is not None and (is_new or _ai(now) != _ai(before)):
        told.append("ai_coach")
    if now.queued is not None and (is_new or now.queued != before.queued):
        told.append("queued")
    if now.error is not None and now.error != before.error:
        told.append("error")
    return told


def _made_at(view: Coaching) -> object:
    return None if view.envelope is None else view.envelope.deterministic.created_at_utc


def _ai(view: Coaching) -> object:
    return None if view.envelope is None else view.envelope.ai
