"""One streamed answer, as far as it has come. No I/O: events of the Messages API in, a text or an error out.

Events are looked at with care instead of trust: a server that only resembles the API must end in an error of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import jiter

from sg_hybrid.errors import AiInvalid, AiUnreachable

from .notes import Notes

TIP: Final = "coaching_tip"
_WHOLE: Final = frozenset({"end_turn", "stop_sequence"})
_STOPPED: Final = {
    "max_tokens": "cut at the token limit",
    "refusal": "the model refused to answer",
    "tool_use": "a tool call instead of a reply",
    "pause_turn": "the model paused in mid-reply",
    "model_context_window_exceeded": "cut at the end of the context window",
}
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_MOST_TOKENS: Final = 10_000_000
"""Above it a count is no count of one call: no model takes in so much. It must not use up the day's limit."""


@dataclass(slots=True)
class Reading:
    """What one answer has brought so far; `notes` get its times, its tokens and its tip."""

    notes: Notes = field(default_factory=Notes)
    started: bool = False
    stop_reason: str | None = None
    complete: bool = False
    """The last event has come; what follows can only be the end of the connection's turn."""
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The answer's text: all text blocks, no thinking, no tool input."""
        return "".join(self._parts)

    def feed(self, event: object, now: float) -> None:
        """Take in one event of the stream. Unknown events and parts are passed over."""
        kind = getattr(event, "type", None)
        if kind == "message_start":
            self.started, message = True, getattr(event, "message", None)
            self.notes.model = _word(getattr(message, "model", None))
            self._count(getattr(message, "usage", None))
        elif kind == "content_block_start":
            self._add(getattr(event, "content_block", None), "text", now)
        elif kind == "content_block_delta":
            self._add(getattr(event, "delta", None), "text_delta", now)
        elif kind == "message_delta":
            told = _word(getattr(getattr(event, "delta", None), "stop_reason", None))
            self.stop_reason = told or self.stop_reason  # a further delta may tell the tokens alone
            self._count(getattr(event, "usage", None))
        elif kind == "message_stop":
            self.complete = True

    def finished_text(self) -> str:
        """Return the whole text. Raises AiUnreachable if the answer is cut off, AiInvalid if it is no reply."""
        if not self.started:
            raise AiInvalid("no message in the answer")
        if self.stop_reason is None:
            raise AiUnreachable("the answer ended early")
        if self.stop_reason not in _WHOLE:
            raise AiInvalid(_STOPPED.get(self.stop_reason, "stopped for a reason that is not known"))
        if not self.text.strip():
            raise AiInvalid("no text in the answer")
        return self.text

    def _add(self, part: Any, kind: str, now: float) -> None:
        text = getattr(part, "text", None)
        if getattr(part, "type", None) != kind or not isinstance(text, str) or not text:
            return
        self._parts.append(text)
        self.notes.token_came(now)
        if self.notes.tip_at is None and (tip := tip_in(self.text)) is not None:
            self.notes.tip_came(tip, now)

    def _count(self, usage: Any) -> None:
        for name in _COUNTS:
            value = getattr(usage, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
                self.notes.counts[name] = value


def tip_in(text: str) -> str | None:
    """Return the tip if its string is closed already in this beginning of a reply, else None.

    A draft in a leading reasoning block is no tip.
    """
    if text.lstrip().startswith("<think>"):
        text = text.partition("</think>")[2]
    start = text.find("{")
    if start < 0 or f'"{TIP}"' not in text:
        return None
    try:
        begun = jiter.from_json(text[start:].encode("utf-8", "surrogatepass"), partial_mode=True)
    except ValueError:
        return None
    tip = begun.get(TIP) if isinstance(begun, dict) else None
    return tip if isinstance(tip, str) else None


def _word(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
