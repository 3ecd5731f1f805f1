"""What the API takes besides `models.ClipRequest`: takes, verdicts, the wish for a next clip.

Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from sg_coach.field_types import Int, Number

from .models import MAX_SEED

MAX_TAKE_NOTES: Final = 5000
"""Most notes of a take: more than two an instant, for as long as a clip can be."""

MAX_TAKE_S: Final = 7200.0
"""Longest take, in seconds: what the analyser measures."""

MAX_WAIT_MS: Final = 10_000


class Value(BaseModel):
    """An immutable value."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(strict=True, max_length=200)]
Verdict = Annotated[Literal["pass", "struggle"], BeforeValidator(_lower)]
Signal = Annotated[Number, Field(ge=-1, le=1)]


class TakeNote(Value):
    """A note that was played: seconds from the first beat of bar 1, MIDI pitch and velocity, length in seconds."""

    time_s: Annotated[Number, Field(ge=0, le=MAX_TAKE_S)]
    pitch: Annotated[Int, Field(ge=0, le=127)]
    velocity: Annotated[Int, Field(ge=1, le=127)] = 64
    duration_s: Annotated[Number, Field(ge=0, le=60)] = 0.1


class Take(Value):
    """What was played: notes, or a Standard MIDI File in base 64."""

    notes: Annotated[tuple[TakeNote, ...], Field(min_length=1, max_length=MAX_TAKE_NOTES)] | None = None
    midi_base64: Annotated[str, StringConstraints(strict=True, min_length=1)] | None = None


class TakeBody(Value):
    """A take of the clip that the path names, or its facts."""

    session_id: Text | None = None
    take: Take | None = None
    session: dict[str, Any] | None = Field(
        default=None, description="A SessionRecord: contracts/session_record_v1.schema.json"
    )


class FeedbackBody(TakeBody):
    """A verdict on a clip, a take of it, or both."""

    clip_id: Text
    verdict: Verdict | None = None


class RegenerateBody(Value):
    """The next clip: the parent's request, easier (-1) to harder (1).

    With `follow_coach` as the coach decided, if the parent's take has been coached.
    """

    parent_clip_id: Text
    difficulty_signal: Signal
    follow_coach: StrictBool = False
    seed: Annotated[Int, Field(ge=0, le=MAX_SEED)] | None = None


class FeedbackAndRegenBody(FeedbackBody):
    """Both at once; the parent is the clip that the verdict is about."""

    parent_clip_id: Text | None = None
    difficulty_signal: Signal
    follow_coach: StrictBool = False
    seed: Annotated[Int, Field(ge=0, le=MAX_SEED)] | None = None
