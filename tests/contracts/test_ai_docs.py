"""docs/ai.md says what is: what is sent, to a model and to a companion service, and what it costs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from sg_coach.coach_policy import evaluate_session
from sg_coach.models import session_from
from sg_coach.progression import apply_progression_policy
from sg_hybrid.ai_client.companion import ENHANCE_PATH
from sg_hybrid.ai_client.packet import context_packet
from sg_hybrid.models import CoachRequest, Usage
from sg_hybrid.prices import PRICES, cost_usd
from sg_hybrid.prompt import build_request, system_prompt
from sg_hybrid.settings import VARIABLES
from sg_hybrid.simulator.wire import tokens
from tests.conftest import FIXTURES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "ai.md").read_text("utf-8")


def request() -> CoachRequest:
    """What is asked about the take of the examples."""
    session = session_from(json.loads((FIXTURES / "sessions" / "guitarset_00.json").read_bytes()))
    evaluation = evaluate_session(session)
    coaching = apply_progression_policy(evaluation, clip_id="clip_7", created_at_utc="2026-01-01T00:00:00.000Z")
    return build_request(session, evaluation, coaching, clip_id="clip_7")


def examples() -> list[object]:
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]


def test_the_examples_are_what_is_sent() -> None:
    facts, packet = examples()
    assert facts == request().facts
    assert packet == context_packet(request())
    assert ENHANCE_PATH in TEXT


def test_the_price_table_is_the_one_that_counts() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", TEXT, re.MULTILINE)
    assert {name: tuple(map(float, prices)) for name, *prices in rows} == dict(PRICES)


def test_a_call_costs_about_what_is_said() -> None:
    told = re.search(r"about ([\d.]+) USD with the cache, ([\d.]+) without", TEXT)
    assert told is not None
    facts = tokens(json.dumps(dict(request().facts)))
    usage = Usage(input_tokens=facts, output_tokens=90, cache_read_tokens=tokens(system_prompt()))
    plain = replace(usage, input_tokens=facts + usage.cache_read_tokens, cache_read_tokens=0)
    for one, text in ((usage, told[1]), (plain, told[2])):
        assert abs((cost_usd("claude-haiku-5-5", one) or 0) - float(text)) < 0.0001


def test_a_key_that_it_recommends_is_no_word() -> None:
    keys = re.findall(r"ANTHROPIC_API_KEY=(\S+)", TEXT)
    assert keys
    assert not [key for key in keys if key.isalpha()]


def test_every_variable_and_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"\b(?:AI_COACH|ANTHROPIC)_[A-Z_]+\b", TEXT))
    assert named <= set(VARIABLES.values())
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (DOCS / target).exists()
