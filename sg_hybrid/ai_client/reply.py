"""From the text of an answer to a reply that may be shown. Pure."""

from __future__ import annotations

from sg_hybrid.grounding import clean_reply
from sg_hybrid.models import AiReply
from sg_hybrid.prompt import parse_reply


def usable_reply(text: str, *, model_id: str) -> AiReply:
    """Return the reply that `text` holds, parsed, within its limits and clean. Raises AiInvalid saying why not."""
    return clean_reply(parse_reply(text, model_id=model_id))
