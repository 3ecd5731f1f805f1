"""The race of one take's reply against the deadline: decided once, synchronously."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio

from .errors import AiError, AiInvalid
from .models import AiAddendum, Origin

PREPARED_AT_S: Final = 0.45
"""When a prepared tip is taken if no live one is there, in seconds from `t0`."""

PREPARED_BEFORE_S: Final = 0.05
"""A prepared tip is taken at least so long before the reply deadline, in seconds: the rest is for writing it."""


@dataclass(frozen=True, slots=True)
class CycleLimits:
    """The limits of a cycle, in seconds from `t0`, and how many calls may be open at once."""

    reply_deadline_s: float = 0.5
    give_up_after_s: float = 30.0
    max_open_calls: int = 64

    @property
    def prepared_at_s(self) -> float:
        """When a prepared tip is taken if no live one is there."""
        return min(PREPARED_AT_S, max(self.reply_deadline_s - PREPARED_BEFORE_S, 0.0))


class Race:
    """Who was first: the reply or the deadline. Decided once; no `await` stands between the test and the set.

    open ─offer before the deadline─▶ won        the whole reply belongs to the bundle
      ├───settle_for────────────────▶ won        a prepared tip is taken instead
      ├───give_up───────────────────▶ given up   no live reply will come; a prepared tip may still be taken
      └───close─────────────────────▶ closed     with the live tip, if it came early; any later reply is for the spool
    """

    def __init__(self, closes_at: float) -> None:
        self.closes_at = closes_at
        self.decided = anyio.Event()
        self.won: AiAddendum | None = None
        self.origin: Origin = "live"
        self.failed: AiError | None = None
        self.early: AiAddendum | None = None
        self._closed = False

    def offer(self, addendum: AiAddendum, now: float) -> bool:
        """Return whether the whole reply is in time. At exactly the deadline it is late.

        A late one closes the race if nobody did so yet (the process was frozen): whether its tip was shown early is
        then decided, before it is asked.
        """
        if now >= self.closes_at:
            self.close()
        if self.decided.is_set():
            return False
        self.won = addendum
        self.decided.set()
        return True

    def offer_early(self, tip: AiAddendum, now: float) -> None:
        """The tip alone is there; it counts if the whole reply does not come in time."""
        if not self.decided.is_set() and now < self.closes_at:
            self.early = tip

    def settle_for(self, prepared: AiAddendum) -> None:
        """Take a prepared tip; a live reply that still comes is late."""
        if self.won is None and not self._closed:
            self.won, self.origin = prepared, "prepared"
            self.decided.set()

    def give_up(self, error: AiError | None = None) -> None:
        """No live reply will come. An early tip stands in for it, unless its whole reply may not be shown."""
        if not self.decided.is_set():
            if isinstance(error, AiInvalid):
                self.early = None
            self.failed, self.won = error, self.early
            self.decided.set()

    def withdraw(self) -> bool:
        """No live reply may be shown any more, not even its early tip (the AI was switched off). Always False."""
        if not self.decided.is_set():
            self.early = None
            self.close()
        return False

    def close(self) -> None:
        """The deadline has come."""
        self._closed = True
        if not self.decided.is_set():
            self.won = self.early
            self.decided.set()

    def has_shown_early(self, whole: AiAddendum) -> bool:
        """Whether the tip of this late reply stands in its bundle already, so that it must not wait as well."""
        return self.won is not None and self.won is self.early and self.won.coaching_tip == whole.coaching_tip
