"""The AI client in virtual time: the real SDK over a transport in memory."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
import respx

from sg_hybrid.ai_client import RemoteCoach, create_coach
from sg_hybrid.ai_client.faults import retry_after_s
from sg_hybrid.ai_client.reading import Reading, tip_in
from sg_hybrid.ai_config import AiConfig
from sg_hybrid.breaker import BreakerLimits
from sg_hybrid.errors import (
    AiBusy,
    AiError,
    AiInvalid,
    AiPaused,
    AiRefused,
    AiRejected,
    AiTimeout,
    AiUnreachable,
    ConfigError,
)
from sg_hybrid.models import AiReply, CoachRequest, Usage
from sg_hybrid.ports import AiCoach
from sg_hybrid.prices import cost_usd
from sg_hybrid.simulator.outcomes import Call, Fault, Outcome
from sg_hybrid.simulator.wire import Answer, error_body, stream_of
from tests import httpcore2_mock  # noqa: F401 - registers the mocker
from tests.fakes import an_ai_config

KEY = "sk-test-very-secret"
REQUEST = CoachRequest("clip_1", "session", {"focus": "clave_grid", "clave_hit_pct": 61})
NEVER_PAUSES = BreakerLimits(failures=10**9)
GOOD = Outcome()
SSE = {"content-type": "text/event-stream; charset=utf-8"}


class Body(httpx2.AsyncByteStream):
    """A body that arrives piece by piece: a number is a pause in seconds, an exception breaks the connection."""

    def __init__(self, parts: Iterable[bytes | float | Exception]) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, bytes):
                yield part
            else:
                await anyio.sleep(part)


Handler = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
Step = httpx2.Response | Exception | Handler


@dataclass
class Service(httpx2.AsyncBaseTransport):
    """Answers request by request as told, the last step for ever; keeps when each request came."""

    steps: list[Step]
    times: list[float] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.times.append(anyio.current_time())
        self.requests.append(request)
        step = self.steps[min(len(self.times), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx2.Response) else await step(request)


def pieces(outcome: Outcome = GOOD, model: str = "claude-haiku-4-5-20251001") -> list[bytes]:
    """Return the events of an answer as the API would stream it."""
    call = Call(0, 0, "/v1/messages", {"stream": True}, REQUEST.facts)
    return list(stream_of(Answer(call, outcome, model, cached=True)))


def stream(*parts: bytes | float | Exception) -> Handler:
    """Return a step that answers with an event stream of these parts."""

    async def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=SSE, stream=Body(parts))

    return answer


def good() -> Handler:
    return stream(*pieces())


def status(code: int, **headers: str) -> Handler:
    async def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            code, content=error_body(code), headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


async def silence(_request: httpx2.Request) -> httpx2.Response:
    await anyio.sleep_forever()
    raise AssertionError


@dataclass
class Log:
    """Keeps log events as they come."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]


def a_config(**changes: Any) -> AiConfig:
    return an_ai_config(**{"api_key": KEY, "base_url": "http://ai.test", **changes})


async def a_coach(
    *steps: Step, log: Log | None = None, limits: BreakerLimits = NEVER_PAUSES, **config: Any
) -> tuple[RemoteCoach, Service]:
    service = Service(list(steps))
    coach = await create_coach(a_config(**config), log=log or Log(), limits=limits, transport=service)
    return coach, service


async def failure_of(coach: RemoteCoach) -> AiError:
    with pytest.raises(AiError) as caught:
        await coach.ask(REQUEST)
    return caught.value


# A call that works


async def test_a_reply_is_parsed_cleaned_and_named() -> None:
    coach, service = await a_coach(good())
    port: AiCoach = coach
    reply = await port.ask(REQUEST)
    assert reply.model_id == "anthropic:claude-haiku-4-5@20251001"
    assert reply.timing_insight == "61 percent of your strokes met the clave."
    assert len(service.requests) == 1


async def test_a_service_that_names_itself_a_simulator_is_called_one() -> None:
    coach, _ = await a_coach(stream(*pieces(model="simulator-lan")))
    assert (await coach.ask(REQUEST)).model_id == "simulator:lan@latest"


