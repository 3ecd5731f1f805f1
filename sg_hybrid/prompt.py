"""What is asked of the AI, and what is accepted as an answer. Pure: facts in, a request out; a text in, a reply out.

The words live in `prompts/`, one file a version, for a teacher to edit. What is sent are closed enums and numbers (and
the program's name, sanitised): no ids, no device, no free text of the user.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from sg_coach.errors import InvalidInput
from sg_coach.field_types import Number, Ratio
from sg_coach.jsontext import parse_json_object, to_compact_json
from sg_coach.models import CoachingDeterministic, Judgement, SessionRecord, first_problem

from .errors import AiInvalid
from .models import AiAddendum, AiReply, CoachRequest

PROMPT_VERSION: Final = "v1"
PREPARE_PROMPT_VERSION: Final = "prepare_v1"
MAX_PROGRAM_NAME: Final = 40
MAX_REPLY_CHARACTERS: Final = 16 * 1024
"""Longest text that is searched for a reply; 200 tokens are about 800 characters."""
SIMULATOR_PREFIX: Final = "simulator-"
"""A service whose model is called `simulator-…` is the local simulator, and `model_id` says so."""

_PROMPTS: Final = files(__package__).joinpath("prompts")
_SYSTEM: Final = {
    "live": _PROMPTS.joinpath(f"{PROMPT_VERSION}.md").read_text(encoding="utf-8"),
    "prepare": _PROMPTS.joinpath(f"{PREPARE_PROMPT_VERSION}.md").read_text(encoding="utf-8"),
}
_REPLY_FIELDS: Final = ("coaching_tip", "timing_insight", "exercise_hint", "confidence", "ai_groove_score")
_AUTHORITATIVE: Final = frozenset(
    {*CoachingDeterministic.model_fields, *AiAddendum.model_fields} - {*_REPLY_FIELDS, "ai_groove_breakdown"}
)


def system_prompt(purpose: Literal["live", "prepare"] = "live") -> str:
    """Return the system prompt, the same bytes for every call: that is what makes the prompt cache work."""
    return _SYSTEM[purpose]


def reply_schema(purpose: Literal["live", "prepare"] = "live") -> dict[str, Any]:
    """Return the JSON Schema of a reply, in the subset that structured outputs accept (no bounds, null by anyOf).

    All fields are required and generated in this order: the tip first, so that it is there early. A call that
    prepares asks for the texts alone: there is nothing to be sure of yet, and every token costs.
    """
    if purpose == "prepare":
        return _object({name: {"type": "string"} for name in _REPLY_FIELDS[:3]})
    kinds = ("string", "string", "string", "number", "number")
    properties = {
        name: {"anyOf": [{"type": kind}, {"type": "null"}]} for name, kind in zip(_REPLY_FIELDS, kinds, strict=True)
    }
    properties["coaching_tip"] = {"type": "string"}  # type: ignore[dict-item]  # a tip is the point of the call
    return _object(properties)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def build_request(
    session: SessionRecord, evaluation: Judgement, coaching: CoachingDeterministic, *, clip_id: str
) -> CoachRequest:
    """Return what is asked about one take. The ids are for our own logs and are not part of `facts`."""
    facts = {**_take_facts(session), **_decided_facts(session.bpm, evaluation, coaching)}
    return CoachRequest(clip_id, str(session.session_id), facts, coaching.coach_hint)


def message_parameters(request: CoachRequest, *, model: str, max_tokens: int) -> dict[str, Any]:
    """Return the body of a Messages API call (without `stream`). No temperature, no prefill: both are refused now."""
    system = {"type": "text", "text": system_prompt(request.purpose), "cache_control": {"type": "ephemeral"}}
    return {
        "model": model,
        "max_tokens": max_tokens,
        "system": [system],
        "messages": [{"role": "user", "content": to_compact_json(request.facts)}],
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": reply_schema(request.purpose)}},
    }


def _take_facts(session: SessionRecord) -> dict[str, Any]:
    by_beat = session.error_by_beat_ms
    return {
        "program": {"kind": str(session.program.kind), "name": program_label(session.program.name)},
        "meter": session.meter,
        "bpm": _rounded(session.bpm),
        "grid": session.grid,
        "bars": session.bars,
        "timing_mean_ms": _rounded(session.timing_mean_error_ms),
        "timing_p95_ms": _rounded(session.timing_p95_error_ms),
        **_uncertainty(session),
        "late_events": session.late_events,
        "total_events": session.total_events,
        "notes_on_grid_pct": _percent(session.notes_on_grid_ratio),
        "clave_hit_pct": _percent(session.clave_hit_ratio),
        "error_by_beat_ms": None if by_beat is None else [None if ms is None else _rounded(ms) for ms in by_beat],
        "panic_used": session.panic_used,
        "underrun_detected": session.underrun_detected,
    }


def _uncertainty(session: SessionRecord) -> dict[str, Any]:
    """How far the p95 can be believed; nothing about a record that does not say."""
    facts: dict[str, Any] = {}
    if session.timing_p95_se_ms is not None:
        facts["timing_p95_give_or_take_ms"] = _rounded(session.timing_p95_se_ms)
    if session.timing_measurable is not None:
        facts["timing_measurable"] = session.timing_measurable
    return facts


def _decided_facts(bpm: float, evaluation: Judgement, coaching: CoachingDeterministic) -> dict[str, Any]:
    decision, trend = coaching.decision, coaching.score_trend
    return {
        "findings": [{"code": str(one.code), "severity": str(one.severity)} for one in evaluation.findings],
        "focus": str(evaluation.primary_focus),
        "score": _rounded(coaching.score),
        "score_trend": None if trend is None else _rounded(trend),
        "take_result": str(coaching.take_result),
        "next_round": {
            "bpm": _rounded(bpm + decision.tempo_delta_bpm),
            "tempo_delta_bpm": _rounded(decision.tempo_delta_bpm),
            "difficulty_delta": round(decision.difficulty_delta, 3) + 0.0,  # never -0.0
            "density": decision.density_bucket,
            "syncopation": decision.syncopation_bucket,
        },
    }


def program_label(name: str) -> str:
    """Return a program's name as it may be sent: `A-Z a-z 0-9 . _ -` and single blanks, at most 40 characters."""
    return " ".join(re.sub(r"[^A-Za-z0-9._-]+", " ", name).split())[:MAX_PROGRAM_NAME].strip() or "unnamed"


