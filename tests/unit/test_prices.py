"""What tokens cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_hybrid.models import Usage
from sg_hybrid.prices import MILLION, PRICES, cost_usd, price_of

TOKENS = st.integers(0, 10**9)


def test_each_kind_of_token_has_its_price() -> None:
    model = "claude-haiku-5-5"
    assert cost_usd(model, Usage(input_tokens=MILLION)) == 1.00
    assert cost_usd(model, Usage(output_tokens=MILLION)) == 5.00
    assert cost_usd(model, Usage(cache_write_tokens=MILLION)) == 1.25
    assert cost_usd(model, Usage(cache_read_tokens=MILLION)) == 0.10


def test_a_usual_call() -> None:
    usage = Usage(input_tokens=230, output_tokens=90, cache_read_tokens=900)
    assert cost_usd("claude-haiku-5-5", usage) == pytest.approx(0.00077)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        *[(name, name) for name in PRICES],
        ("claude-haiku-4-5-20251001", "claude-haiku"),
        ("Claude-Haiku-5-5", "claude-haiku"),
        ("claude-3-5-haiku@20241022", "claude-3-5-haiku"),
        ("anthropic:claude-haiku-5-5@latest", "claude-haiku"),
        ("anthropic:claude-3-haiku@20240307", "claude-3-haiku"),
    ],
)
def test_a_name_or_a_model_id_finds_its_price(model: str, family: str) -> None:
    assert price_of(model) is PRICES[family]


@pytest.mark.parametrize(
    "model", ["", "llama-3.2", "claude-haikus", "claude", "simulator-lan", "simulator:lan@latest", ":"]
)
def test_a_model_without_a_price_costs_an_unknown_sum(model: str) -> None:
    assert price_of(model) is None
    assert cost_usd(model, Usage(1, 1, 1, 1)) is None


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_a_cost_is_never_negative_and_reading_the_cache_is_never_dearer(
    fresh: int, answer: int, read: int, write: int
) -> None:
    for model in PRICES:
        cached = cost_usd(model, Usage(fresh, answer, read, write))
        plain = cost_usd(model, Usage(fresh + read, answer, 0, write))
        assert cached is not None
        assert plain is not None
        assert 0 <= cached <= plain