async def test_a_thinking_block_before_the_text_is_passed_over() -> None:
    coach, _ = await a_coach(stream(*pieces(Outcome(thinking=True))))
    assert (await coach.ask(REQUEST)).says_something


async def test_each_call_is_one_log_event_with_times_and_tokens() -> None:
    log = Log()
    text = '{"coaching_tip": "Play.", "confidence": 0.5}'
    head, ping, begin, *deltas, end, stop_reason, stop = pieces(Outcome(text=text))
    timed = [part for delta in deltas for part in (0.125, delta)]
    coach, _ = await a_coach(stream(0.25, head, ping, begin, *timed, end, stop_reason, stop), log=log)
    await coach.ask(REQUEST)
    (event,) = log.named("ai_call")
    assert event == {
        "clip": "clip_1",
        "outcome": "ok",
        "model_id": "anthropic:claude-haiku-4-5@20251001",
        "attempts": 1,
        "total_ms": 750.0,
        "first_token_ms": 375.0,
        "tip_ms": 500.0,  # its string closes with the second delta
        "tokens_per_s": 29.3,
        "input_tokens": event["input_tokens"],
        "output_tokens": 11,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cost_usd": round((event["input_tokens"] * 1.0 + 11 * 5.0) / 1e6, 7),
    }


async def test_tokens_that_are_told_after_the_end_of_the_reply_do_not_take_its_end_back() -> None:
    *whole, stop_reason, stop = pieces()
    tokens = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}
    log = Log()
    coach, _ = await a_coach(
        stream(*whole, stop_reason, f"event: message_delta\ndata: {json.dumps(tokens)}\n\n".encode(), stop), log=log
    )
    assert (await coach.ask(REQUEST)).says_something
    assert log.named("ai_call")[0]["output_tokens"] == 7


async def test_the_end_of_the_body_is_waited_for_but_not_for_long() -> None:
    coach, _ = await a_coach(stream(*pieces(), 3600.0))
    start = anyio.current_time()
    assert (await coach.ask(REQUEST)).says_something
    assert anyio.current_time() - start == pytest.approx(0.25)


async def test_a_break_after_the_last_event_loses_nothing() -> None:
    coach, _ = await a_coach(stream(*pieces(), httpx2.ReadError("gone")))
    assert (await coach.ask(REQUEST)).says_something


# The tip ahead of the reply


def in_time(text: str, pause_s: float = 0.125, **outcome: Any) -> Handler:
    """Return a step that streams a reply of this text, with a pause before each piece of it."""
    head, ping, begin, *deltas, end, stop_reason, stop = pieces(Outcome(text=text, **outcome))
    paced = [part for delta in deltas for part in (pause_s, delta)]
    return stream(head, ping, begin, *paced, end, stop_reason, stop)


async def asked_early(coach: RemoteCoach) -> tuple[list[tuple[float, AiReply]], AiReply | AiError]:
    """Ask; return when which tips were handed out, and how the call ended."""
    tips: list[tuple[float, AiReply]] = []
    began = anyio.current_time()
    try:
        ended: AiReply | AiError = await coach.ask(
            REQUEST, on_tip=lambda tip: tips.append((round(anyio.current_time() - began, 3), tip))
        )
    except AiError as error:
        ended = error
    return tips, ended


async def test_the_tip_is_handed_out_as_soon_as_its_string_is_closed() -> None:
    coach, _ = await a_coach(in_time('{"coaching_tip": "Clap the clave.", "confidence": 0.5, "timing_insight": null}'))
    tips, reply = await asked_early(coach)
    who = "anthropic:claude-haiku-4-5@20251001"
    assert tips == [(0.375, AiReply(who, coaching_tip="Clap the clave."))]  # 36 characters have come
    assert isinstance(reply, AiReply)
    assert (reply.coaching_tip, reply.confidence) == ("Clap the clave.", 0.5)


async def test_the_content_type_may_be_written_in_any_case() -> None:
    answer = httpx2.Response(200, headers={"content-type": "Text/Event-Stream"}, stream=Body(pieces()))
    coach, _ = await a_coach(answer)
    assert (await coach.ask(REQUEST)).says_something


