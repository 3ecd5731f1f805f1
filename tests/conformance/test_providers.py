"""One behaviour for every provider of AI coaching, over real loopback sockets against the local simulator.

`anthropic`: the Messages API as documented. `compatible`: a server of one's own that speaks it loosely: it ignores the
schema that was asked for, thinks first and wraps its JSON in prose. `cloud`: a companion service.
"""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
import structlog

from sg_hybrid.ai_client import RemoteCoach, create_coach
from sg_hybrid.ai_client.companion import ENHANCE_PATH
from sg_hybrid.ai_config import CLOUD, AiConfig
from sg_hybrid.breaker import MAX_PAUSE_S, BreakerLimits
from sg_hybrid.errors import (
    AiBusy,
    AiError,
    AiInvalid,
    AiPaused,
    AiRefused,
    AiRejected,
    AiTimeout,
    AiUnreachable,
)
from sg_hybrid.models import AiReply, CoachRequest
from sg_hybrid.simulator import Behaviour, Call, Fault, Outcome, Simulator, error, scripted, serve
from sg_hybrid.simulator.wire import Answer, stream_of
from tests.deep import is_deep
from tests.fakes import an_ai_config

KEY = "sk-test-very-secret"
FACTS = {
    "focus": "clave_grid",
    "bpm": 120,
    "grid": 16,
    "bars": 32,
    "timing_mean_ms": 14.3,
    "timing_p95_ms": 41.5,
    "notes_on_grid_pct": 82.7,
    "clave_hit_pct": 61,
}
REQUEST = CoachRequest("clip_1", "550e8400-e29b-41d4-a716-446655440000", FACTS, "Hold.")
NEVER_PAUSES = BreakerLimits(failures=10**9)
TIP = {"coaching_tip": "Clap the clave for two bars, then play."}


@dataclass
class Provider:
    """One provider as the suite sees it."""

    name: str
    log: list[dict[str, Any]] = field(default_factory=list)

    def behaving(self, behaviour: Behaviour | Iterable[Outcome]) -> Behaviour:
        """Answer in the manner of this provider."""
        asked = behaviour if callable(behaviour) else scripted(behaviour)
        return (lambda call: loosely(asked(call))) if self.name == "compatible" else asked

    def config(self, simulator: Simulator, **changes: Any) -> AiConfig:
        cloud = {"provider": CLOUD} if self.name == CLOUD else {}
        return an_ai_config(
            **{"api_key": KEY, "base_url": simulator.base_url, "give_up_after_s": 5.0, **cloud, **changes}
        )

    def note(self, event: str, **fields: Any) -> None:
        self.log.append({"event": event, **fields})

    def calls(self) -> list[dict[str, Any]]:
        return [event for event in self.log if event["event"] == "ai_call"]

    @asynccontextmanager
    async def coached_by(
        self,
        behaviour: Behaviour | Iterable[Outcome] = (),
        limits: BreakerLimits = NEVER_PAUSES,
        **config: Any,
    ) -> AsyncGenerator[tuple[RemoteCoach, Simulator], None]:
        """Yield a client of this provider and the simulator that it asks."""
        async with (
            serve(self.behaving(behaviour)) as simulator,
            await create_coach(self.config(simulator, **config), log=self.note, limits=limits) as coach,
        ):
            yield coach, simulator


def loosely(outcome: Outcome) -> Outcome:
    """Say it as a model of one's own machine does."""
    text = outcome.text or json.dumps(TIP | {"timing_insight": "61 percent of your strokes met the clave."})
    return replace(outcome, text=f"Sure, here it is:\n```json\n{text}\n```\nEnjoy!", thinking=True)


@pytest.fixture(params=["anthropic", "compatible", CLOUD])
def provider(request: pytest.FixtureRequest) -> Provider:
    return Provider(request.param)


async def reply_or_error(coach: RemoteCoach) -> AiReply | AiError:
    try:
        return await coach.ask(REQUEST)
    except AiError as caught:
        return caught


# A call that works


