"""What the API answers; the OpenAPI document is made from these.

Every answer has `status`. Fields are only ever added.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sg_coach.models import CoachingDeterministic, Meter


class Value(BaseModel):
    """An immutable value."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Failed(Value):
    """Every error, with HTTP 200."""

    status: Literal["failed"] = "failed"
    error_code: str
    error_message: str


class Ok(Value):
    """It was done."""

    status: Literal["ok"] = "ok"


class Engine(Value):
    """The module that makes the music."""

    name: str
    available: bool


class Worker(Value):
    """The worker on this queue."""

    alive: bool
    pid: int | None
    since_utc: str | None


class Ai(Value):
    """Whether the worker may ask the AI, as far as this process can know it."""

    enabled: bool
    mode: Literal["on", "off", "auto"]
    why: str


class Status(Ok):
    """How things stand."""

    version: str
    engine: Engine
    worker: Worker
    ai: Ai
    queue: dict[str, int]
    bundle_root: str


class Adjustments(Value):
    """What is different from the parent: beats a minute, bucket names, difficulty -1..1."""

    tempo: float
    density: str
    syncopation: str
    difficulty: float


class Generated(Value):
    """A clip was made. `partial`: it is there, and something beside it failed, which `error_message` tells."""

    status: Literal["ok", "partial"] = "ok"
    clip_id: str
    bundle_dir: str
    session_id: str | None = None
    request: dict[str, Any]
    parent_clip_id: str | None = None
    adjustments: Adjustments | None = None
    error_message: str | None = None


class SuggestedAdjustment(Value):
    """Steps between the buckets for the next clip (-2..2), and what to tell the player."""

    density_delta: Annotated[int, Field(ge=-2, le=2)]
    syncopation_delta: Annotated[int, Field(ge=-2, le=2)]
    coach_hint: str


class TakeFacts(Value):
    """What was measured of the take (from `session.json`), and its score once there is one."""

    session_id: str
    score: float | None = None
    bpm: float
    meter: Meter
    bars: int
    total_events: int
    late_events: int
    timing_mean_error_ms: float
    timing_p95_error_ms: float
    notes_on_grid_ratio: float
    clave_hit_ratio: float | None = None
    error_by_beat_ms: tuple[float | None, ...] | None = None
    latency_removed_ms: float | None = None
    timing_measurable: bool | None = None


class Envelope(Value):
    """`coaching_envelope_v1`: both coachings in one object."""

    schema_id: Literal["coaching_envelope"] = "coaching_envelope"
    schema_version: Literal["v1"] = "v1"
    source: Literal["deterministic", "hybrid"]
    deterministic: CoachingDeterministic
    ai: dict[str, Any] | None = Field(None, description="coaching_ai_addendum_v1")
    ai_request_status: Literal["not_requested", "success", "timeout", "error", "disabled"] | None = None
    total_latency_ms: int | None = None


CoachingState = Literal["no_take", "waiting", "coached", "refused"]


class Coaching(Ok):
    """What the coach says about the take in a bundle, as it stands now."""

    clip_id: str
    state: CoachingState
    envelope: Envelope | None = None
    origin: Literal["live", "prepared"] | None = None
    queued: dict[str, Any] | None = Field(None, description="coaching_ai_addendum_v1 of an earlier take")
    error: dict[str, Any] | None = None
    take: TakeFacts | None = None


class FeedbackAnswer(Ok):
    """The verdict or take was taken."""

    clip_id: str
    suggested_adjustment: SuggestedAdjustment | None = None
    coaching: Coaching | None = None


class FeedbackAndRegenAnswer(Generated):
    """Both answers; `clip_id` is the new clip."""

    feedback_clip_id: str
    suggested_adjustment: SuggestedAdjustment | None = None
    coaching: Coaching | None = None


class Entries(Ok):
    """A part of a day's session index."""

    date: str
    entries: list[dict[str, Any]]
    left_out: int = Field(0, description="Older entries that the limit left out")


class StyleInfo(Value):
    """A style that can be asked for."""

    name: str
    title: str
    meters: tuple[str, ...]
    """Its own; others are played, too."""
    tempo_bpm: float
    note: str


class Styles(Ok):
    """All styles."""

    styles: list[StyleInfo]


class ProgressionInfo(Value):
    """A common form; a ready request for /generate."""

    name: str
    title: str
    style: str
    meter: Meter
    bars: int
    tempo_bpm: float
    key: str
    chords: tuple[str, ...]


class Progressions(Ok):
    """The built-in forms."""

    progressions: list[ProgressionInfo]


class SoundNote(Value):
    """A note of the clip, in seconds from its start."""

    time_s: float
    duration_s: float
    pitch: int
    velocity: int


class ChordAt(Value):
    """A chord and where it begins; bar and beat count from 1."""

    bar: int
    beat: float
    time_s: float
    symbol: str


class Notes(Ok):
    """The arrangement of a clip."""

    clip_id: str
    session_id: str | None
    created_at: str | None
    style: str | None
    key: str | None
    tempo_bpm: float
    meter: str
    bars: int
    beats_a_bar: int
    duration_s: float
    swing: float | None
    chords: list[ChordAt]
    tracks: dict[str, list[SoundNote]]


class StoryTake(Value):
    """One take of a session, oldest first."""

    clip_id: str
    timestamp: str | None
    score: float | None
    take_result: str | None
    trend: float | None
    average: float | None
    coach_hint: str | None
    program: str | None
    tempo_bpm: float | None
    style: str | None
    error_by_beat_ms: tuple[float | None, ...] | None


class StoryVerdict(Value):
    """A verdict that the player gave."""

    clip_id: str
    timestamp: str | None
    verdict: str


class StoryClip(Value):
    """A clip that was made for the session."""

    clip_id: str
    timestamp: str | None
    parent_clip_id: str | None
    style: str | None
    tempo_bpm: float | None


class Story(Ok):
    """A session: its takes, verdicts and clips."""

    session_id: str
    takes: list[StoryTake]
    verdicts: list[StoryVerdict]
    clips: list[StoryClip]
