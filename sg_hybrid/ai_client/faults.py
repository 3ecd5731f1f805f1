"""What an answer that is no reply means, and whether asking again is worth it. Pure: statuses and words in, errors out.

408, 429, 529, 5xx, `overloaded_error`, `api_error`, …   AiBusy         at most 2 retries
401, 403, 404, 400, every other 4xx                      AiRefused      never retried
a redirect                                               AiUnreachable  a login page of the network
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from sg_hybrid.errors import AiBusy, AiError, AiInvalid, AiNotReached, AiRefused, AiUnreachable

MAX_RETRY_AFTER_S: Final = 20.0
"""Longest pause that a server may ask for within one call; a longer one ends the call (the breaker keeps it)."""

_BUSY_TYPES: Final = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
_REFUSED_TYPES: Final = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
    }
)
Remedies = Mapping[int, str]
"""What a status means to the user of one provider, and what to do."""

MESSAGES_REMEDIES: Final[Remedies] = {
    400: "the service does not accept the request; check AI_COACH_MODEL",
    401: "the key is not valid; check ANTHROPIC_API_KEY",
    402: "the account has no credit left",
    403: "the key may not use this service or model; check ANTHROPIC_API_KEY and AI_COACH_MODEL",
    404: "no such model or address; check AI_COACH_MODEL and ANTHROPIC_BASE_URL",
    413: "the request is too large",
}
COMPANION_REMEDIES: Final[Remedies] = {
    400: "the companion service does not accept the context packet; it may be of another version",
    401: "the token is not valid; check AI_COACH_TOKEN",
    403: "the token may not use the companion service; check AI_COACH_TOKEN",
    404: "no companion service at this address; check AI_COACH_URL",
}
_WORD: Final = re.compile(r"[a-z_]{1,40}")


class NoAnswer(AiUnreachable):
    """The connection broke before any byte of an answer."""


class NoConnection(NoAnswer, AiNotReached):
    """There was no connection, so nothing was asked."""


class NoFreeConnection(AiBusy):
    """All connections are in use by calls that wait."""

    was_sent = False


def for_status(
    status: int,
    error_type: object = None,
    retry_after: str | None = None,
    *,
    remedies: Remedies = MESSAGES_REMEDIES,
) -> AiError:
    """Return the error that an HTTP status means. `error_type` is the API's own word for it, from the body.

    Status 200 is legal here: an event stream may bring an error event, and then the word alone decides.
    """
    word = error_type if isinstance(error_type, str) and _WORD.fullmatch(error_type) else ""
    named = f"{status} {word}".strip()
    if status in (408, 429) or status >= 500 or (status < 300 and word in _BUSY_TYPES):
        return AiBusy(f"the AI service is busy ({named})", retry_after_s=retry_after_s(retry_after))
    if 300 <= status < 400:
        return AiUnreachable(f"redirected ({status}) instead of answered: a login page of the network?")
    if status >= 400 or word in _REFUSED_TYPES:
        return AiRefused(f"{remedies.get(status, 'the service does not accept the request')} ({named})")
    return AiInvalid(f"an error event in the answer ({named})")


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a `retry-after` header asks for; None if it is missing or says nothing usable.

    A date (the header's other form) counts as missing: the wall clock of a guitar is not to be trusted.
    """
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def is_worth_a_retry(error: BaseException) -> bool:
    """Return whether the same call may work in a moment: the service is busy and does not ask for a long pause."""
    if not isinstance(error, AiBusy) or isinstance(error, NoFreeConnection):
        return False
    return (error.retry_after_s or 0.0) <= MAX_RETRY_AFTER_S


def pause_asked_for(error: AiError, *, refused_s: float) -> float | None:
    """Return how long to leave the service alone after `error` (s), or None if the breaker may count as usual."""
    if isinstance(error, AiRefused):
        return refused_s
    return error.retry_after_s if isinstance(error, AiBusy) else None