async def test_a_plain_call_asks_for_no_tip() -> None:
    coach, _ = await a_coach(in_time('{"coaching_tip": "Clap the clave."}'))
    assert (await coach.ask(REQUEST)).coaching_tip == "Clap the clave."


@pytest.mark.parametrize(
    "text",
    [
        '{"coaching_tip": "90 percent of your strokes met the clave.", "confidence": 1}',
        '{"coaching_tip": "\\u001b[31mClap the clave.", "confidence": 1}',
        '{"coaching_tip": "", "confidence": 1}',
        '{"coaching_tip": null, "timing_insight": "Clap the clave.", "confidence": 1}',
        '{"coaching_tip": 5, "confidence": 1}',
    ],
)
async def test_a_tip_that_may_not_be_shown_is_not_handed_out(text: str) -> None:
    coach, _ = await a_coach(in_time(text))
    tips, _ = await asked_early(coach)
    assert tips == []


async def test_a_draft_in_a_reasoning_block_is_no_tip() -> None:
    draft = '<think>{"coaching_tip": "Clap the bar."}</think>{"coaching_tip": "Clap the clave."}'
    coach, _ = await a_coach(in_time(draft))
    tips, reply = await asked_early(coach)
    assert [tip.coaching_tip for _, tip in tips] == ["Clap the clave."]
    assert isinstance(reply, AiReply)


async def test_that_the_rest_of_a_reply_is_refused_is_said_after_its_tip_is_out() -> None:
    text = '{"coaching_tip": "Clap the clave.", "timing_insight": "You rush by 12 ms.", "confidence": 1}'
    coach, _ = await a_coach(in_time(text))
    tips, ended = await asked_early(coach)
    assert len(tips) == 1
    assert isinstance(ended, AiRejected)
    assert "timing_insight" in str(ended)


async def test_nothing_is_asked_again_once_a_tip_is_out() -> None:
    whole = pieces(Outcome(text='{"coaching_tip": "Clap the clave.", "timing_insight": "Listen."}'))
    overloaded = pieces(Outcome(fault=Fault.ERROR_EVENT))[-1]
    coach, service = await a_coach(stream(*whole[:6], overloaded), good())
    tips, ended = await asked_early(coach)
    assert len(tips) == 1
    assert isinstance(ended, AiBusy)
    assert len(service.times) == 1


async def test_a_tip_comes_once_although_the_first_attempt_failed() -> None:
    coach, service = await a_coach(status(529), good())
    tips, reply = await asked_early(coach)
    assert len(tips) == 1
    assert isinstance(reply, AiReply)
    assert len(service.times) == 2


# What it cost


async def test_tokens_are_told_of_each_answer_be_it_refused_or_not() -> None:
    spent: list[tuple[str, Usage]] = []
    service = Service([status(529), stream(*pieces(Outcome(fault=Fault.REFUSAL))), good()])
    coach = await create_coach(
        a_config(),
        log=Log(),
        limits=NEVER_PAUSES,
        transport=service,
        spent=lambda model, usage: spent.append((model, usage)),
    )
    assert isinstance(await failure_of(coach), AiInvalid)
    await coach.ask(REQUEST)
    assert [model for model, _ in spent] == ["claude-haiku-4-5-20251001"] * 2  # a 529 costs nothing
    assert all(usage.output_tokens > 10 for _, usage in spent)


async def test_an_answer_that_broke_off_before_another_one_is_in_the_log_too() -> None:
    spent, log = list[Usage](), Log()
    overloaded = pieces(Outcome(fault=Fault.ERROR_EVENT))[-1]
    service = Service([stream(*pieces()[:4], overloaded), good()])
    coach = await create_coach(
        a_config(), log=log, limits=NEVER_PAUSES, transport=service, spent=lambda _model, usage: spent.append(usage)
    )
    await coach.ask(REQUEST)
    (event,) = log.named("ai_call")
    assert len(spent) == event["attempts"] == 2
    assert event["output_tokens"] == sum(usage.output_tokens for usage in spent)
    costs = [cost_usd("claude-haiku-4-5-20251001", usage) or 0.0 for usage in spent]
    assert event["cost_usd"] == pytest.approx(sum(costs))