async def test_a_reply_comes_through_with_the_name_of_who_gave_it(provider: Provider) -> None:
    async with provider.coached_by([Outcome(0.05, first_token_s=0.02)]) as (coach, simulator):
        reply = await coach.ask(REQUEST)
    assert reply.model_id == "simulator:scripted@latest"
    assert reply.coaching_tip
    assert simulator.calls[0].path == (ENHANCE_PATH if provider.name == CLOUD else "/v1/messages")
    (event,) = provider.log  # and the rehearsal went well
    assert (event["event"], event["outcome"]) == ("ai_call", "ok")
    assert 20 <= event["first_token_ms"] <= event["total_ms"]


async def test_what_is_sent_is_what_the_provider_needs(provider: Provider) -> None:
    async with provider.coached_by() as (coach, simulator):
        await coach.ask(REQUEST)
    sent = simulator.calls[0].body
    if provider.name == CLOUD:
        assert (sent["clip_id"], sent["deterministic_hint"]) == ("clip_1", "Hold.")
    else:
        assert json.loads(sent["messages"][0]["content"]) == FACTS
        assert REQUEST.session_id not in json.dumps(sent)


async def test_a_warm_connection_is_reused(provider: Provider) -> None:
    async with provider.coached_by() as (coach, simulator):
        assert await coach.warm_up()
        for _ in range(3):
            await coach.ask(REQUEST)
    assert simulator.connections == 1
    assert all(event["reused_connection"] for event in provider.calls())


async def test_a_tip_comes_early_where_there_is_a_stream_and_never_twice(provider: Provider) -> None:
    tips: list[tuple[float, AiReply]] = []
    async with provider.coached_by([Outcome(0.4, first_token_s=0.1, text=json.dumps(TIP))]) as (coach, _):
        reply = await coach.ask(REQUEST, on_tip=lambda tip: tips.append((anyio.current_time(), tip)))
        ended = anyio.current_time()
    assert len(tips) == (0 if provider.name == CLOUD else 1)
    for came, tip in tips:
        assert came < ended
        assert tip == AiReply(reply.model_id, coaching_tip=TIP["coaching_tip"])


# The error table


def table(*, streams: bool) -> list[tuple[Outcome, type[AiError]]]:
    """What can be wrong with one answer, and what it is called."""
    shared: list[tuple[Outcome, type[AiError]]] = [
        (Outcome(fault=Fault.HANG), AiTimeout),
        (Outcome(fault=Fault.DRIP), AiTimeout),
        (Outcome(fault=Fault.ENDLESS), AiInvalid),
        (Outcome(fault=Fault.HTML), AiInvalid),
        (Outcome(fault=Fault.NOT_A_MESSAGE), AiInvalid),
        (Outcome(fault=Fault.NOISE), AiInvalid),
        (Outcome(fault=Fault.HUGE), AiInvalid),
        (Outcome(fault=Fault.RESET, cut_at=50), AiUnreachable),
        (error(302), AiUnreachable),
    ]
    if not streams:  # a companion service whose model failed has nothing to add
        speechless = (Fault.EMPTY, Fault.TOOL_USE, Fault.REFUSAL, Fault.MAX_TOKENS)
        rows: list[tuple[Outcome, type[AiError]]] = [(Outcome(fault=fault), AiRejected) for fault in speechless]
        return [
            *shared,
            *rows,
            (Outcome(fault=Fault.GARBAGE), AiInvalid),
            (Outcome(fault=Fault.CUT, cut_at=50), AiInvalid),
        ]
    broken = (Fault.EMPTY, Fault.TOOL_USE, Fault.REFUSAL, Fault.MAX_TOKENS, Fault.GARBAGE)
    more: list[tuple[Outcome, type[AiError]]] = [(Outcome(fault=fault), AiInvalid) for fault in broken]
    return [*shared, *more, (Outcome(fault=Fault.CUT, cut_at=400), AiUnreachable)]


def called(value: object) -> str | None:
    if not isinstance(value, Outcome):
        return None
    return str(value.fault) if value.fault is not Fault.STATUS else f"{value.status}-{value.retry_after}"


