"""What an AI text must be before a player reads it: clean, and grounded in the facts that were sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sg_hybrid.models import AiReply

from .clean import clean_reply, clean_text

__all__ = ["clean_reply", "clean_text", "usable"]


def usable(reply: AiReply, _facts: Mapping[str, Any]) -> AiReply:
    """Return `reply` with its texts cleaned. Raises AiRejected, naming the field, also if no text is left."""
    return clean_reply(reply)
