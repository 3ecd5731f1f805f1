"""The one place where an answer becomes a reply that may be shown, whoever gave it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sg_coach.errors import InvalidInput
from sg_coach.jsontext import parse_json_object
from sg_coach.models import first_problem
from sg_hybrid.errors import AiInvalid, AiRejected
from sg_hybrid.grounding import clean_reply, usable
from sg_hybrid.models import AiAddendum, AiReply
from sg_hybrid.prompt import parse_reply

Facts = Mapping[str, Any]


def usable_reply(text: str, *, model_id: str, facts: Facts) -> AiReply:
    """Return the reply that the text of a model holds: parsed, within its limits, clean, grounded in `facts`.

    Raises AiInvalid if it is no reply, AiRejected if its words may not be shown, saying why.
    """
    return usable(parse_reply(text, model_id=model_id), facts)


def usable_template(text: str, *, model_id: str) -> AiReply:
    """Return the reply of a call that prepares tips: parsed, within its limits, clean. Its numbers come later.

    Raises AiInvalid or AiRejected, saying why.
    """
    return clean_reply(parse_reply(text, model_id=model_id))


def usable_tip(text: str, *, model_id: str, facts: Facts) -> AiReply | None:
    """Return a reply of the tip alone, or None if the tip may not be shown (the whole reply will say why)."""
    try:
        return usable(AiReply(model_id, coaching_tip=text), facts)
    except AiInvalid:
        return None


def usable_addendum(body: bytes, *, clip_id: str, facts: Facts) -> AiReply:
    """Return the reply that a companion service's addendum holds. Raises AiInvalid or AiRejected, saying why."""
    addendum = _addendum(body)
    if addendum.clip_id != clip_id:
        raise AiInvalid("the addendum is about another clip")
    if not addendum.ai_available:
        raise AiInvalid("the companion service has no AI at hand")
    if not addendum.says_something:
        raise AiRejected("the companion service had nothing to add")
    reply = AiReply(
        model_id=addendum.model_id,
        coaching_tip=addendum.coaching_tip,
        timing_insight=addendum.timing_insight,
        exercise_hint=addendum.exercise_hint,
        ai_groove_score=addendum.ai_groove_score,
        confidence=addendum.confidence,
    )
    return usable(reply, facts)


def _addendum(body: bytes) -> AiAddendum:
    try:
        return AiAddendum.model_validate(parse_json_object(body))
    except ValidationError as error:
        problem = first_problem(error, "addendum")
    except InvalidInput as error:
        problem = error.in_file("addendum")
    known = problem.field.partition(".")[0] in AiAddendum.model_fields  # a key of the service's own is not echoed
    raise AiInvalid(f"addendum: {problem.field + ': ' if known else ''}{problem.problem}")