async def test_a_cost_that_is_not_known_is_said_to_be_unknown() -> None:
    log = Log()
    coach, _ = await a_coach(stream(*pieces(model="llama-3")), log=log)
    await coach.ask(REQUEST)
    (event,) = log.named("ai_call")
    assert event["cost_usd"] is None


@pytest.mark.parametrize("tokens", [10**400, 10**15, -5, True, 1.5, "7"])
async def test_a_count_of_tokens_that_cannot_be_is_none(tokens: object) -> None:
    log, spent = Log(), list[Usage]()
    whole = pieces()
    begun = {"type": "message_start", "message": {"model": "claude-haiku-5-5", "usage": {"input_tokens": tokens}}}
    service = Service([stream(f"event: message_start\ndata: {json.dumps(begun)}\n\n".encode(), *whole[1:])])
    coach = await create_coach(
        a_config(), log=log, limits=NEVER_PAUSES, transport=service, spent=lambda _model, usage: spent.append(usage)
    )
    await coach.ask(REQUEST)
    (event,), (usage,) = log.named("ai_call"), spent
    assert usage.input_tokens == 0
    assert usage.output_tokens > 10
    assert event["cost_usd"] < 0.01


# Errors in their many coats


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (httpx2.ConnectError("[Errno -2] Name or service not known"), AiUnreachable),
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), AiUnreachable),
        (httpx2.ConnectTimeout("slow"), AiUnreachable),
        (httpx2.ReadTimeout("slow"), AiTimeout),
        (httpx2.WriteTimeout("slow"), AiTimeout),
        (httpx2.PoolTimeout("full"), AiBusy),
        (httpx2.RemoteProtocolError("Server disconnected"), AiUnreachable),
        (httpx2.LocalProtocolError(f"Illegal header value b'Bearer {KEY}\\n'"), AiRefused),
        (OSError(101, "Network is unreachable"), AiUnreachable),
        (stream(httpx2.ReadTimeout("slow")), AiTimeout),
        (stream(*pieces()[:4], httpx2.ReadTimeout("slow")), AiTimeout),
        (stream(*pieces()[:4], httpx2.RemoteProtocolError("peer closed")), AiUnreachable),
        (stream(*pieces()[:4], httpx2.ReadError("reset")), AiUnreachable),
        (stream(*pieces()[:-2]), AiUnreachable),
        (stream(), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.NOISE))), AiInvalid),
        (stream(b"event: message_start\ndata: {not json\n\n"), AiInvalid),
        (stream(b"event: message_start\ndata: [1]\n\n"), AiInvalid),
        (stream(b'event: message_delta\ndata: {"type": "message_delta", "delta": 5, "usage": "x"}\n\n'), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.NOT_A_MESSAGE))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.EMPTY))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.TOOL_USE))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.REFUSAL))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.MAX_TOKENS))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.GARBAGE))), AiInvalid),
        (stream(*pieces(Outcome(fault=Fault.ERROR_EVENT))), AiBusy),
        (stream(b'event: error\ndata: {"type":"error","error":{"type":"authentication_error"}}\n\n'), AiRefused),
        (stream(b"event: error\ndata: oops\n\n"), AiInvalid),
        (status(529), AiBusy),
        (status(500), AiBusy),
        (status(503), AiBusy),
        (status(429), AiBusy),
        (status(400), AiRefused),
        (status(401), AiRefused),
        (status(403), AiRefused),
        (status(404), AiRefused),
        (status(418), AiRefused),
        (status(302, location="http://login.test/"), AiUnreachable),
        (httpx2.Response(200, html="<html>Login</html>"), AiInvalid),
        (httpx2.Response(200, json={}), AiInvalid),
        (httpx2.Response(200, text="just a word"), AiInvalid),
        (httpx2.Response(204), AiInvalid),
    ],
)
async def test_every_fault_is_one_of_our_errors(step: Step, kind: type[AiError]) -> None:
    log = Log()
    coach, _ = await a_coach(step, log=log)
    error = await failure_of(coach)
    assert isinstance(error, kind)
    (event,) = log.named("ai_call")
    assert event["outcome"] == kind.kind
    assert event["reason"] == str(error)


