"""What replies become, and what relevance needs to know about them. Pure."""

from __future__ import annotations

from .models import AiAddendum, AiReply, Coached, Query, ReplyContext, program_key


def addendum_from(reply: AiReply, clip_id: str, latency_ms: int) -> AiAddendum:
    """Return the addendum that a valid reply becomes."""
    return AiAddendum(
        schema_id="coaching_ai_addendum",
        schema_version="v1",
        clip_id=clip_id,
        ai_available=True,
        ai_latency_ms=max(latency_ms, 0),
        model_id=reply.model_id,
        coaching_tip=reply.coaching_tip,
        timing_insight=reply.timing_insight,
        exercise_hint=reply.exercise_hint,
        ai_groove_score=reply.ai_groove_score,
        confidence=reply.confidence,
    )


def context_of(coached: Coached) -> ReplyContext:
    """Return what relevance will need to know about a reply to this take."""
    take = coached.take
    return ReplyContext(
        clip_id=take.clip_id,
        session_id=str(take.session.session_id),
        program=program_key(take.session),
        focus=coached.evaluation.focus_code,
        bundle=str(take.bundle),
    )


def query_of(coached: Coached) -> Query:
    """Return which waiting reply this take could use."""
    codes = frozenset(str(finding.code) for finding in coached.evaluation.weighty)
    return Query(
        clip_id=coached.take.clip_id,
        session_id=str(coached.take.session.session_id),
        program=program_key(coached.take.session),
        focuses=codes or frozenset({coached.evaluation.focus_code}),
    )
