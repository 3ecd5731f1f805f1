"""The types of the coach: facts of a take, and the decisions made from them.

All models are immutable values. Unknown keys of a `SessionRecord` are ignored, so newer firmware can add facts; our own
output types refuse them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from .contract import COACH_CONTRACT_VERSION
from .errors import InvalidInput
from .field_types import Int, Milliseconds, NotBlank, Number, Ratio, Rfc3339, UtcText, Uuid, whole_number


class Value(BaseModel):
    """An immutable value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProgramType(StrEnum):
    """What was played over: a ztprog file, a ztex exercise, or live input."""

    ZTPROG = "ztprog"
    ZTEX = "ztex"
    LIVE = "live"


class Severity(StrEnum):
    """How much a finding weighs; FAIL before WARN before INFO."""

    INFO = "INFO"
    WARN = "WARN"
    FAIL = "FAIL"


class FindingCode(StrEnum):
    """What a finding is about. Codes are only ever added."""

    TIMING_P95_HIGH = "TIMING_P95_HIGH"
    GRID_ADHERENCE_LOW = "GRID_ADHERENCE_LOW"
    CLAVE_ALIGNMENT_LOW = "CLAVE_ALIGNMENT_LOW"
    RUNTIME_UNDERRUN = "RUNTIME_UNDERRUN"
    PANIC_USED = "PANIC_USED"
    TIMING_NOT_MEASURABLE = "TIMING_NOT_MEASURABLE"


class Focus(StrEnum):
    """The one thing to work on next; the first focus tag."""

    CLAVE_GRID = "clave_grid"
    TIMING_STABILITY = "timing_stability"
    SUBDIVISION_GRID = "subdivision_grid"
    REALTIME_TUNING = "realtime_tuning"
    REALTIME_SAFETY = "realtime_safety"
    PROGRESS = "progress"


class TakeResult(StrEnum):
    """The verdict on one take."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    STRUGGLE = "struggle"
    FAIL = "fail"


Grade = Literal["A", "B", "C", "D", "F"]
Meter = Literal["4/4", "2/4", "3/4", "5/4", "6/8", "12/8"]
Density = Literal["sparse", "medium", "dense"]
Syncopation = Literal["straight", "light", "heavy"]


class ProgramRef(BaseModel):
    """The program that was played over. `path` is relative to the player's library, if given."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: ProgramType
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    path: Annotated[str, StringConstraints(max_length=1000)] | None = None


class SessionRecord(BaseModel):
    """The facts of one take: measurements, never opinions, no raw events.

    Errors are in ms against the grid, ratios are 0..1. `error_by_beat_ms` is the signed mean error of each beat of
    the bar (late is positive), null for a beat with too few events. The last four are the take analyser's: the latency
    that it took out, the p95's standard error, whether the timing says more than random notes would (null: nobody
    looked), its file's digest. Raises pydantic.ValidationError; `session_from` gives an error that names the file.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: Uuid
    device_id: Annotated[str, StringConstraints(max_length=200)] | None = None
    started_at: Rfc3339 | None = None
    ended_at: Rfc3339 | None = None
    program: ProgramRef
    bpm: Annotated[Number, Field(gt=0)]
    meter: Meter = "4/4"
    grid: Annotated[Literal[8, 16], BeforeValidator(whole_number)] = 16
    bars: Annotated[Int, Field(ge=1)]
    timing_mean_error_ms: Milliseconds
    timing_p95_error_ms: Milliseconds
    late_events: Annotated[Int, Field(ge=0)] = 0
    total_events: Annotated[Int, Field(ge=0)]
    notes_on_grid_ratio: Ratio
    clave_hit_ratio: Ratio | None = None
    panic_used: StrictBool = False
    underrun_detected: StrictBool = False
    coach_contract: Literal["v1"] = COACH_CONTRACT_VERSION
    midi_contract: Annotated[str, StringConstraints(max_length=40)] | None = None
    error_by_beat_ms: Annotated[tuple[Number | None, ...], Field(max_length=12)] | None = None
    latency_removed_ms: Annotated[Number, Field(ge=-80, le=80)] | None = None
    timing_p95_se_ms: Milliseconds | None = None
    timing_measurable: StrictBool | None = None
    take_sha256: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)] | None = None

    @model_validator(mode="after")
    def _late_is_a_part_of_total(self) -> Self:
        if self.late_events > self.total_events:
            raise ValueError(f"late_events ({self.late_events}) is more than total_events ({self.total_events})")
        return self


class CoachFinding(Value):
    """One thing that the rules noticed. `evidence` holds the metric and the threshold that it crossed."""

    code: FindingCode
    severity: Severity
    message: NotBlank
    evidence: dict[str, Any]


class Judgement(Value):
    """What the rules say about one take. `findings` stand by weight; the first sets the focus, unless it is INFO."""

    session_id: Uuid
    score_0_100: Annotated[Int, Field(ge=0, le=100)]
    grade: Grade
    primary_focus: Focus
    findings: tuple[CoachFinding, ...]

    @property
    def focus_code(self) -> str:
        """Code of the finding that the focus comes from, or `progress` when there is none."""
        return str(self.weighty[0].code) if self.weighty else str(Focus.PROGRESS)

    @property
    def weighty(self) -> tuple[CoachFinding, ...]:
        """The findings that ask for practice: WARN and FAIL."""
        return tuple(one for one in self.findings if one.severity is not Severity.INFO)

    @property
    def unmeasured(self) -> bool:
        """Whether nothing asks for practice because something could not be measured: no reason to go on, either."""
        return bool(self.findings) and not self.weighty


class CoachEvaluation(Judgement):
    """A judgement as a document: with an id that is made from the take's facts and the rules."""

    evaluation_id: Uuid
    coach_contract: Literal["v1"] = COACH_CONTRACT_VERSION


