"""The Messages API through the vendor's SDK, and the one place where the SDK's errors become ours.

Importing this module imports `anthropic`, which takes longer than a tip may take: `create_coach` does it in a thread,
once, and only if the AI is on.
"""

from __future__ import annotations

from typing import Any, Final

import anthropic
import anyio
import httpx2

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import AiError, AiInvalid
from sg_hybrid.models import AiReply, CoachRequest
from sg_hybrid.prompt import message_parameters, model_id

from .faults import for_status
from .http import WarmHttp, network_error
from .notes import Notes
from .reading import Reading
from .reply import usable_reply, usable_template
from .transport import REUSED

DRAIN_S: Final = 0.25
"""After the last event: how long to wait for the end of the body, so that the connection can be used again."""
_EVENT_STREAM: Final = "text/event-stream"
_REHEARSAL: Final = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{}}}\n\n'


class MessagesApi:
    """One client of the Messages API, made once for a process: a pool of warm connections is what makes it quick."""

    def __init__(self, config: AiConfig, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Loads certificates and builds the client: some tens of milliseconds, so call it in a thread."""
        self._config = config
        self._http = WarmHttp(config, transport)
        self._client = anthropic.AsyncAnthropic(
            api_key=config.api_key,
            base_url=config.base_url,
            max_retries=0,
            timeout=self._http.timeout,
            http_client=self._http.client,
            open_telemetry=False,
        )

    async def rehearse(self) -> None:
        """Make one call that goes no further than this process: the SDK builds much of itself at the first call."""
        answer = httpx2.Response(200, content=_REHEARSAL, headers={"content-type": _EVENT_STREAM})
        async with self._http.rehearsing(answer):
            await self._take_in(self._parameters(CoachRequest("rehearsal", "rehearsal", {})), Reading())

    async def connect(self) -> None:
        """Open a connection, tokens unspent. Raises AiError."""
        await self._http.connect()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def call(self, request: CoachRequest, notes: Notes) -> AiReply:
        """Make one call and take in its answer to the end. Raises AiError and nothing else."""
        reading = Reading(notes)
        await self._take_in(self._parameters(request), reading)
        who = model_id(self._config.provider, notes.model or self._config.model)
        if request.purpose == "prepare":
            return usable_template(reading.finished_text(), model_id=who)
        return usable_reply(reading.finished_text(), model_id=who, facts=request.facts)

    def _parameters(self, request: CoachRequest) -> dict[str, Any]:
        return message_parameters(request, model=self._config.model, max_tokens=self._config.max_tokens)

    async def _take_in(self, parameters: dict[str, Any], reading: Reading) -> None:
        """A raised error carries no cause and no context: a server may echo the key in its error message."""
        failure: AiError | None = None
        try:
            await self._read(parameters, reading)
        except Exception as error:  # noqa: BLE001 - the boundary: foreign errors come in many coats
            failure = None if reading.complete else classified(error)
        if failure is not None:
            raise failure

    async def _read(self, parameters: dict[str, Any], reading: Reading) -> None:
        stream = await self._client.messages.create(**parameters, stream=True)
        async with stream:
            reading.notes.reused_connection = stream.response.extensions.get(REUSED)
            content_type = stream.response.headers.get("content-type", "").lower()
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
    if isinstance(error, anthropic.APIConnectionError):
        return network_error(error.__cause__ or error, answered=False)
    if isinstance(error, anthropic.APIStatusError):
        return for_status(error.status_code, error.type, error.response.headers.get("retry-after"))
    return network_error(error, answered=True)
