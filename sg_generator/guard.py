"""The outermost layer of the server: refuses what `request_policy` refuses, bounds bodies, adds security headers.

An ASGI application around another one. A body is read whole, in bounded size and time, and parsed strictly before
anybody sees it: what two JSON readers could read differently (twin keys, NaN, …) does not get further.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio
import structlog

from sg_coach.errors import InvalidJson
from sg_coach.jsontext import parse_json_object, to_json_bytes

from .errors import ErrorCode
from .request_policy import BODY_TOO_LARGE, MAX_BODY_BYTES, READS, Hosts, refusal

BODY_WITHIN_S: Final = 10.0
"""A body has to be there within so many seconds."""

_DRAIN_BYTES: Final = 8 * 1024 * 1024
_DRAIN_S: Final = 2.0

SECURITY_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
     b"object-src 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(self), midi=(self)"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)  # fmt: skip

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Guard:
    """The guarded application."""

    def __init__(self, app: App, hosts: Hosts, *, body_within_s: float = BODY_WITHIN_S) -> None:
        self._app = app
        self._hosts = hosts
        self._body_within_s = body_within_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hardened = _hardened(send)
        why = refusal(scope["method"], scope["headers"], self._hosts)
        if why is not None:
            _log.warning("refused", method=scope["method"], path=scope["path"], reason=why)
            await _drain(receive)
            await _send_failed(hardened, why)
        elif scope["method"] in READS:
            await self._app(scope, receive, hardened)
        else:
            await self._with_body(scope, receive, hardened)

    async def _with_body(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            with anyio.fail_after(self._body_within_s):
                body = await _body(receive)
            if body is not None:
                parse_json_object(body)
        except TimeoutError:
            await _send_failed(send, f"body: not there within {self._body_within_s:g} s; send it at once")
        except _TooLarge:
            await _drain(receive)
            await _send_failed(send, BODY_TOO_LARGE)
        except InvalidJson as error:
            await _send_failed(send, str(error.in_file("body")))
        else:
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)


class _TooLarge(Exception):
    """More came than was announced or is allowed."""


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def _drain(receive: Receive) -> None:
    """Let a client that is still sending come to its end, within limits: cut off, it would not read the answer."""
    left = _DRAIN_BYTES
    with anyio.move_on_after(_DRAIN_S):
        while left > 0:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
            left -= len(message.get("body", b""))


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _hardened(send: Send) -> Send:
    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *SECURITY_HEADERS]}
        await send(message)

    return harden


async def _send_failed(send: Send, why: str) -> None:
    """Answer, and close: what the client still has to say would be taken for its next request."""
    document = {"status": "failed", "error_code": ErrorCode.VALIDATION_ERROR, "error_message": why}
    body = to_json_bytes(document)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
