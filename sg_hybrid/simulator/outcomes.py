"""How the simulated service behaves: latency models from published figures, faults, and scripts of both. Pure.

Figures: time to the first token and tokens per second of the fastest class of hosted models (about 0.63 s and 85/s), a
good hour of it, an optimistic guess, and a GPU on the same network. Both are lognormal around these medians, as wide as
fits the published shares of tips in time (0, 2, 65 and 98 % with a stream, the tip first, a warm connection); 3 % of
calls fall into a heavy tail, 0.5 % end in an error. Seeded by call: call n of a seed is always the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Literal

REPLY_TOKENS: Final = 90
"""Tokens of a usual reply, for the time that generating it takes."""

ProfileName = Literal["published", "good-hour", "optimistic", "lan", "broken"]


class Fault(StrEnum):
    """What can be wrong with an answer."""

    HANG = "hang"
    """The request is taken, and nothing ever comes."""
    DRIP = "drip"
    """An answer of one byte at a time, without end."""
    ENDLESS = "endless"
    """An answer that goes on for ever, fast."""
    RESET = "reset"
    """The connection is reset after `cut_at` bytes of the body."""
    CUT = "cut"
    """The body ends, as if it were whole, after `cut_at` bytes."""
    STATUS = "status"
    """An HTTP error `status`, with `retry_after` if given."""
    ERROR_EVENT = "error_event"
    """Status 200, then an error event of type `overloaded_error`."""
    HTML = "html"
    """A login page with status 200."""
    NOT_A_MESSAGE = "not_a_message"
    """`{}` with status 200; in a stream, as the data of every event."""
    NOISE = "noise"
    """An event stream of bytes that are no text."""
    EMPTY = "empty"
    """A message without content."""
    TOOL_USE = "tool_use"
    """A tool call and no text."""
    REFUSAL = "refusal"
    """Stopped with `refusal`."""
    MAX_TOKENS = "max_tokens"
    """Half a reply, stopped with `max_tokens`."""
    GARBAGE = "garbage"
    """A text that is no reply."""
    HUGE = "huge"
    """A reply with a text of 5 MB."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the service saw it. `facts` is the JSON object of the user turn, or the context packet."""

    number: int
    """0 for the first call."""
    connection: int
    """Which connection it came by; the same number means a reused one."""
    path: str
    body: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def streaming(self) -> bool:
        return self.body.get("stream") is True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call is answered. Times are in seconds from the arrival of the request."""

    done_s: float = 0.0
    """When the answer is complete."""
    first_token_s: float | None = None
    """When it begins; half of `done_s` if not given."""
    fault: Fault | None = None
    status: int = 500
    retry_after: str | None = None
    cut_at: int = 0
    text: str | None = None
    """What the model says instead of coaching from the facts; to a packet, the addendum's fields as a JSON object."""
    thinking: bool = False
    """A thinking block comes before the text."""

    @property
    def begins_s(self) -> float:
        return self.done_s / 2 if self.first_token_s is None else min(self.first_token_s, self.done_s)


def error(status: int, retry_after: str | None = None, *, done_s: float = 0.0) -> Outcome:
    """Return an HTTP error as an outcome."""
    return Outcome(done_s, fault=Fault.STATUS, status=status, retry_after=retry_after)


Behaviour = Callable[[Call], Outcome]


def scripted(outcomes: Iterable[Outcome]) -> Behaviour:
    """Answer the first call as the first of `outcomes` says, and so on; after the last one at once and well."""
    left: Iterator[Outcome] = iter(outcomes)
    return lambda _call: next(left, Outcome())


@dataclass(frozen=True, slots=True)
class Profile:
    """A latency model: medians of the time to the first token (s) and of tokens per second, and how they spread."""

    first_token_s: float
    tokens_per_s: float
    first_token_sigma: float = 0.35
    tokens_sigma: float = 0.15
    tail_share: float = 0.03
    error_share: float = 0.005
    faults: tuple[Outcome, ...] = field(default=(error(529), error(500), error(429, "1"), Outcome(fault=Fault.RESET)))


_PUBLISHED: Final = Profile(0.63, 85.0)
_FAULTS: Final = (
    *(Outcome(fault=fault, cut_at=700) for fault in Fault if fault is not Fault.STATUS),
    *(error(status) for status in (429, 500, 503, 529)),
)
PROFILES: Final[Mapping[ProfileName, Profile]] = {
    "published": _PUBLISHED,
    "good-hour": Profile(0.40, 115.0),
    "optimistic": Profile(0.20, 150.0),
    "lan": Profile(0.06, 120.0),
    "broken": replace(_PUBLISHED, error_share=0.5, faults=_FAULTS),
}


def from_profile(name: ProfileName, seed: int = 0) -> Behaviour:
    """Answer as the profile's latency model draws it; call n of a seed is always the same."""
    profile = PROFILES[name]
    return lambda call: draw(profile, random.Random(f"{seed}:{call.number}"))  # noqa: S311 - a model, no secret


def draw(profile: Profile, rng: random.Random) -> Outcome:
    """Draw one outcome."""
    first_token_s = profile.first_token_s * rng.lognormvariate(0.0, profile.first_token_sigma)
    tokens_per_s = profile.tokens_per_s * rng.lognormvariate(0.0, profile.tokens_sigma)
    if rng.random() < profile.tail_share:
        first_token_s *= min(1.0 + rng.paretovariate(1.2), 30.0)
    done_s = first_token_s + REPLY_TOKENS / tokens_per_s
    if rng.random() < profile.error_share:
        return replace(rng.choice(profile.faults), done_s=done_s, first_token_s=first_token_s)
    return Outcome(done_s, first_token_s)
