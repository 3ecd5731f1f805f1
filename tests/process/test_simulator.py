"""The simulated service: honest about the API's shapes, bounded, seeded, and sensible to read."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import jsonschema
import pytest

from sg_coach.models import Focus
from sg_hybrid.ai_client.reading import tip_in
from sg_hybrid.ai_client.reply import usable_reply
from sg_hybrid.models import AiAddendum
from sg_hybrid.prompt import reply_schema
from sg_hybrid.simulator import (
    PROFILES,
    Behaviour,
    Call,
    Fault,
    Outcome,
    ProfileName,
    Simulator,
    error,
    from_profile,
    run_simulator,
    serve,
)
from sg_hybrid.simulator.connection import MAX_BODY_BYTES
from sg_hybrid.simulator.texts import reply_for
from sg_hybrid.simulator.wire import Answer, stream_of

FACTS = {
    "focus": "timing_stability",
    "timing_mean_ms": 14.3,
    "timing_p95_ms": 41.5,
    "late_events": 37,
    "total_events": 412,
    "notes_on_grid_pct": 82.7,
    "clave_hit_pct": None,
    "score": 70,
}
PACKET: dict[str, Any] = {
    "schema_id": "coach_context_packet",
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "clip_id": "clip_1",
    "groove_metrics": {
        "tempo_stability": 0.6,
        "beat_accuracy": 0.8,
        "articulation_clarity": 0.9,
        "phrase_coherence": 0.9,
    },
    "session_stats": {"tempo_bpm": 120, "bars_completed": 32, "total_takes": 3, "style_id": "salsa"},
    "timing_detail": {"timing_error_ms_avg": 14.3, "timing_error_ms_max": 60.2, "error_by_beat": [1, 2, 3, 4]},
    "deterministic_hint": "Hold.",
}
HEADERS = {"x-api-key": "any"}


@asynccontextmanager
async def asked(
    behaviour: Behaviour | Iterable[Outcome] = (),
) -> AsyncGenerator[tuple[httpx2.AsyncClient, Simulator], None]:
    """Yield a plain HTTP client of a simulator, and the simulator."""
    async with (
        serve(behaviour) as simulator,
        httpx2.AsyncClient(base_url=simulator.base_url, headers=HEADERS) as client,
    ):
        yield client, simulator


def message_call(**changes: Any) -> dict[str, Any]:
    call = {"model": "m", "max_tokens": 200, "messages": [{"role": "user", "content": json.dumps(FACTS)}]}
    return {**call, **changes}


async def test_a_plain_call_is_answered_as_the_api_does() -> None:
    async with asked() as (client, simulator):
        message = (await client.post("/v1/messages", json=message_call())).json()
    assert message["type"] == "message"
    assert message["model"] == "simulator-scripted"
    assert message["stop_reason"] == "end_turn"
    assert message["usage"].keys() >= {"input_tokens", "output_tokens", "cache_read_input_tokens"}
    reply = json.loads(message["content"][0]["text"])
    jsonschema.validate(reply, reply_schema())
    assert simulator.calls[0].facts == FACTS


async def test_a_stream_brings_the_events_in_the_order_of_the_api() -> None:
    async with asked() as (client, _):
        answer = await client.post("/v1/messages", json=message_call(stream=True))
        plain = (await client.post("/v1/messages", json=message_call())).json()
    assert answer.headers["content-type"].startswith("text/event-stream")
    names = re.findall(r"^event: (\w+)$", answer.text, re.MULTILINE)
    assert list(dict.fromkeys(names)) == [
        *["message_start", "ping", "content_block_start", "content_block_delta"],
        *["content_block_stop", "message_delta", "message_stop"],
    ]
    data = [json.loads(line) for line in re.findall(r"^data: (.+)$", answer.text, re.MULTILINE)]
    assert [one["type"] for one in data] == names
    text = "".join(one["delta"]["text"] for one in data if one["type"] == "content_block_delta")
    assert json.loads(text).keys() == json.loads(plain["content"][0]["text"]).keys()


@pytest.mark.parametrize("focus", [*Focus, "unknown"])
def test_what_the_simulated_coach_says_is_worth_reading_and_grounded(focus: str) -> None:
    facts = {**FACTS, "focus": str(focus)}
    replies = [reply_for(facts, number) for number in range(3)]
    assert len({reply["coaching_tip"] for reply in replies}) >= 2
    known = {str(value) for value in facts.values()}
    for reply in replies:
        usable = usable_reply(json.dumps(reply), model_id="a:b@c", facts=facts)
        assert usable.coaching_tip == reply["coaching_tip"]
        for text in (usable.coaching_tip, usable.timing_insight, usable.exercise_hint):
            assert len(text or "") <= 160
            assert set(re.findall(r"\d+(?:\.\d+)?", text or "")) <= known


async def test_the_companion_service_answers_a_packet_with_an_addendum() -> None:
    async with asked([Outcome(0.02)]) as (client, _):
        answer = await client.post("/api/v1/coach/enhance", json=PACKET)
    addendum = AiAddendum.model_validate(answer.json())
    assert addendum.clip_id == "clip_1"
    assert addendum.model_id == "simulator:scripted@latest"
    assert addendum.timing_insight == "Your widest notes lie 60.2 ms from the grid; the average one 14.3 ms."
    assert not addendum.queued


@pytest.mark.parametrize(
    "wrong",
    [{"schema_id": "x"}, {"schema_id": None}, {"clip_id": ""}, {"groove_metrics": 1}, {"timing_detail": None}],
)
async def test_the_companion_service_refuses_what_is_no_packet(wrong: dict[str, Any]) -> None:
    async with asked() as (client, simulator):
        assert (await client.post("/api/v1/coach/enhance", json={**PACKET, **wrong})).status_code == 400
    assert simulator.calls == []


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.REFUSAL, Fault.MAX_TOKENS, Fault.TOOL_USE])
async def test_a_companion_service_whose_model_fails_has_nothing_to_add(fault: Fault) -> None:
    async with asked([Outcome(fault=fault)]) as (client, _):
        addendum = AiAddendum.model_validate((await client.post("/api/v1/coach/enhance", json=PACKET)).json())
    assert addendum.ai_available
    assert not addendum.says_something


@pytest.mark.parametrize(("status", "again"), [(429, "30"), (500, None), (503, None)])
async def test_the_companion_service_can_be_busy(status: int, again: str | None) -> None:
    async with asked([error(status, again)]) as (client, _):
        answer = await client.post("/api/v1/coach/enhance", json=PACKET)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, again)


async def test_an_outcome_can_depend_on_the_facts() -> None:
    def behaviour(call: Call) -> Outcome:
        return error(500) if call.facts["score"] == 70 else Outcome()

    async with asked(behaviour) as (client, _):
        first = await client.post("/v1/messages", json=message_call())
        other = [{"role": "user", "content": json.dumps({**FACTS, "score": 71})}]
        second = await client.post("/v1/messages", json=message_call(messages=other))
    assert (first.status_code, second.status_code) == (500, 200)


@pytest.mark.parametrize("path", ["/v1/messages", "/api/v1/coach/enhance"])
@pytest.mark.parametrize("fault", [Fault.NOT_A_MESSAGE, Fault.NOISE, Fault.HTML, Fault.ERROR_EVENT, Fault.CUT])
async def test_plain_answers_can_be_faulty_too(path: str, fault: Fault) -> None:
    async with asked([Outcome(fault=fault, cut_at=7)]) as (client, _):
        answer = await client.post(path, json=PACKET if "coach" in path else message_call())
    expected = {Fault.NOT_A_MESSAGE: b"{}", Fault.NOISE: b"\xff\xfe\xc0\xaf"}
    assert answer.status_code == (529 if fault is Fault.ERROR_EVENT else 200)
    assert answer.content.startswith(expected.get(fault, b""))
    assert fault is not Fault.CUT or len(answer.content) == 7


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/v1/messages", {}, b"{}", 401),
        ("GET", "/v1/messages", HEADERS, b"", 405),
        ("POST", "/v2/messages", HEADERS, b"{}", 404),
        ("HEAD", "/", HEADERS, b"", 404),
        ("POST", "/v1/messages", HEADERS, b"not json", 400),
        ("POST", "/v1/messages", HEADERS, b"[]", 400),
        ("POST", "/v1/messages", HEADERS, b"{}", 400),
        ("POST", "/v1/messages", HEADERS, b'{"max_tokens": 1, "messages": [{"content": "hi"}]}', 400),
        ("POST", "/v1/messages", HEADERS, b'{"max_tokens": 1, "messages": [{"content": [{"text": 5}]}]}', 400),
        ("POST", "/v1/messages", HEADERS, b" " * (MAX_BODY_BYTES + 1), 413),
    ],
)
async def test_what_is_no_call_is_refused(
    method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with serve() as simulator, httpx2.AsyncClient(base_url=simulator.base_url) as client:
        answer = await client.request(method, path, headers=headers, content=body)
        assert answer.status_code == status
        assert (await client.post("/v1/messages", headers=HEADERS, json=message_call())).status_code == 200
    assert len(simulator.calls) == 1


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000, b""])
async def test_noise_on_a_connection_harms_nobody_else(noise: bytes) -> None:
    async with asked() as (client, simulator):
        port = int(simulator.base_url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(noise + b"\r\n\r\n")
            await stream.send_eof()
            with anyio.fail_after(5):
                answer = b"".join([part async for part in stream])
        assert answer.startswith(b"HTTP/1.1 4") or answer == b""
        assert (await client.post("/v1/messages", json=message_call())).status_code == 200


async def test_open_calls_do_not_hold_up_the_end() -> None:
    faults = [Outcome(fault=Fault.HANG), Outcome(fault=Fault.ENDLESS)]
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group, serve(faults) as simulator:
            for _ in faults:
                group.start_soon(ask_in_vain, simulator.base_url)
            while len(simulator.calls) < len(faults):
                await anyio.sleep(0.01)


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with serve():
            raise KeyError


async def ask_in_vain(base_url: str) -> None:
    async with httpx2.AsyncClient(base_url=base_url, headers=HEADERS) as client:
        with pytest.raises(httpx2.TransportError):
            await client.post("/v1/messages", json=message_call())


def outcomes(name: ProfileName, seed: int, count: int = 4000) -> list[Outcome]:
    behaviour = from_profile(name, seed)
    return [behaviour(Call(number, 0, "", {}, {})) for number in range(count)]


def test_a_profile_is_the_same_for_the_same_seed() -> None:
    assert outcomes("broken", 7, 200) == outcomes("broken", 7, 200)
    assert outcomes("broken", 7, 200) != outcomes("broken", 8, 200)


@pytest.mark.parametrize(
    ("name", "first_token_s", "in_time"),
    [("published", 0.63, 0.0), ("good-hour", 0.40, 0.0), ("optimistic", 0.20, 0.1), ("lan", 0.06, 0.1)],
)
def test_a_profile_has_the_published_figures(name: ProfileName, first_token_s: float, in_time: float) -> None:
    drawn = outcomes(name, 1)
    median = sorted(one.begins_s for one in drawn)[len(drawn) // 2]
    assert median == pytest.approx(first_token_s, rel=0.05)
    assert sum(one.fault is not None for one in drawn) / len(drawn) == pytest.approx(0.005, abs=0.004)
    assert sum(one.done_s < 0.5 for one in drawn) / len(drawn) <= in_time
    assert max(one.begins_s for one in drawn) > 4 * first_token_s


@pytest.mark.parametrize(
    ("name", "published"), [("published", 0.0), ("good-hour", 0.02), ("optimistic", 0.65), ("lan", 0.98)]
)
def test_so_many_tips_are_in_time_as_in_the_published_simulation(name: ProfileName, published: float) -> None:
    """Stream, tip first, warm connection, 495 ms usable; the cell of the optimistic guess is the least certain one."""
    share = when_the_tip_closes()
    in_time = [
        one.fault is None and one.begins_s + share * (one.done_s - one.begins_s) < 0.495 for one in outcomes(name, 1)
    ]
    assert sum(in_time) / len(in_time) == pytest.approx(published, abs=0.15 if name == "optimistic" else 0.04)


def when_the_tip_closes() -> float:
    """Return which share of a streamed reply has come when its tip is whole, on average."""
    asked = [Call(number, 0, "", {"stream": True}, {**FACTS, "focus": focus}) for focus in Focus for number in range(3)]
    shares = [share_until_the_tip(list(stream_of(Answer(call, Outcome(), "m", cached=True)))) for call in asked]
    return sum(shares) / len(shares)


def share_until_the_tip(pieces: list[bytes]) -> float:
    text = ""
    for number, piece in enumerate(pieces, start=1):
        text += json.loads(piece.partition(b"data: ")[2]).get("delta", {}).get("text", "")
        if tip_in(text) is not None:
            return number / len(pieces)
    raise AssertionError


def test_half_of_the_calls_of_the_broken_profile_fail_and_in_all_ways() -> None:
    drawn = outcomes("broken", 1)
    faults = [one.fault for one in drawn if one.fault]
    assert len(faults) / len(drawn) == pytest.approx(0.5, abs=0.05)
    assert set(faults) == set(Fault)


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_command_s_simulator_says_where_it_is_and_ends_when_cancelled(profile: ProfileName) -> None:
    async with anyio.create_task_group() as group:
        simulator = await group.start(lambda *, task_status: run_simulator(profile, seed=1, task_status=task_status))
        async with httpx2.AsyncClient(base_url=simulator.base_url) as client:
            assert (await client.head("/")).status_code == 404
        assert simulator.model == f"simulator-{profile}"
        group.cancel_scope.cancel()
    with pytest.raises(OSError):
        await anyio.connect_tcp("127.0.0.1", int(simulator.base_url.rpartition(":")[2]))
