"""What an AI text must be before a player reads it: clean, and grounded in the facts that were sent. Pure.

    clean      no hidden characters, no links, no markup; tidied and cut at a sentence end within the limit
    language   English prose, not the prompt and not a program
    amounts    every number rounds to a fact of the same unit, or is a small count of bars, beats, notes or times
    timing     late and early agree with the facts, for the take and for each beat; no bar was measured by itself
    changes    faster, slower, denser, better, passed agree with what was decided and with the trend; the set-up
               did what is said of it
    unmeasured nothing is said of body, mood, gear or hands as it is, nor as a cause; praise and blame of a timing
               agree with the findings

Two kinds of sentence hold the same words: `Play only the first beat until it feels settled` asks for something, `The
first beat is late` claims something. Only claims are checked against facts; where a sentence could be either, it
counts as a claim. So a good text is refused now and then, and the player reads what the rules said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sg_hybrid.errors import AiRejected
from sg_hybrid.models import AiReply

from .amounts import check_amounts, with_readable_numbers
from .changes import check_changes
from .clean import clean_reply, clean_text
from .known import Known
from .language import check_language
from .timing import check_timing
from .unmeasured import check_unmeasured
from .words import Words

__all__ = ["check_grounded", "clean_reply", "clean_text", "usable"]

_TEXTS = ("coaching_tip", "timing_insight", "exercise_hint")


def usable(reply: AiReply, facts: Mapping[str, Any]) -> AiReply:
    """Return `reply` with its texts cleaned, all of them grounded in `facts`. Raises AiRejected, naming the field."""
    cleaned = clean_reply(reply)
    known = Known(facts)
    for name in _TEXTS:
        text = getattr(cleaned, name)
        try:
            if text is not None:
                _check(text, known)
        except AiRejected as error:
            raise AiRejected(f"{name}: {error}") from None
    return cleaned


def check_grounded(text: str, facts: Mapping[str, Any]) -> None:
    """Raise AiRejected, with the reason, unless a clean text says only what `facts` (the JSON that was sent) say."""
    _check(text, Known(facts))


def _check(text: str, known: Known) -> None:
    words = Words(text)
    check_language(words, known)
    words = with_readable_numbers(words, known)
    numbers = check_amounts(words, known)
    check_timing(words, numbers, known)
    check_changes(words, known)
    check_unmeasured(words, known)