@pytest.mark.parametrize("path", ["sdk", "error body"])
async def test_a_flood_is_cut_off(path: str) -> None:
    seen = 0

    def flood() -> Iterable[bytes]:
        nonlocal seen
        while True:
            seen += 1
            yield b"data: " + b"x" * 65536

    async def endless(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if path == "sdk" else 400, headers=SSE, stream=Body(flood()))

    coach, _ = await a_coach(endless)
    error = await failure_of(coach)
    assert isinstance(error, AiInvalid)
    assert "too long" in str(error)
    assert seen <= 3


async def test_other_tasks_run_while_a_large_piece_is_taken_in() -> None:
    coach, _ = await a_coach(stream(b":\n\n" * 40_000))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await failure_of(coach)
        group.cancel_scope.cancel()
    assert turns >= 20


async def test_a_compressed_answer_is_refused_unread() -> None:
    async def bomb(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={**SSE, "content-encoding": "gzip"}, stream=Body([b"never read"]))

    coach, service = await a_coach(bomb)
    assert "compressed" in str(await failure_of(coach))
    assert service.requests[0].headers["accept-encoding"] == "identity"


# Retries


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_an_answer_that_says_it_is_not_compressed_is_read(encoding: str) -> None:
    headers = {**SSE, "content-encoding": encoding}
    coach, _ = await a_coach(httpx2.Response(200, headers=headers, stream=Body(pieces())))
    assert (await coach.ask(REQUEST)).says_something


async def test_a_busy_service_is_asked_twice_more() -> None:
    coach, service = await a_coach(status(529), status(500), good())
    assert (await coach.ask(REQUEST)).says_something
    first, second = service.times[1] - service.times[0], service.times[2] - service.times[1]
    assert 0.5 <= first <= 1.0
    assert 1.0 <= second <= 1.5


async def test_a_service_that_stays_busy_is_given_up_after_three_attempts() -> None:
    coach, service = await a_coach(status(529))
    assert isinstance(await failure_of(coach), AiBusy)
    assert len(service.times) == 3


@pytest.mark.parametrize(
    ("header", "requests", "pause"),
    [
        ("", 2, 0.5),
        ("7", 2, 7.0),
        ("20", 2, 20.0),
        ("21", 1, 0),
        ("60", 1, 0),
        ("1e9", 1, 0),
        ("-1", 2, 0.5),
        ("soon", 2, 0.5),
    ],
)
async def test_retry_after_is_honoured_within_reason(header: str, requests: int, pause: float) -> None:
    busy = status(429, retry_after=header) if header else status(429)
    coach, service = await a_coach(busy, good())
    start = anyio.current_time()
    if requests == 1:
        assert isinstance(await failure_of(coach), AiBusy)
    else:
        assert (await coach.ask(REQUEST)).says_something
    assert len(service.times) == requests
    assert pause <= anyio.current_time() - start <= pause + 0.5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *[(None, None), ("", None), ("2.5", 2.5), ("0", 0.0), ("nan", None), ("inf", None), ("1e400", None)],
        *[("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("soon", None)],
    ],
)
def test_a_retry_after_header_is_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


async def test_no_retry_is_waited_for_that_would_come_after_the_late_window() -> None:
    coach, service = await a_coach(status(429, retry_after="5"), good(), give_up_after_s=4.0)
    start = anyio.current_time()
    assert isinstance(await failure_of(coach), AiBusy)
    assert anyio.current_time() == start
    assert len(service.times) == 1


@pytest.mark.parametrize(
    "slow", [silence, stream(*[part for _ in range(1000) for part in (b":", 1.0)]), stream(*pieces()[:5], 1000.0)]
)
async def test_a_call_is_given_up_when_its_time_is_over(slow: Handler) -> None:
    log = Log()
    coach, _ = await a_coach(slow, log=log, give_up_after_s=30.0)
    start = anyio.current_time()
    assert isinstance(await failure_of(coach), AiTimeout)
    assert anyio.current_time() - start == pytest.approx(30.0)
    assert log.named("ai_call")[0]["outcome"] == "timeout"


async def test_a_stale_connection_is_repeated_once_and_at_once() -> None:
    coach, service = await a_coach(httpx2.RemoteProtocolError("Server disconnected"), good())
    assert (await coach.ask(REQUEST)).says_something
    assert len(service.times) == 2
    assert service.times[0] == service.times[1]


