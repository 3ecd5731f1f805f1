"""The real SDK against the simulator, over real loopback sockets: each fault, each cut, and what is kept from logs."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import structlog

from sg_hybrid.ai_client import RemoteCoach, create_coach
from sg_hybrid.ai_config import AiConfig
from sg_hybrid.breaker import BreakerLimits
from sg_hybrid.errors import AiBusy, AiError, AiInvalid, AiPaused, AiRefused, AiTimeout, AiUnreachable
from sg_hybrid.models import AiReply, CoachRequest
from sg_hybrid.simulator import Behaviour, Call, Fault, Outcome, Simulator, error, serve
from sg_hybrid.simulator.wire import Answer, stream_of

KEY = "sk-test-very-secret"
REQUEST = CoachRequest("clip_1", "session", {"focus": "clave_grid", "clave_hit_pct": 61})
SHORT = '{"coaching_tip": "Play."}'
NEVER_PAUSES = BreakerLimits(failures=10**9)


@asynccontextmanager
async def coached_by(
    behaviour: Behaviour | Iterable[Outcome], **config: Any
) -> AsyncGenerator[tuple[RemoteCoach, Simulator, list[dict[str, Any]]], None]:
    """Yield a client, the simulator that it asks, and the log of its calls."""
    log: list[dict[str, Any]] = []
    async with serve(behaviour) as simulator:
        settings = AiConfig(**{"api_key": KEY, "base_url": simulator.base_url, "give_up_after_s": 5.0, **config})
        coach = await create_coach(
            settings, log=lambda event, **fields: log.append({"event": event, **fields}), limits=NEVER_PAUSES
        )
        async with coach:
            yield coach, simulator, log


async def test_a_reply_comes_through_with_its_name_its_times_and_its_tokens() -> None:
    async with coached_by([Outcome(0.05, first_token_s=0.02)]) as (coach, simulator, log):
        reply = await coach.ask(REQUEST)
    assert reply.model_id == "simulator:scripted@latest"
    assert reply.timing_insight == "61 percent of your strokes met the clave."
    assert simulator.calls[0].facts == REQUEST.facts
    (event,) = log
    assert 20 <= event["first_token_ms"] <= event["tip_ms"] <= event["total_ms"]
    assert event["reused_connection"] is False
    assert event["cache_creation_input_tokens"] > 512


async def test_a_warm_connection_is_reused_and_the_prompt_is_read_from_the_cache() -> None:
    async with coached_by([]) as (coach, simulator, log):
        assert await coach.warm_up()
        await coach.ask(REQUEST)
        await coach.ask(REQUEST)
    assert simulator.connections == 1
    first, second = [event for event in log if event["event"] == "ai_call"]
    assert first["reused_connection"] is second["reused_connection"] is True
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(fault=Fault.HANG), AiTimeout),
        (Outcome(fault=Fault.DRIP), AiTimeout),
        (Outcome(fault=Fault.ENDLESS), AiInvalid),
        (Outcome(fault=Fault.RESET, cut_at=400), AiUnreachable),
        (Outcome(fault=Fault.CUT, cut_at=400), AiUnreachable),
        (Outcome(fault=Fault.HTML), AiInvalid),
        (Outcome(fault=Fault.NOT_A_MESSAGE), AiInvalid),
        (Outcome(fault=Fault.NOISE), AiInvalid),
        (Outcome(fault=Fault.EMPTY), AiInvalid),
        (Outcome(fault=Fault.TOOL_USE), AiInvalid),
        (Outcome(fault=Fault.REFUSAL), AiInvalid),
        (Outcome(fault=Fault.MAX_TOKENS), AiInvalid),
        (Outcome(fault=Fault.GARBAGE), AiInvalid),
        (Outcome(fault=Fault.HUGE), AiInvalid),
    ],
    ids=lambda value: str(value.fault or value.status) if isinstance(value, Outcome) else None,
)
async def test_a_fault_is_one_of_our_errors_and_the_next_call_works(outcome: Outcome, kind: type[AiError]) -> None:
    async with coached_by([outcome], give_up_after_s=0.3) as (coach, _, log):
        with pytest.raises(kind):
            await coach.ask(REQUEST)
        assert log[0]["outcome"] == kind.kind
        assert (await coach.ask(REQUEST)).says_something


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(error(400), AiRefused), (error(401), AiRefused), (error(404), AiRefused), (error(429, "60"), AiBusy)],
)
async def test_a_service_that_refuses_is_left_alone(outcome: Outcome, kind: type[AiError]) -> None:
    async with coached_by([outcome]) as (coach, simulator, log):
        assert isinstance(await reply_or_error(coach), kind)
        assert isinstance(await reply_or_error(coach), AiPaused)
    assert len(simulator.calls) == 1
    assert [event["event"] for event in log] == ["ai_paused", "ai_call"]


@pytest.mark.parametrize("outcome", [error(529), error(500), error(503), Outcome(fault=Fault.ERROR_EVENT)])
async def test_a_service_that_is_busy_for_a_moment_is_asked_again(outcome: Outcome) -> None:
    async with coached_by([outcome]) as (coach, simulator, _):
        assert (await coach.ask(REQUEST)).says_something
    assert len(simulator.calls) == 2


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET])
async def test_a_stream_cut_at_any_byte_is_the_whole_reply_or_an_error(fault: Fault) -> None:
    """A clean end at every byte; a reset at every seventh, as each costs a connection."""
    whole = b"".join(stream_of(Answer(Call(0, 0, "", {"stream": True}, {}), Outcome(text=SHORT), "x", cached=True)))
    stops = range(0, len(whole) + 200, 1 if fault is Fault.CUT else 7)
    async with coached_by(Outcome(fault=fault, cut_at=stop, text=SHORT) for stop in stops) as (coach, simulator, _):
        replies = [await reply_or_error(coach) for _ in stops]
    assert len(simulator.calls) >= len(stops)
    kept = [one for one in replies if isinstance(one, AiReply)]
    assert {reply.coaching_tip for reply in kept} == {"Play."}
    assert kept == replies[-len(kept) :]  # from the one byte on that makes it whole
    assert len(kept) < len(replies) - len(whole) // 7 // 2


async def reply_or_error(coach: RemoteCoach) -> AiReply | AiError:
    try:
        return await coach.ask(REQUEST)
    except AiError as caught:
        return caught


async def test_cancelling_a_call_ends_it_and_leaves_the_others_alone() -> None:
    async with coached_by(lambda call: Outcome(fault=Fault.HANG) if call.number == 0 else Outcome(0.1)) as (
        coach,
        simulator,
        log,
    ):
        with anyio.move_on_after(0.05) as window:
            await coach.ask(REQUEST)
        assert window.cancelled_caught
        replies: list[AiReply] = []

        async def ask() -> None:
            replies.append(await coach.ask(REQUEST))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
    assert len(replies) == 5
    assert len(simulator.calls) == 6
    assert [event["outcome"] for event in log] == ["cancelled", *["ok"] * 5]


async def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with await create_coach(AiConfig(api_key=KEY, base_url=url), log=print_nothing) as coach:
            assert not await coach.warm_up()
            with pytest.raises(AiUnreachable):
                await coach.ask(REQUEST)


def print_nothing(_event: str, **_fields: object) -> None:
    return


async def test_a_plain_port_that_should_speak_tls_is_unreachable() -> None:
    async with serve() as simulator:
        url = simulator.base_url.replace("http:", "https:")
        async with await create_coach(AiConfig(api_key=KEY, base_url=url), log=print_nothing) as coach:
            with pytest.raises(AiUnreachable):
                await coach.ask(REQUEST)
    assert simulator.calls == []


async def test_more_calls_than_connections_are_busy_soon_and_not_stuck() -> None:
    hang = [Outcome(fault=Fault.HANG)] * 2
    async with (
        coached_by(hang, max_open_calls=2, give_up_after_s=0.5) as (coach, _, log),
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(reply_or_error, coach)
    assert sorted(event["outcome"] for event in log) == ["busy", "timeout", "timeout"]


async def test_the_key_is_in_no_log_at_any_level_and_in_no_error(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    async with serve([Outcome(fault=Fault.RESET, cut_at=9), error(401), error(429, KEY)]) as simulator:
        config = AiConfig(api_key=KEY, base_url=simulator.base_url)
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.JSONRenderer()])
        async with await create_coach(config, log=logger.info, limits=NEVER_PAUSES) as coach:
            for _ in range(2):
                caught = await reply_or_error(coach)
                assert isinstance(caught, AiError)
                said.append("".join(traceback.format_exception(caught)) + repr(caught))
        async with await create_coach(config, log=logger.info, limits=NEVER_PAUSES) as coach:
            assert (await coach.ask(REQUEST)).says_something
    printed = capsys.readouterr()
    assert "ai_call" in printed.out
    for text in (caplog.text, printed.out, printed.err, *said):
        assert KEY not in text
        assert "Guitar practice coach" not in text


def test_importing_the_client_does_not_import_the_sdk() -> None:
    code = "import sys, sg_hybrid.ai_client; print([m for m in ('anthropic', 'httpx2', 'jiter') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
