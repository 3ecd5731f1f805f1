"""One warm HTTP client for a process, and what the network's errors mean."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import AiError, AiInvalid, AiNotReached, AiRefused, AiTimeout, AiUnreachable

from .faults import NoAnswer, NoConnection, NoFreeConnection
from .transport import BoundedTransport, real_transport

_TALKATIVE: Final = ("anthropic", "httpx2", "httpcore2")
"""Loggers that would write prompts and the service's headers at DEBUG, and a line for each request at INFO."""


class WarmHttp:
    """A pool of kept-alive connections to one service: bounded answers, no redirects, no proxy of the environment."""

    def __init__(self, config: AiConfig, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Loads certificates and builds the client: some tens of milliseconds, so call it in a thread."""
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._base_url = config.base_url
        self._transport = BoundedTransport(transport or real_transport(config), config.max_reply_bytes)
        self.timeout = httpx2.Timeout(config.read_s, connect=config.connect_s, pool=config.pool_s)
        self.client = httpx2.AsyncClient(
            transport=self._transport,
            timeout=self.timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity"},
        )

    async def connect(self) -> None:
        """Open a connection, asking for nothing: any answer to a HEAD leaves it open. Raises AiError."""
        failure = None
        try:
            await self.client.head(self._base_url)
        except Exception as error:  # noqa: BLE001 - the boundary: see network_error()
            failure = network_error(error, answered=False)
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def rehearsing(self, answer: httpx2.Response) -> AsyncGenerator[None, None]:
        """While the block runs, every request is answered with `answer` and goes no further than this process."""
        real, self._transport.inner = self._transport.inner, httpx2.MockTransport(lambda _request: answer)
        try:
            yield
        finally:
            self._transport.inner = real

    async def aclose(self) -> None:
        """Close all connections."""
        await self.client.aclose()


def network_error(error: BaseException, *, answered: bool) -> AiError:
    """Return our error for one that the network or its library raised; `answered`: after the answer had begun."""
    if isinstance(error, AiError):
        return error
    if isinstance(error, httpx2.TimeoutException):
        return _timeout(error)
    if isinstance(error, (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return AiRefused("the request cannot be sent: check the key and the address for stray characters")
    if not answered:
        kind = NoConnection if isinstance(error, httpx2.ConnectError) else NoAnswer
        return kind(f"no connection to the AI service ({type(error).__name__}): offline, DNS, TLS or refused")
    if isinstance(error, (httpx2.TransportError, httpx2.StreamError, OSError)):
        return AiUnreachable(f"the connection broke ({type(error).__name__})")
    return AiInvalid(f"an answer that is not of the service's API ({type(error).__name__})")


def _timeout(error: httpx2.TimeoutException) -> AiError:
    if isinstance(error, httpx2.PoolTimeout):
        return NoFreeConnection()
    if isinstance(error, httpx2.ConnectTimeout):
        return AiNotReached("no connection within the time limit")
    return AiTimeout("the AI service was silent for too long")