@pytest.mark.parametrize(
    ("step", "requests"),
    [
        (httpx2.ConnectError("refused"), 2),
        (httpx2.ConnectTimeout("slow"), 1),
        (httpx2.ReadTimeout("slow"), 1),
        (stream(pieces()[0], httpx2.ReadError("reset")), 1),
        (status(401), 1),
        (status(404), 1),
        (stream(*pieces(Outcome(fault=Fault.REFUSAL))), 1),
    ],
)
async def test_only_a_connection_that_brought_nothing_is_repeated(step: Step, requests: int) -> None:
    coach, service = await a_coach(step)
    await failure_of(coach)
    assert len(service.times) == requests


# The circuit breaker


async def test_three_failures_pause_for_a_minute_then_one_probe_goes_through() -> None:
    log = Log()
    coach, service = await a_coach(httpx2.ConnectTimeout("slow"), log=log, limits=BreakerLimits())
    for _ in range(3):
        assert isinstance(await failure_of(coach), AiUnreachable)
    assert log.named("ai_paused") == [{"failures": 3, "for_s": 60.0}]
    assert isinstance(await failure_of(coach), AiPaused)
    assert len(service.times) == 3
    await anyio.sleep(60.0)
    assert isinstance(await failure_of(coach), AiUnreachable)
    assert isinstance(await failure_of(coach), AiPaused)
    assert len(service.times) == 4


async def test_while_the_probe_runs_nobody_else_asks_and_its_success_ends_the_pause() -> None:
    broken = httpx2.ConnectTimeout("slow")
    coach, service = await a_coach(broken, broken, broken, stream(1.0, *pieces()), good(), limits=BreakerLimits())
    for _ in range(3):
        await failure_of(coach)
    await anyio.sleep(60.0)
    async with anyio.create_task_group() as group:
        group.start_soon(coach.ask, REQUEST)
        await anyio.sleep(0.5)
        assert isinstance(await failure_of(coach), AiPaused)
    await coach.ask(REQUEST)
    assert len(service.times) == 5


@pytest.mark.parametrize(("step", "pause"), [(status(401), 600.0), (status(429, retry_after="45"), 45.0)])
async def test_a_refusal_and_a_pause_asked_for_are_respected_at_once(step: Step, pause: float) -> None:
    coach, _ = await a_coach(step, good(), limits=BreakerLimits())
    await failure_of(coach)
    await anyio.sleep(pause - 0.01)
    assert isinstance(await failure_of(coach), AiPaused)
    await anyio.sleep(0.01)
    assert (await coach.ask(REQUEST)).says_something


async def test_words_that_are_refused_do_not_count_as_a_failure_of_the_service() -> None:
    log = Log()
    wrong = stream(*pieces(Outcome(text='{"coaching_tip": "Play at 300 BPM."}')))
    coach, _ = await a_coach(wrong, good(), log=log, limits=BreakerLimits(failures=1))
    assert isinstance(await failure_of(coach), AiRejected)
    assert (await coach.ask(REQUEST)).says_something
    assert [event["outcome"] for event in log.named("ai_call")] == ["rejected", "ok"]
    assert log.named("ai_paused") == []


async def test_a_cancelled_call_counts_as_failed_and_stays_cancelled() -> None:
    log = Log()
    coach, service = await a_coach(silence, log=log, limits=BreakerLimits(failures=1))
    with anyio.move_on_after(10.0) as window:
        await coach.ask(REQUEST)
    assert window.cancelled_caught
    assert log.named("ai_call")[0]["outcome"] == "cancelled"
    assert isinstance(await failure_of(coach), AiPaused)
    assert len(service.times) == 1


# The key


def everything_said(error: BaseException) -> str:
    chain = "".join(traceback.format_exception(error))
    return f"{error!r} {error} {chain} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("where", ["status", "event", "transport"])