class Decision(Value):
    """What changes in the next clip."""

    difficulty_delta: Annotated[Number, Field(ge=-0.1, le=0.1)]
    tempo_delta_bpm: Annotated[Number, Field(ge=-10, le=10)]
    density_bucket: Density
    syncopation_bucket: Syncopation


class CoachingDeterministic(Value):
    """`clip.coach.json`: the authoritative coaching of one take (contract `coaching_deterministic_v1`)."""

    schema_id: Literal["coaching_deterministic"]
    schema_version: Literal["v1"]
    session_id: Uuid
    clip_id: Annotated[str, StringConstraints(min_length=1)]
    created_at_utc: UtcText
    score: Annotated[Number, Field(ge=0, le=100)]
    take_result: TakeResult
    policy_id: Annotated[str, StringConstraints(min_length=1)]
    score_trend: Number | None = None
    decision: Decision
    coach_hint: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    rationale: str = ""


class AssignmentMode(StrEnum):
    """Whether the player is taught or examined."""

    PRACTICE = "practice"
    TEST = "test"


class AssignmentTargets(Value):
    """How to practise: tempo, length, and the windows around the grid in ms (0: the program's own)."""

    bpm_target: Annotated[Int, Field(ge=20, le=400)]
    minutes: Annotated[Int, Field(ge=1, le=120)]
    strict: StrictBool = False
    window_ms_note_on: Annotated[Int, Field(ge=0, le=200)] = 0
    window_ms_note_off: Annotated[Int, Field(ge=0, le=400)] = 0


class SuccessCriteria(Value):
    """When the assignment counts as done; all of them, a null one is not asked."""

    max_timing_p95_ms: Annotated[Number, Field(ge=0, le=500)]
    min_notes_on_grid_ratio: Ratio
    min_clave_hit_ratio: Ratio | None = None


class AssignmentProgression(Value):
    """What the instrument changes by itself after a round, in bpm and ms."""

    if_pass_bpm_delta: Annotated[Int, Field(ge=0, le=50)] = 5
    if_fail_bpm_delta: Annotated[Int, Field(ge=0, le=50)] = 5
    tighten_window_ms_on_pass: Annotated[Int, Field(ge=0, le=50)] = 5


class PracticeAssignment(Value):
    """What to practise after a take: one focus, its targets, and when it is done."""

    assignment_id: Uuid
    session_id: Uuid
    coach_contract: Literal["v1"] = COACH_CONTRACT_VERSION
    program: ProgramRef
    mode: AssignmentMode = AssignmentMode.PRACTICE
    targets: AssignmentTargets
    success: SuccessCriteria
    progression: AssignmentProgression = AssignmentProgression()
    title: NotBlank
    rationale: NotBlank
    focus_tags: Annotated[tuple[NotBlank, ...], Field(min_length=1)]


def session_from(document: object, *, source: str = "session.json") -> SessionRecord:
    """Return the SessionRecord that `document` (parsed JSON) holds.

    Raises InvalidInput naming `source`, the field and the problem.
    """
    try:
        return SessionRecord.model_validate(document)
    except ValidationError as error:
        raise first_problem(error, source) from error


def first_problem(error: ValidationError, source: str) -> InvalidInput:
    """Translate pydantic's report into one line about the first problem, without echoing large input."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    field = ".".join(str(part) for part in details[0]["loc"])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return InvalidInput(details[0]["msg"].removeprefix("Value error, ") + more, source=source, field=field)
