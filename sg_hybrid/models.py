"""Values that pass between the parts of the worker, and the documents that it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, model_serializer

from sg_coach.field_types import Int, Number, Ratio, Rfc3339
from sg_coach.models import CoachingDeterministic, Judgement, SessionRecord, Value

ENTRY_SUFFIX: Final = "_ai_addendum.json"
"""A waiting reply is `pending/{clip_id}_ai_addendum.json`."""

MODEL_ID_PATTERN: Final = r"^[a-z0-9_-]+:[a-z0-9_.-]+@[a-z0-9_.-]+$"
MAX_TEXT: Final = 300
"""Longest AI text, in characters."""

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
AiStatus = Literal["not_requested", "success", "timeout", "error", "disabled"]
Origin = Literal["live", "prepared"]
TipSource = Literal["live", "prepared", "none"]


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("a part that was not judged is left out, not null")
    return value


Part = Annotated[Ratio | None, BeforeValidator(_not_null)]


class GrooveBreakdown(Value):
    """Parts of the AI's groove score, each 0..1; a part that was not judged is left out."""

    timing: Part = None
    dynamics: Part = None
    feel: Part = None

    @model_serializer(mode="plain")
    def _judged(self) -> dict[str, float]:
        return {name: part for name, part in self if part is not None}


class AiAddendum(Value):
    """`clip.ai_coach.json` and queued entries (contract `coaching_ai_addendum_v1`). Never authoritative."""

    schema_id: Literal["coaching_ai_addendum"]
    schema_version: Literal["v1"]
    clip_id: str
    ai_available: StrictBool
    ai_latency_ms: Annotated[Int, Field(ge=0)]
    model_id: Annotated[str, StringConstraints(pattern=MODEL_ID_PATTERN)]
    coaching_tip: Text | None = None
    timing_insight: Text | None = None
    exercise_hint: Text | None = None
    ai_groove_score: Annotated[Number, Field(ge=0, le=100)] | None = None
    ai_groove_breakdown: GrooveBreakdown | None = None
    confidence: Ratio | None = None
    queued: StrictBool = False
    queued_at_utc: Rfc3339 | None = None

    @property
    def says_something(self) -> bool:
        return any(text for text in (self.coaching_tip, self.timing_insight, self.exercise_hint))


class Envelope(Value):
    """Both coachings in one object, for transport (contract `coaching_envelope_v1`)."""

    schema_id: Literal["coaching_envelope"]
    schema_version: Literal["v1"]
    source: Literal["deterministic", "hybrid"]
    deterministic: CoachingDeterministic
    ai: AiAddendum | None = None
    ai_request_status: AiStatus | None = None
    total_latency_ms: Annotated[Int, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """The facts of one take as a bundle holds them.

    `take_id` is the digest of the bytes of `session.json` (`sha256:…`): a new take on the same clip has another one.
    """

    bundle: Path
    clip_id: str
    take_id: str
    session: SessionRecord
    tags: Mapping[str, Any] = field(default_factory=dict)


def program_key(session: SessionRecord) -> str:
    """Name a take's program as `kind:name`."""
    return f"{session.program.kind}:{session.program.name}"


@dataclass(frozen=True, slots=True)
class AiState:
    """Whether the AI is in force at this moment, and why."""

    enabled: bool
    key_present: bool
    """Whether the chosen provider can be asked: its key, or its address and token, are set."""
    why: str
    within_limits: bool = True
    """False while the day's calls or tokens are used up."""

    @property
    def may_ask(self) -> bool:
        """Whether a call may be made now."""
        return self.enabled and self.key_present and self.within_limits


@dataclass(frozen=True, slots=True)
class Coached:
    """What the rules decided about a take. `t0` is when its score was known (monotonic seconds)."""

    take: Take
    evaluation: Judgement
    coaching: CoachingDeterministic
    t0: float
    new: bool = True
    """False if the bundle held this coaching already: nothing was written."""


@dataclass(frozen=True, slots=True)
class CoachRequest:
    """What is sent to the AI: closed enums and numbers, ready to be encoded. `facts` is one JSON object."""

    clip_id: str
    session_id: str
    facts: Mapping[str, Any]
    hint: str = ""
    """What the rules said about the take, for a service that coaches beside them."""
    purpose: Literal["live", "prepare"] = "live"
    """`prepare`: a text with slots for a take that is not played yet."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that one call was charged for. `input_tokens` are those that neither came from the cache nor went in."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


@dataclass(frozen=True, slots=True)
class AiReply:
    """A valid reply, cleaned; which clip it is about and how long it took is known by who asked."""

    model_id: str
    coaching_tip: str | None = None
    timing_insight: str | None = None
    exercise_hint: str | None = None
    ai_groove_score: float | None = None
    confidence: float | None = None

    @property
    def says_something(self) -> bool:
        return bool(self.coaching_tip or self.timing_insight or self.exercise_hint)


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """What relevance needs to know about a waiting reply; kept in `context/{clip_id}.json`."""

    clip_id: str
    session_id: str
    program: str
    """Kind and name, as `ztprog:salsa_minor_Dm`."""
    focus: str
    """Code of the finding that the tip is about, or `progress`."""
    bundle: str
    """Folder that the reply was asked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which waiting reply a take could use."""

    clip_id: str
    session_id: str
    program: str
    focuses: frozenset[str]
    """Codes of this take's findings, or `progress` alone."""


@dataclass(frozen=True, slots=True)
class CycleReport:
    """How one cycle ended, once its race is over and its files are durable."""

    bundle: Path
    clip_id: str
    coaching: CoachingDeterministic | None
    """None if the input was refused."""
    ai_status: AiStatus | None
    """None if nothing was new."""
    ai: AiAddendum | None = None
    ai_origin: Origin | None = None
    """Whether `ai` came live or had been prepared."""
    applied: str | None = None
    """Clip id of the earlier reply that this cycle applied."""
    hint_ms: float = 0.0
    error: str | None = None
    refused: bool = False
    """Whether files of the bundle are to blame for `error`: as long as they stay as they are, so does the error."""
