"""Server-sent events about one bundle, as an answer: `state`, then what appears, until client, server or bundle ends.

Format: WHATWG HTML, section Server-sent events. Every event carries the whole view, so a client that reconnects has
missed nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sg_coach.errors import CoachError

from .answers import Coaching
from .errors import GeneratorError
from .watch import news

ALIVE_EVERY_S: Final = 15.0
SENT_WITHIN_S: Final = 10.0
"""A client that does not read for so long is gone."""

RETRY_MS: Final = 1000

View = Callable[[], Awaitable[Coaching]]
Listening = AbstractContextManager[MemoryObjectReceiveStream[None]]


class EventStream(Response):
    """The stream: `view` reads the bundle, `listening` says when to read it again. Holds `listening` while it runs."""

    media_type = "text/event-stream"

    def __init__(
        self, first: Coaching, view: View, listening: Listening, *, alive_every_s: float = ALIVE_EVERY_S
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._view = view
        self._listening = listening
        self._alive_every_s = alive_every_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _ = scope
        with self._listening as changed:
            async with anyio.create_task_group() as group:
                group.start_soon(_until_gone, receive, group.cancel_scope)
                with contextlib.suppress(TimeoutError):
                    await self._stream(changed, send)
                group.cancel_scope.cancel()

    async def _stream(self, changed: MemoryObjectReceiveStream[None], send: Send) -> None:
        before = self._first
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _push(send, f"retry: {RETRY_MS}\n" + _event("state", before))
        while (kind := await self._next(changed)) != "end":
            if kind == "alive":
                await _push(send, ": alive\n\n")
                continue
            try:
                now = await self._view()
            except (OSError, CoachError, GeneratorError):
                break  # the bundle is gone
            for name in news(before, now):
                await _push(send, _event(name, now))
            before = now
        await _push(send, "event: end\ndata: {}\n\n", last=True)

    async def _next(self, changed: MemoryObjectReceiveStream[None]) -> str:
        with anyio.move_on_after(self._alive_every_s):
            try:
                await changed.receive()
            except anyio.EndOfStream:
                return "end"
            return "changed"
        return "alive"


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _push(send: Send, text: str, *, last: bool = False) -> None:
    with anyio.fail_after(SENT_WITHIN_S):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": not last})


def _event(name: str, view: Coaching) -> str:
    return f"event: {name}\ndata: {view.model_dump_json()}\n\n"
