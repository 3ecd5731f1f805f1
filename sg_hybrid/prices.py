"""What tokens cost. Pure, and data: a new price is a new row.

Published list prices of the provider, USD for a million tokens, as of 2026. A model that has no row has no price here:
`cost_usd` says None for it, never zero. A model of one's own machine costs nothing but has no row either, because its
name cannot be told from a bought one's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from .models import Usage

MILLION: Final = 1_000_000


class Price(NamedTuple):
    """USD for a million tokens of each kind."""

    input: float
    output: float
    cache_write: float
    """Written to the prompt cache for five minutes."""
    cache_read: float


PRICES: Final[Mapping[str, Price]] = MappingProxyType(
    {
        "claude-haiku": Price(1.00, 5.00, 1.25, 0.10),
        "claude-3-5-haiku": Price(0.80, 4.00, 1.00, 0.08),
        "claude-3-haiku": Price(0.25, 1.25, 0.30, 0.03),
    }
)
"""By the beginning of a model's name; what follows it is a version."""


def price_of(model: str) -> Price | None:
    """Return the price of `model` (a name, or a `model_id` as `anthropic:claude-haiku-5-5@latest`); None if unknown."""
    name = model.lower().rpartition(":")[2].replace("@", "-") + "-"
    return next((price for family, price in PRICES.items() if name.startswith(f"{family}-")), None)


def cost_usd(model: str, usage: Usage) -> float | None:
    """Return what `usage` costs with `model`, in USD; None if the price of that model is not known."""
    price = price_of(model)
    if price is None:
        return None
    total = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_write_tokens * price.cache_write
        + usage.cache_read_tokens * price.cache_read
    )
    return total / MILLION
