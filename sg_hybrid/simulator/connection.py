"""One HTTP/1.1 connection of the simulator: h11 for the protocol, an anyio stream for the bytes, limits for both."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.abc
import h11

MAX_BODY_BYTES: Final = 256 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
IDLE_S: Final = 300.0
"""How long a connection may wait for its next request."""
READ_S: Final = 10.0
"""How long the body of a request may take."""


class RequestError(Exception):
    """The request cannot be read; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read to its end. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Reads requests and writes answers, one after the other. Send errors are anyio's: the peer is gone."""

    def __init__(self, stream: anyio.abc.SocketStream, number: int) -> None:
        self.number = number
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def next_request(self) -> Request | None:
        """Return the next request, None if there will be none. Raises RequestError."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        if self._h11.our_state is not h11.IDLE:
            return None
        head: object = None
        try:
            with anyio.move_on_after(IDLE_S):
                head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            with anyio.move_on_after(READ_S):
                return await self._with_body(head)
        except h11.RemoteProtocolError as error:
            raise RequestError(error.error_status_hint) from error
        raise RequestError(408)

    async def _with_body(self, head: h11.Request) -> Request:
        body = bytearray()
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise RequestError(400)
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise RequestError(413)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        return Request(head.method.decode("ascii"), head.target.decode("ascii", "replace"), headers, bytes(body))

    async def _next_event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            try:
                self._h11.receive_data(await self._stream.receive(4096))
            except anyio.EndOfStream:
                self._h11.receive_data(b"")
        return event

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of an answer. Without a `content-length` in `headers` the body is sent in chunks."""
        fields = {"content-type": content_type, "request-id": f"req_simulated_{self.number}", **(headers or {})}
        await self._write(h11.Response(status_code=status, headers=list(fields.items())))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        if data:
            await self._write(h11.Data(data=data))

    async def finish(self) -> None:
        """End the body."""
        await self._write(h11.EndOfMessage())

    async def whole(
        self,
        status: int,
        content_type: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        head: bool = False,
    ) -> None:
        """Send an answer whose body is known; only its head if `head`."""
        await self.start(status, content_type, {"content-length": str(len(body)), **(headers or {})})
        if not head:
            await self.send(body)
        await self.finish()

    async def _write(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            await self._stream.send(data)

    async def reset(self) -> None:
        """Break the connection with a TCP reset."""
        raw = self._stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._stream.aclose()

    async def until_gone(self) -> None:
        """Wait until the peer closes the connection; what it sends is thrown away."""
        try:
            while True:
                await self._stream.receive(4096)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return
