"""The HTTP transport, bounded: an answer may be so long and no longer, and other calls run while it is taken in.

A client's timeout is no limit: an endless answer keeps every read short. So bytes are counted below the SDK, where
nothing has been decoded, decompressed or gathered yet.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, cast

import anyio.lowlevel
import httpx2

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import AiInvalid

_PIECE: Final = 4096
"""Bytes handed on at a time; a flood must not hold the event loop."""
REUSED: Final = "sg_reused_connection"
"""Response extension: whether the connection was there before (None if the transport does not tell)."""


def real_transport(config: AiConfig) -> httpx2.AsyncBaseTransport:
    """Return a pool of HTTP/1.1 connections (over HTTP/2 a server never sees a cancel). Loads certificates: slow."""
    limits = httpx2.Limits(
        max_connections=config.max_open_calls,
        max_keepalive_connections=config.max_open_calls,
        keepalive_expiry=config.keepalive_s,
    )
    return httpx2.AsyncHTTPTransport(http1=True, http2=False, limits=limits, trust_env=False)


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Hands requests to `inner`, limits what comes back and notes whether a connection was reused."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, max_bytes: int) -> None:
        self.inner = inner
        self.max_bytes = max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises AiInvalid if the answer is compressed: its size is not known before it is too late."""
        seen: set[str] = set()

        async def trace(name: str, _info: dict[str, Any]) -> None:
            seen.add(name)

        request.extensions = {**request.extensions, "trace": trace}
        response = await self.inner.handle_async_request(request)
        if response.headers.get("content-encoding", "").lower() not in ("", "identity"):
            await response.aclose()
            raise AiInvalid("a compressed answer, which was not asked for")
        response.extensions[REUSED] = "connection.connect_tcp.started" not in seen if seen else None
        response.stream = _BoundedStream(cast("httpx2.AsyncByteStream", response.stream), self.max_bytes)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._inner = inner
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(_chunks(self._inner)) as chunks:
            async for chunk in chunks:
                self._left -= len(chunk)
                if self._left < 0:
                    raise AiInvalid("the answer is too long; it was cut off")
                for start in range(0, len(chunk), _PIECE):
                    yield chunk[start : start + _PIECE]
                    await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _chunks(stream: httpx2.AsyncByteStream) -> AsyncGenerator[bytes, None]:
    async for chunk in stream:
        yield chunk
