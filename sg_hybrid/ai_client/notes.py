"""What is noted about one answer while it comes in: for the log, for the ledger, and its tip for who cannot wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sg_hybrid.models import Usage

TipClosed = Callable[[str, str], None]
"""Called as `tip_closed(text, model)`, with the tip as it was written and the name of who writes it."""


def ignore(_text: str, _model: str) -> None:
    """Nobody waits for the tip."""


@dataclass(slots=True)
class Notes:
    """Times are those of the event loop's clock, None until it happens; `counts` are the provider's own, of tokens."""

    tip_closed: TipClosed = ignore
    model: str = ""
    first_token_at: float | None = None
    tip_at: float | None = None
    last_token_at: float | None = None
    answered: bool = False
    """The head of an answer has come."""
    reused_connection: bool | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def token_came(self, now: float) -> None:
        """Note that some text has come."""
        self.last_token_at = now
        if self.first_token_at is None:
            self.first_token_at = now

    def tip_came(self, text: str, now: float) -> None:
        """Note the tip, and hand it out."""
        self.tip_at = now
        self.tip_closed(text, self.model)

    @property
    def usage(self) -> Usage | None:
        """What the call was charged for as far as the provider told, None if it told nothing."""
        if not self.counts:
            return None
        return Usage(
            input_tokens=self.counts.get("input_tokens", 0),
            output_tokens=self.counts.get("output_tokens", 0),
            cache_read_tokens=self.counts.get("cache_read_input_tokens", 0),
            cache_write_tokens=self.counts.get("cache_creation_input_tokens", 0),
        )

    @property
    def tokens_per_s(self) -> float | None:
        """How fast the text came, None if that cannot be told."""
        tokens = self.counts.get("output_tokens")
        if self.first_token_at is None or self.last_token_at is None or not tokens:
            return None
        seconds = self.last_token_at - self.first_token_at
        return round(tokens / seconds, 1) if seconds > 0 else None
