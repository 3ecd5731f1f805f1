"""The server process: a socket, uvicorn around the application, signals. Clients that dawdle are let go.

SIGTERM and SIGINT end it: no new connections, event streams end, running requests get the grace period; a second
signal skips that.
"""

from __future__ import annotations

import math
import signal
import socket
from collections.abc import Callable
from typing import Any, Final, cast

import anyio
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import AddressUnusable
from .guard import App

HEAD_WITHIN_S: Final = 10.0
"""The head of a request has to be there within so many seconds after its connection, or its first byte."""

READ_WITHIN_S: Final = 20.0
"""A client that stops reading its answer for so long is let go."""

KEEP_ALIVE_S: Final = 20
MAX_CONNECTIONS: Final = 256
"""From so many connections on, one more gets HTTP 503."""


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with limits to how long one waits for a request's head, and for a reader."""

    _head_timer: Any = None
    _write_timer: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._forget_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_write()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_write()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_write(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class _Server(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again when all is done, and the exit would not be clean."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()  # in a hurry uvicorn leaves it out, and the loop would cancel it


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port` (0: a free one). Raises AddressUnusable saying what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnusable(f"{host}: {error.strerror or error}; check --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise AddressUnusable(
            f"{host}:{port}: {error.strerror}; end what listens there, or take another --port"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a bound socket as one types it into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: App,
    listener: socket.socket,
    *,
    grace_s: float,
    ready: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Serve until a signal comes; then `stopping` is called, and what runs gets `grace_s` seconds."""
    config = uvicorn.Config(
        cast(Any, app),  # an ASGI application; uvicorn's own types name each kind of message
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=max(1, math.ceil(grace_s)),
    )
    server = _Server(config, ready)
    async with anyio.create_task_group() as group:
        group.start_soon(_obey_signals, server, stopping, name="signals")
        await server.serve([listener])
        group.cancel_scope.cancel()


async def _obey_signals(server: _Server, stopping: Callable[[], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            server.force_exit = server.should_exit
            server.should_exit = True
            stopping()