async def test_a_key_that_the_service_echoes_is_in_no_error_and_no_log(where: str) -> None:
    echo = f'{{"type":"error","error":{{"type":"{KEY}","message":"bad key {KEY}"}}}}'

    async def answer(request: httpx2.Request) -> httpx2.Response:
        assert KEY in request.headers["authorization"] + request.headers.get("x-api-key", "")
        if where == "transport":
            raise httpx2.ReadError(f"broke while sending {KEY}")
        if where == "event":
            return httpx2.Response(200, headers=SSE, stream=Body([f"event: error\ndata: {echo}\n\n".encode()]))
        return httpx2.Response(401, content=echo, headers={"retry-after": KEY, "content-type": KEY})

    log = Log()
    coach, _ = await a_coach(answer, log=log)
    error = await failure_of(coach)
    assert KEY not in everything_said(error)
    assert KEY not in repr(log.events)
    assert KEY not in f"{coach!r} {vars(coach)!r}"


# Start


async def test_a_warm_up_opens_a_connection_and_asks_for_nothing() -> None:
    log = Log()
    coach, service = await a_coach(httpx2.Response(404), log=log)
    assert await coach.warm_up()
    (request,) = service.requests
    assert (request.method, request.content) == ("HEAD", b"")
    assert KEY not in repr(request.headers.raw)
    assert log.named("ai_warm_up")[0]["outcome"] == "ok"


@pytest.mark.parametrize(("step", "outcome"), [(httpx2.ConnectError("offline"), "unreachable"), (silence, "timeout")])
async def test_a_warm_up_may_fail(step: Step, outcome: str) -> None:
    log = Log()
    coach, _ = await a_coach(step, log=log)
    assert not await coach.warm_up()
    assert log.named("ai_warm_up")[0]["outcome"] == outcome


async def test_creating_the_client_asks_nobody() -> None:
    _, service = await a_coach(good())
    assert service.requests == []


async def test_without_the_sdk_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sg_hybrid.ai_client.sdk", raising=False)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(ConfigError, match=r"needs anthropic: pip install 'sg-hybrid\[ai\]'"):
        await create_coach(a_config(), transport=Service([good()]))


@pytest.mark.parametrize("broken", [ImportError("cannot import name"), OSError(24, "Too many open files"), TypeError()])
async def test_a_client_that_cannot_be_loaded_is_a_setting_to_look_at(
    broken: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise broken

    monkeypatch.setattr("sg_hybrid.ai_client.loading._load", load)
    with pytest.raises(ConfigError, match=f"cannot be loaded: {type(broken).__name__}"):
        await create_coach(a_config(), transport=Service([good()]))


# As respx sees it: the request on its way through the whole client, down to the connection pool


@respx.mock(using="httpcore2")
async def test_what_goes_over_the_wire(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post("http://ai.test/v1/messages").respond(200, headers=SSE, content=b"".join(pieces()))
    async with await create_coach(a_config(model="claude-haiku-5-5"), log=Log()) as coach:
        await coach.ask(REQUEST)
    request = route.calls.last.request
    body = json.loads(request.content)
    assert body["stream"] is True
    assert body["model"] == "claude-haiku-5-5"
    assert body["max_tokens"] == 200
    assert body["messages"] == [{"role": "user", "content": '{"clave_hit_pct":61,"focus":"clave_grid"}'}]
    assert not {"temperature", "top_p", "top_k", "tools"} & body.keys()


# Reading


@pytest.mark.parametrize(
    ("text", "tip"),
    [
        ("", None),
        ('{"coaching_tip": "Play', None),
        ('{"coaching_tip": "Play \\', None),
        ('{"coaching_tip": "Play.', None),
        ('{"coaching_tip": "Play."', "Play."),
        ('Sure: {"coaching_tip": "Play \\"on\\".", "timing_insight": "Y', 'Play "on".'),
        ('{"coaching_tip": null, "x', None),
        ('{"confidence": 1, "coaching_tip": ["a"', None),
        ('{oops "coaching_tip": "Play."', None),
        ('{"coaching_tip": "Play\ud800."', None),
    ],
)
def test_the_tip_is_there_as_soon_as_its_string_is_closed(text: str, tip: str | None) -> None:
    assert tip_in(text) == tip


def test_events_of_unknown_kinds_are_passed_over() -> None:
    reading = Reading()
    for event in (None, 5, "text", object(), {"type": "message_stop"}):
        reading.feed(event, 0.0)
    assert not reading.complete