async def test_every_fault_is_one_of_our_errors_and_one_log_event_and_the_next_call_works(provider: Provider) -> None:
    rows = table(streams=provider.name != CLOUD)
    outcomes = [outcome for row, _ in rows for outcome in (row, Outcome())]
    async with provider.coached_by(outcomes, give_up_after_s=1.0) as (coach, _):
        for outcome, kind in rows:
            ended = await reply_or_error(coach)
            assert type(ended) is kind or (kind is AiUnreachable and isinstance(ended, kind)), called(outcome)
            assert (await coach.ask(REQUEST)).says_something, called(outcome)
    events = [event["outcome"] for event in provider.calls()]
    assert events == [name for _, kind in rows for name in (kind.kind, "ok")]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        *[(error(status), AiRefused) for status in (400, 401, 402, 403, 404, 413, 418)],
        (error(429, "60"), AiBusy),
        (error(503, "86400"), AiBusy),
        (error(529, "21"), AiBusy),
    ],
    ids=called,
)
async def test_a_service_that_refuses_or_asks_for_a_pause_is_left_alone(
    provider: Provider, outcome: Outcome, kind: type[AiError]
) -> None:
    async with provider.coached_by([outcome]) as (coach, simulator):
        assert type(await reply_or_error(coach)) is kind
        assert isinstance(await reply_or_error(coach), AiPaused)
    assert len(simulator.calls) == 1
    assert [event["outcome"] for event in provider.calls()] == [kind.kind]


async def test_a_service_that_is_busy_for_a_moment_is_asked_again(provider: Provider) -> None:
    async with provider.coached_by([error(503), Outcome()]) as (coach, simulator):
        assert (await coach.ask(REQUEST)).says_something
    assert len(simulator.calls) == 2


async def test_words_that_the_facts_do_not_say_are_rejected_and_the_service_is_not_blamed(provider: Provider) -> None:
    wrong = Outcome(text=json.dumps({"coaching_tip": "Set the click to 300 BPM."}))
    async with provider.coached_by([wrong, wrong, Outcome()], BreakerLimits(failures=1)) as (coach, _):
        for _ in range(2):
            assert isinstance(await reply_or_error(coach), AiRejected)
        assert (await coach.ask(REQUEST)).says_something
    assert [event["outcome"] for event in provider.calls()] == ["rejected", "rejected", "ok"]


# A bad evening


async def test_a_key_that_stops_working_in_mid_session_is_tried_no_more(provider: Provider) -> None:
    async with provider.coached_by([Outcome(), Outcome(), error(401)], BreakerLimits()) as (coach, simulator):
        for _ in range(2):
            assert (await coach.ask(REQUEST)).says_something
        refused = await reply_or_error(coach)
        assert isinstance(refused, AiRefused)
        assert ("AI_COACH_TOKEN" if provider.name == CLOUD else "ANTHROPIC_API_KEY") in str(refused)
        for _ in range(5):
            assert isinstance(await reply_or_error(coach), AiPaused)
    assert len(simulator.calls) == 3
    assert [event["outcome"] for event in provider.calls()] == ["ok", "ok", "refused"]
    assert [event["for_s"] for event in provider.log if event["event"] == "ai_paused"] == [MAX_PAUSE_S]


async def test_a_retry_after_of_a_day_is_not_waited_for_and_not_believed(provider: Provider) -> None:
    async with provider.coached_by([error(429, "86400")], BreakerLimits()) as (coach, simulator):
        with anyio.fail_after(20):
            assert isinstance(await reply_or_error(coach), AiBusy)
        assert isinstance(await reply_or_error(coach), AiPaused)
    assert len(simulator.calls) == 1
    assert [event["for_s"] for event in provider.log if event["event"] == "ai_paused"] == [MAX_PAUSE_S]


async def test_a_login_page_for_every_call_pauses_after_three(provider: Provider) -> None:
    async with provider.coached_by([Outcome(fault=Fault.HTML)] * 9, BreakerLimits()) as (coach, simulator):
        ended = [await reply_or_error(coach) for _ in range(6)]
    assert [type(one) for one in ended] == [AiInvalid] * 3 + [AiPaused] * 3
    assert "login page" in str(ended[0])
    assert len(simulator.calls) == 3


