"""The real SDK over loopback sockets: what only the Messages API has. What all providers share is in conformance/."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sg_hybrid.ai_client import create_coach
from sg_hybrid.breaker import BreakerLimits
from sg_hybrid.models import CoachRequest
from sg_hybrid.simulator import Fault, Outcome, serve
from tests.fakes import an_ai_config

REQUEST = CoachRequest("clip_1", "session", {"focus": "clave_grid", "clave_hit_pct": 61})


async def test_times_and_tokens_of_a_stream_are_logged_and_the_prompt_is_read_from_the_cache() -> None:
    log = []
    async with serve([Outcome(0.05, first_token_s=0.02), Outcome()]) as simulator:
        config = an_ai_config(base_url=simulator.base_url)
        async with await create_coach(config, log=lambda event, **fields: log.append(fields)) as coach:
            await coach.ask(REQUEST)
            await coach.ask(REQUEST)
    assert 20 <= log[0]["first_token_ms"] <= log[0]["tip_ms"] <= log[0]["total_ms"]
    assert log[0]["cache_creation_input_tokens"] > 512
    assert log[1]["cache_read_input_tokens"] == log[0]["cache_creation_input_tokens"]


async def test_an_error_event_in_a_stream_is_worth_another_call() -> None:
    async with serve([Outcome(fault=Fault.ERROR_EVENT)]) as simulator:
        config = an_ai_config(base_url=simulator.base_url)
        async with await create_coach(config, log=print_nothing, limits=BreakerLimits(failures=1)) as coach:
            assert (await coach.ask(REQUEST)).says_something
    assert len(simulator.calls) == 2


def print_nothing(_event: str, **_fields: object) -> None:
    return


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import sg_hybrid.ai_client", "[]"),
        ("import sg_hybrid.ai_client.companion", "['httpx2']"),
    ],
    ids=["nothing is asked yet", "a companion service needs no SDK"],
)
def test_what_is_imported_is_what_is_used(code: str, loaded: str) -> None:
    code = f"import sys; {code}; print([m for m in ('anthropic', 'httpx2', 'jiter') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == loaded
