"""A local stand-in for the AI service: the Messages API and the companion service's endpoint, on loopback only.

A development tool: for the demo, the benchmarks and the tests, over real sockets and the real SDK. Its model is called
`simulator-…`, so that no reply of it passes for a real one (`model_id` becomes `simulator:…@latest`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.abc
import h11

from sg_coach.errors import InvalidJson
from sg_coach.jsontext import parse_json_object
from sg_hybrid.prompt import SIMULATOR_PREFIX

from .cloud import COACH_PATH, facts_of_packet, pieces_for
from .connection import Connection, Request, RequestError
from .outcomes import Behaviour, Call, Fault, Outcome, ProfileName, from_profile, scripted
from .wire import LOGIN_PAGE, Answer, error_body, plain_of, stream_of

HOST: Final = "127.0.0.1"
MESSAGES_PATH: Final = "/v1/messages"
_DRIP_S: Final = 0.05
_JSON: Final = "application/json"
_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, h11.LocalProtocolError)


@dataclass(slots=True)
class Simulator:
    """A running simulator. `calls` holds what was asked so far, in the order of arrival."""

    behaviour: Behaviour
    name: str
    base_url: str = ""
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    _prompts: set[str] = field(default_factory=set)

    @property
    def model(self) -> str:
        return f"{SIMULATOR_PREFIX}{self.name}"

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        """Serve one connection until either side ends it."""
        connection = Connection(stream, self.connections)
        self.connections += 1
        async with stream:
            try:
                while (request := await connection.next_request()) is not None:
                    await self._respond(connection, request)
            except RequestError as error:
                with anyio.move_on_after(1.0):
                    await connection.whole(error.status, _JSON, error_body(error.status), {"connection": "close"})
            except _GONE:
                return

    async def _respond(self, connection: Connection, request: Request) -> None:
        status = _refusal(request)
        body = None if status else _json_object(request.body)
        facts = None if body is None else _facts(request.path, body)
        if body is None or facts is None:
            status = status or 400
            await connection.whole(status, _JSON, error_body(status), head=request.method == "HEAD")
            return
        arrived = anyio.current_time()
        call = Call(len(self.calls), connection.number, request.path, body, facts)
        self.calls.append(call)
        await self._answer(connection, call, self.behaviour(call), arrived)

    async def _answer(self, connection: Connection, call: Call, outcome: Outcome, arrived: float) -> None:
        if outcome.fault is Fault.HANG:
            await connection.until_gone()
            return
        await anyio.sleep_until(arrived + outcome.begins_s)
        overloaded = outcome.fault is Fault.ERROR_EVENT and not call.streaming
        if outcome.fault is Fault.STATUS or overloaded:
            status = 529 if overloaded else outcome.status
            again = {"retry-after": outcome.retry_after} if outcome.retry_after else {}
            await connection.whole(status, _JSON, error_body(status), again)
        elif outcome.fault is Fault.HTML:
            await connection.whole(200, "text/html; charset=utf-8", LOGIN_PAGE)
        else:
            await self._send(connection, call, outcome, arrived)

    async def _send(self, connection: Connection, call: Call, outcome: Outcome, arrived: float) -> None:
        pieces, content_type = self._body(call, outcome)
        await connection.start(200, content_type)
        if outcome.fault in (Fault.DRIP, Fault.ENDLESS):
            await _send_endlessly(connection, pieces, _DRIP_S if outcome.fault is Fault.DRIP else 0.0)
        await _send_paced(connection, list(pieces), arrived + outcome.begins_s, arrived + outcome.done_s)
        if outcome.fault is Fault.RESET:
            await connection.reset()
        else:
            await connection.finish()

    def _body(self, call: Call, outcome: Outcome) -> tuple[Iterator[bytes], str]:
        answer = Answer(call, outcome, self.model, cached=self._seen(call.body.get("system")))
        if call.path == COACH_PATH:
            return pieces_for(answer), _JSON
        if call.streaming:
            return stream_of(answer), "text/event-stream; charset=utf-8"
        return plain_of(answer.message(), outcome), _JSON

    def _seen(self, system: object) -> bool:
        """Return whether this system prompt came before: then its tokens count as read from the cache."""
        key = str(system)
        seen = key in self._prompts
        self._prompts.add(key)
        return seen


async def _send_endlessly(connection: Connection, pieces: Iterator[bytes], pause_s: float) -> None:
    for piece in pieces:
        await connection.send(piece)
        await anyio.sleep(pause_s)


async def _send_paced(connection: Connection, pieces: list[bytes], begin: float, end: float) -> None:
    """Send the pieces spread evenly from `begin` to `end` (on the event loop's clock); at once if that is no time."""
    if end <= begin:
        await connection.send(b"".join(pieces))
        return
    for index, piece in enumerate(pieces, start=1):
        await anyio.sleep_until(begin + (end - begin) * index / len(pieces))
        await connection.send(piece)


def _refusal(request: Request) -> int:
    """Return the status with which a request is refused before it is a call, or 0."""
    if request.path.partition("?")[0] not in (MESSAGES_PATH, COACH_PATH):
        return 404
    if request.method != "POST":
        return 405
    return 0 if {"authorization", "x-api-key"} & request.headers.keys() else 401


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        return parse_json_object(body)
    except InvalidJson:
        return None


def _facts(path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the facts that a call is about; None if the body is no request to `path`."""
    if path.partition("?")[0] == COACH_PATH:
        return facts_of_packet(body)
    try:
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        return _json_object(text.encode()) if isinstance(body["max_tokens"], int) else None
    except (LookupError, TypeError, AttributeError):
        return None


@asynccontextmanager
async def serve(
    behaviour: Behaviour | Iterable[Outcome] = (), *, port: int = 0, name: str = "scripted"
) -> AsyncGenerator[Simulator, None]:
    """Serve on 127.0.0.1 while the block runs; open connections are closed at its end.

    `behaviour` is a function of the call, or the outcomes of the first calls in order (then: at once and well). Port 0
    is any free one; `base_url` of the yielded Simulator tells it. Raises OSError if the port is taken.
    """
    simulator = Simulator(behaviour if callable(behaviour) else scripted(behaviour), name)
    failure: Exception | None = None
    async with await anyio.create_tcp_listener(local_host=HOST, local_port=port) as listener:
        taken = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - anyio's, not Django's
        simulator.base_url = f"http://{HOST}:{taken}"
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, simulator.handle, name="simulator")
            try:
                yield simulator
            except Exception as error:  # noqa: BLE001 - raised again below, outside of the group that would wrap it
                failure = error
            finally:
                group.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def run_simulator(
    profile: ProfileName,
    *,
    port: int = 0,
    seed: int = 0,
    task_status: anyio.abc.TaskStatus[Simulator] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the latency model `profile` until cancelled; `task_status` gets the Simulator once it listens."""
    async with serve(from_profile(profile, seed), port=port, name=profile) as simulator:
        task_status.started(simulator)
        await anyio.sleep_forever()
