"""The companion service's endpoint: a context packet in, an addendum out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sg_coach.jsontext import parse_json_object
from sg_coach.models import Focus
from sg_hybrid.models import AiAddendum
from sg_hybrid.prompt import model_id

from .outcomes import Fault
from .texts import reply_for
from .wire import GARBAGE, HUGE_BYTES, Answer, plain_of

COACH_PATH: Final = "/api/v1/coach/enhance"
_FOCUS_OF_METRIC: Final = {
    "tempo_stability": Focus.TIMING_STABILITY,
    "beat_accuracy": Focus.SUBDIVISION_GRID,
    "articulation_clarity": Focus.SUBDIVISION_GRID,
    "phrase_coherence": Focus.TIMING_STABILITY,
}
_SPEECHLESS: Final = frozenset({Fault.EMPTY, Fault.TOOL_USE, Fault.REFUSAL, Fault.MAX_TOKENS})
"""What its model may do to a companion service: then it has nothing to say."""
_GOOD: Final = 0.85
"""A groove metric from here on is no reason to name it."""


def facts_of_packet(packet: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the facts that a reply can be made from, or None if `packet` is no `coach_context_packet`."""
    metrics, timing = packet.get("groove_metrics"), packet.get("timing_detail")
    ids = (packet.get("clip_id"), packet.get("session_id"))
    if packet.get("schema_id") != "coach_context_packet" or not all(isinstance(one, str) and one for one in ids):
        return None
    if not isinstance(metrics, dict) or not isinstance(timing, dict):
        return None
    known = {name: metrics[name] for name in _FOCUS_OF_METRIC if isinstance(metrics.get(name), int | float)}
    weakest = min(known, key=lambda name: known[name], default=None)
    focus = _FOCUS_OF_METRIC[weakest] if weakest and known[weakest] < _GOOD else Focus.PROGRESS
    errors = {"timing_mean_ms": "timing_error_ms_avg", "timing_p95_ms": "timing_error_ms_max"}
    return {"focus": str(focus), **{ours: timing[theirs] for ours, theirs in errors.items() if theirs in timing}}


def addendum_for(answer: Answer) -> dict[str, Any]:
    """Return the addendum that answers a packet. One without texts says that there is nothing to add."""
    call, outcome = answer.call, answer.outcome
    addendum = AiAddendum(
        schema_id="coaching_ai_addendum",
        schema_version="v1",
        clip_id=call.body["clip_id"],
        ai_available=True,
        ai_latency_ms=round(outcome.done_s * 1000),
        model_id=model_id("cloud", answer.model),
        **({} if outcome.fault in _SPEECHLESS else _texts(answer)),
    )
    document = addendum.model_dump(mode="json")
    return document | {"coaching_tip": "x" * HUGE_BYTES} if outcome.fault is Fault.HUGE else document


def pieces_for(answer: Answer) -> Iterator[bytes]:
    """Yield the pieces of the body that answers a packet, faults included."""
    if answer.outcome.fault is Fault.GARBAGE:
        return iter([GARBAGE.encode()])
    return plain_of(addendum_for(answer), answer.outcome)


def _texts(answer: Answer) -> dict[str, Any]:
    said = answer.outcome.text
    return reply_for(answer.call.facts, answer.call.number) if said is None else parse_json_object(said.encode())
