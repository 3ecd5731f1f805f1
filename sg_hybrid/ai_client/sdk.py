"""One call through the vendor's SDK, and the one place where its errors and the network's become ours.

Importing this module imports `anthropic`, which takes longer than a tip may take: `AnthropicCoach.create` does it in a
thread, once, and only if the AI is on.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import anthropic
import anyio
import httpx2

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import AiError, AiInvalid, AiRefused, AiTimeout, AiUnreachable

from .faults import NoAnswer, NoFreeConnection, for_status
from .reading import Reading
from .transport import REUSED, BoundedTransport, real_transport

DRAIN_S: Final = 0.25
"""After the last event: how long to wait for the end of the body, so that the connection can be used again."""
_TALKATIVE: Final = ("anthropic", "httpx2", "httpcore2")
"""Loggers that would write prompts and the service's headers at DEBUG, and a line for each request at INFO."""
_EVENT_STREAM: Final = "text/event-stream"
_REHEARSAL: Final = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'


class MessagesApi:
    """One client of the Messages API, made once for a process: a pool of warm connections is what makes it quick."""

    def __init__(self, config: AiConfig, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Loads certificates and builds the client: some tens of milliseconds, so call it in a thread."""
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._base_url = config.base_url
        self._transport = BoundedTransport(transport or real_transport(config), config.max_reply_bytes)
        timeout = httpx2.Timeout(config.read_s, connect=config.connect_s, pool=config.pool_s)
        self._http = httpx2.AsyncClient(
            transport=self._transport,
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity"},
        )
        self._client = anthropic.AsyncAnthropic(
            api_key=config.api_key,
            base_url=config.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=self._http,
            open_telemetry=False,
        )

    async def rehearse(self, parameters: dict[str, Any]) -> None:
        """Make one call that goes no further than this process: the SDK builds much of itself at the first call."""

        async def answer(_request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, content=_REHEARSAL, headers={"content-type": _EVENT_STREAM})

        real, self._transport.inner = self._transport.inner, httpx2.MockTransport(answer)
        try:
            await self.call(parameters)
        finally:
            self._transport.inner = real

    async def connect(self) -> None:
        """Open a connection, tokens unspent: the answer to a HEAD, whatever it says, leaves it open. Raises AiError."""
        failure = None
        try:
            await self._http.head(self._base_url)
        except Exception as error:  # noqa: BLE001 - the boundary: see classified()
            failure = classified(error)
        if failure is not None:
            raise failure

    async def call(self, parameters: dict[str, Any]) -> Reading:
        """Make one call and take in its answer to the end. Raises AiError and nothing else.

        A raised error carries no cause and no context: a server may echo the key in its error message.
        """
        reading = Reading()
        failure: AiError | None = None
        try:
            await self._read(parameters, reading)
        except Exception as error:  # noqa: BLE001 - the boundary: foreign errors come in many coats
            failure = None if reading.complete else classified(error)
        if failure is not None:
            raise failure
        return reading

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _read(self, parameters: dict[str, Any], reading: Reading) -> None:
        stream = await self._client.messages.create(**parameters, stream=True)
        async with stream:
            reading.reused_connection = stream.response.extensions.get(REUSED)
            content_type = stream.response.headers.get("content-type", "")
            if not content_type.startswith(_EVENT_STREAM):
                kind = "HTML" if "html" in content_type else "something else"
                raise AiInvalid(f"{kind} instead of an event stream: a login page of the network, or another service?")
            with anyio.CancelScope() as draining:
                async for event in stream:
                    reading.feed(event, anyio.current_time())
                    if reading.complete:
                        draining.deadline = anyio.current_time() + DRAIN_S


def classified(error: Exception) -> AiError:
    """Return our error for one that the SDK or the network raised. The order counts: timeouts are connection errors."""
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) and error.__cause__ else error
    if isinstance(cause, AiError):
        return cause
    if isinstance(error, anthropic.APIStatusError):
        return for_status(error.status_code, error.type, error.response.headers.get("retry-after"))
    if isinstance(cause, httpx2.TimeoutException):
        return _timeout(cause)
    if isinstance(cause, (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return AiRefused("the request cannot be sent: check the key and the address for stray characters")
    if isinstance(error, anthropic.APIConnectionError):
        return NoAnswer(f"no connection to the AI service ({type(cause).__name__}): offline, DNS, TLS or refused")
    if isinstance(cause, (httpx2.TransportError, httpx2.StreamError, OSError)):
        return AiUnreachable(f"the connection broke ({type(cause).__name__})")
    return AiInvalid(f"an answer that is not of the Messages API ({type(cause).__name__})")


def _timeout(cause: httpx2.TimeoutException) -> AiError:
    if isinstance(cause, httpx2.PoolTimeout):
        return NoFreeConnection()
    if isinstance(cause, httpx2.ConnectTimeout):
        return AiUnreachable("no connection within the time limit")
    return AiTimeout("the AI service was silent for too long")