async def test_five_megabytes_are_cut_off_and_the_event_loop_runs_on(provider: Provider) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with provider.coached_by([Outcome(fault=Fault.HUGE)]) as (coach, _), anyio.create_task_group() as group:
        group.start_soon(count)
        ended = await reply_or_error(coach)
        group.cancel_scope.cancel()
    assert isinstance(ended, AiInvalid)
    assert "too long" in str(ended)
    assert turns >= 20


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.RESET])
async def test_an_answer_cut_at_any_byte_is_the_whole_reply_or_an_error(provider: Provider, fault: Fault) -> None:
    """A clean end at every fifth byte; a reset, which takes longer, at every 23rd (deep: each at every one)."""
    whole = await length_of_an_answer(provider)
    step = 1 if is_deep() else {Fault.RESET: 23, Fault.CUT: 5}[fault]
    stops = range(0, whole + 100, step)
    behaviour = [Outcome(fault=fault, cut_at=stop, text=json.dumps(TIP)) for stop in stops]
    async with provider.coached_by(behaviour) as (coach, simulator):
        replies = [await reply_or_error(coach) for _ in stops]
    assert len(simulator.calls) >= len(stops)
    kept = [one for one in replies if isinstance(one, AiReply)]
    assert {reply.coaching_tip for reply in kept} == {TIP["coaching_tip"]}
    assert kept == replies[-len(kept) :]  # from the one byte on that makes it whole
    assert len(kept) < len(replies) / 2


async def length_of_an_answer(provider: Provider) -> int:
    if provider.name == CLOUD:
        return 400
    outcome = Outcome(text=json.dumps(TIP))
    said = loosely(outcome) if provider.name == "compatible" else outcome
    return len(b"".join(stream_of(Answer(Call(0, 0, "", {"stream": True}, {}), said, "x", cached=True))))


# Many at once, and nobody there


async def test_cancelling_a_call_ends_it_and_leaves_the_others_alone(provider: Provider) -> None:
    def behaviour(call: Call) -> Outcome:
        return Outcome(fault=Fault.HANG) if call.number == 0 else Outcome(0.1)

    async with provider.coached_by(behaviour) as (coach, simulator):
        async with anyio.create_task_group() as group:
            group.start_soon(coach.ask, REQUEST)
            with anyio.fail_after(10):
                while not simulator.calls:
                    await anyio.sleep(0.005)
            group.cancel_scope.cancel()
        replies: list[AiReply] = []

        async def ask() -> None:
            replies.append(await coach.ask(REQUEST))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
    assert len(replies) == 5
    assert len(simulator.calls) == 6
    assert [event["outcome"] for event in provider.calls()] == ["cancelled", *["ok"] * 5]


async def test_more_calls_than_connections_are_busy_soon_and_not_stuck(provider: Provider) -> None:
    hang = [Outcome(fault=Fault.HANG)] * 2
    async with (
        provider.coached_by(hang, max_open_calls=2, give_up_after_s=0.5) as (coach, _),
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(reply_or_error, coach)
    assert sorted(event["outcome"] for event in provider.calls()) == ["busy", "timeout", "timeout"]


async def test_nobody_listens(provider: Provider) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Simulator(scripted(()), "nobody", base_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
        async with await create_coach(provider.config(nobody), log=provider.note) as coach:
            assert not await coach.warm_up()
            assert isinstance(await reply_or_error(coach), AiUnreachable)


async def test_a_plain_port_that_should_speak_tls_is_unreachable(provider: Provider) -> None:
    async with serve() as simulator:
        secure = provider.config(simulator, base_url=simulator.base_url.replace("http:", "https:"))
        async with await create_coach(secure, log=provider.note) as coach:
            assert isinstance(await reply_or_error(coach), AiUnreachable)
    assert simulator.calls == []


# The key


async def test_the_key_is_in_no_log_at_any_level_and_in_no_error(
    provider: Provider, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes = [Outcome(fault=Fault.RESET, cut_at=9), error(429, KEY), Outcome(), error(401)]
    async with serve(provider.behaving(outcomes)) as simulator:
        logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.JSONRenderer()])
        config = provider.config(simulator)
        async with await create_coach(config, log=logger.info, limits=NEVER_PAUSES) as coach:
            caught = [await reply_or_error(coach) for _ in range(3)]
    printed = capsys.readouterr()
    assert "ai_call" in printed.out
    said = ["".join(traceback.format_exception(one)) + repr(one) for one in caught if isinstance(one, AiError)]
    assert [type(one) for one in caught] == [AiUnreachable, AiReply, AiRefused]
    for text in (caplog.text, printed.out, printed.err, *said):
        assert KEY not in text
        assert "Guitar practice coach" not in text
        assert REQUEST.session_id not in text
