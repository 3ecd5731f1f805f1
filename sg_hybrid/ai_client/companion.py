"""The companion service: a context packet out, an addendum in. No guitar needs a vendor's key, and no SDK is loaded."""

from __future__ import annotations

from typing import Final

import anyio
import httpx2

from sg_coach.errors import InvalidJson
from sg_coach.jsontext import parse_json_object, to_compact_json
from sg_hybrid.ai_config import AiConfig
from sg_hybrid.errors import AiError, AiInvalid
from sg_hybrid.models import AiReply, CoachRequest

from .faults import COMPANION_REMEDIES, for_status
from .http import WarmHttp, network_error
from .notes import Notes
from .packet import context_packet
from .reply import usable_addendum
from .transport import REUSED

ENHANCE_PATH: Final = "/api/v1/coach/enhance"
_JSON: Final = "application/json"


class CompanionApi:
    """One client of a companion service, made once for a process."""

    def __init__(self, config: AiConfig, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Loads certificates and builds the client: some tens of milliseconds, so call it in a thread."""
        self._url = config.base_url.rstrip("/") + ENHANCE_PATH
        self._headers = {"authorization": f"Bearer {config.api_key}", "content-type": _JSON, "accept": _JSON}
        self._http = WarmHttp(config, transport)

    async def rehearse(self) -> None:
        """Make one call that goes no further than this process: the first one builds what the others use."""
        async with self._http.rehearsing(httpx2.Response(200, json={})):
            await self._take_in(b"{}", Notes())

    async def connect(self) -> None:
        """Open a connection and ask for nothing. Raises AiError."""
        await self._http.connect()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def call(self, request: CoachRequest, notes: Notes) -> AiReply:
        """Make one call and take in its answer to the end. Raises AiError and nothing else."""
        body = await self._take_in(to_compact_json(context_packet(request)).encode(), notes)
        return usable_addendum(body, clip_id=request.clip_id, facts=request.facts)

    async def _take_in(self, packet: bytes, notes: Notes) -> bytes:
        """A raised error carries no cause and no context: a server may echo the token in its error message."""
        body, failure = bytearray(), None
        try:
            await self._read(packet, notes, body)
        except Exception as error:  # noqa: BLE001 - the boundary: foreign errors come in many coats
            failure = None if _is_whole(body) else network_error(error, answered=notes.answered)
        if failure is not None:
            raise failure
        return bytes(body)

    async def _read(self, packet: bytes, notes: Notes, body: bytearray) -> None:
        request = self._http.client.build_request("POST", self._url, content=packet, headers=self._headers)
        response = await self._http.client.send(request, stream=True)
        notes.answered = True
        try:
            notes.reused_connection = response.extensions.get(REUSED)
            _check_head(response)
            async for chunk in response.aiter_bytes():
                notes.token_came(anyio.current_time())
                body += chunk
        finally:
            await response.aclose()


def _is_whole(body: bytearray) -> bool:
    """Whether an object has come to its end: then a connection that breaks afterwards has taken nothing away."""
    try:
        return bool(parse_json_object(bytes(body)))
    except InvalidJson:
        return False


def _check_head(response: httpx2.Response) -> None:
    """Raise AiError unless what comes is an addendum."""
    kind = response.headers.get("content-type", "").lower()
    if response.status_code != 200:
        raise _not_ok(response)
    if not kind.startswith(_JSON):
        what = "HTML" if "html" in kind else "something else"
        raise AiInvalid(f"{what} instead of an addendum: a login page of the network, or another service?")


def _not_ok(response: httpx2.Response) -> AiError:
    if response.status_code < 300:
        return AiInvalid(f"no addendum in the answer ({response.status_code})")
    return for_status(
        response.status_code, retry_after=response.headers.get("retry-after"), remedies=COMPANION_REMEDIES
    )