def _rounded(value: float) -> float:
    """One decimal, and no `.0` on whole numbers: it is what a person would say."""
    number = round(value, 1)
    return int(number) if float(number).is_integer() else number


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else _rounded(ratio * 100)


# The answer


class _Fields(BaseModel):
    """Types and limits of a reply's fields (those of the addendum). Lengths are `grounding`'s: a long text is cut."""

    model_config = ConfigDict(extra="ignore")

    coaching_tip: StrictStr | None = None
    timing_insight: StrictStr | None = None
    exercise_hint: StrictStr | None = None
    confidence: Ratio | None = None
    ai_groove_score: Annotated[Number, Field(ge=0, le=100)] | None = None


_REASONING: Final = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_OBJECT_START: Final = re.compile(r"\{\s*[\"}]")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)


def parse_reply(text: str, *, model_id: str) -> AiReply:
    """Return the reply that `text` holds, with its texts as they were written (`grounding` cleans them).

    Tolerant about what stands around it (prose, a code fence, a leading reasoning block), strict about the object
    itself: exactly one, JSON as RFC 8259 means it, types and limits of the addendum, nothing that claims to be the
    deterministic coaching or the addendum's frame. Other unknown keys are ignored. Raises AiInvalid.
    """
    if len(text) > MAX_REPLY_CHARACTERS:
        raise AiInvalid(f"the answer has {len(text)} characters, the limit is {MAX_REPLY_CHARACTERS}")
    try:
        document = parse_json_object(_only_object(text).encode("utf-8", "surrogatepass"))
        fields = _Fields.model_validate(document)
    except ValidationError as error:
        raise AiInvalid(str(first_problem(error, "reply"))) from error
    except InvalidInput as error:
        where = f"{error.field}: " if error.field in _REPLY_FIELDS else ""  # a key of the AI's own is not echoed
        raise AiInvalid(f"reply: {where}{error.problem}") from error
    claimed = sorted(_AUTHORITATIVE.intersection(document))
    if claimed:
        raise AiInvalid(f"the reply brings {', '.join(claimed)}: that is decided by the rules, never by the AI")
    return AiReply(model_id=model_id, **fields.model_dump())


def _only_object(text: str) -> str:
    """Return the text of the one JSON object in `text`."""
    reasoning = _REASONING.match(text)
    begin = _OBJECT_START.search(text, reasoning.end() if reasoning else 0)
    if begin is None:
        raise AiInvalid("no JSON object in the answer")
    if text[: begin.start()].rstrip().endswith("["):
        raise AiInvalid("the answer is a list; one object is needed")
    end = _end_of_object(text, begin.start())
    if _OBJECT_START.search(text, end):
        raise AiInvalid("two objects in the answer: which one is meant?")
    return text[begin.start() : end]


def _end_of_object(text: str, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return token.end()
    raise AiInvalid("the object in the answer is not closed")


# The name of who answered

_DATED: Final = re.compile(r"(?P<name>.+?)[-@_:](?P<date>20[0-9]{6})")
_FOREIGN: Final = re.compile(r"[^a-z0-9_.-]+")


def model_id(provider: str, model: str) -> str:
    """Return `provider:model@version`: the version is the name's date suffix, else `latest`. Always a legal id.

    A model named `simulator-…` is the local simulator, whoever was configured: `simulator:…@latest`.
    """
    name = model.strip().lower()
    if name.startswith(SIMULATOR_PREFIX):
        provider, name = SIMULATOR_PREFIX.rstrip("-"), name.removeprefix(SIMULATOR_PREFIX)
    dated = _DATED.fullmatch(name)
    version = dated["date"] if dated else "latest"
    return f"{_legal(provider).replace('.', '-')}:{_legal(dated['name'] if dated else name)}@{version}"


def _legal(name: str) -> str:
    return _FOREIGN.sub("-", name.lower())[:80].strip("-") or "unknown"
