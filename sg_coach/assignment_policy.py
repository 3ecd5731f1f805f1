"""From an evaluation to a practice assignment: a table, one row a focus. Pure.

Source of every figure: the coaching contract v1 (assignment table).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid5

from .errors import InvalidInput
from .jsontext import to_compact_json
from .models import (
    AssignmentTargets,
    CoachEvaluation,
    Focus,
    PracticeAssignment,
    ProgramRef,
    ProgramType,
    SessionRecord,
    SuccessCriteria,
)

ASSIGNMENT_NAMESPACE: Final = UUID("7e4a3280-1464-568a-afb2-72bc09143568")
"""Namespace of assignment ids (RFC 9562, version 5, of the DNS name `assignment.sg-coach`)."""

BPM_LIMITS: Final = (20, 400)
P95_FACTOR: Final = 0.85
P95_LIMITS_MS: Final = (25.0, 45.0)
GRID_STEP: Final = 0.05
GRID_LIMITS: Final = (0.80, 0.92)


@dataclass(frozen=True, slots=True)
class Plan:
    """One row: tempo as a factor of what was played, then a step in bpm, never below `least_bpm`; windows in ms.

    `at_the_limit` is the rationale where a limit of the tempo leaves no room for what `rationale` says of it.
    """

    title: str
    rationale: str
    minutes: int
    bpm_factor: float = 1.0
    bpm_step: int = 0
    least_bpm: int = BPM_LIMITS[0]
    strict: bool = False
    window_ms_note_on: int = 0
    window_ms_note_off: int = 0
    min_clave_hit_ratio: float | None = None
    on_a_ztprog: bool = False
    second_tag: str | None = None
    at_the_limit: str = ""


PLANS: Final = MappingProxyType(
    {
        Focus.CLAVE_GRID: Plan(
            title="Clave Lock Practice",
            rationale="Your hits on the clave are the first thing to lock in, at the tempo that you played.",
            minutes=8,
            strict=True,
            window_ms_note_on=40,
            window_ms_note_off=90,
            min_clave_hit_ratio=0.82,
            on_a_ztprog=True,
        ),
        Focus.TIMING_STABILITY: Plan(
            title="Timing Stability Practice",
            rationale="Your widest timing errors are the first thing to bring in, at a slower tempo.",
            minutes=7,
            bpm_factor=0.90,
            least_bpm=50,
            at_the_limit="Your widest timing errors are the first thing to bring in.",
        ),
        Focus.SUBDIVISION_GRID: Plan(
            title="Subdivision Grid Practice",
            rationale="Placing more of your notes on the grid is the next step, at a slightly slower tempo.",
            minutes=7,
            bpm_factor=0.92,
            least_bpm=50,
            at_the_limit="Placing more of your notes on the grid is the next step.",
        ),
        Focus.REALTIME_TUNING: Plan(
            title="Realtime Stability Check",
            rationale="The audio ran dry during your take, so a short round at the same tempo shows whether it holds.",
            minutes=4,
            second_tag="ops",
        ),
        Focus.REALTIME_SAFETY: Plan(
            title="Safety / Panic Review",
            rationale="Panic was used during your take, so a short round at the same tempo shows whether all is well.",
            minutes=4,
            second_tag="ops",
        ),
        Focus.PROGRESS: Plan(
            title="Progress Round",
            rationale="Nothing stood in your way, so the same program goes a little faster.",
            minutes=6,
            bpm_step=5,
            at_the_limit="Nothing stood in your way, so the same program comes again.",
        ),
    }
)
"""What each focus asks for."""

UNMEASURED: Final = Plan(
    title="Progress Round",
    rationale="Your timing could not be measured, so the same program comes again at the same tempo.",
    minutes=6,
)
"""What `progress` asks for where nothing was found because there was nothing to measure."""


def plan_assignment(*, session: SessionRecord, eval: CoachEvaluation) -> PracticeAssignment:
    """Return what to practise after `session`, by the focus of its evaluation `eval`.

    The id is a UUIDv5 of the assignment's own content and of the evaluation's id: the same input gives the same
    assignment to the byte. Raises InvalidInput if `eval` is about another session.
    """
    if eval.session_id != session.session_id:
        raise InvalidInput(
            f"the evaluation is about session {eval.session_id}, not {session.session_id}",
            field="session_id",
            remedy="evaluate this session first",
        )
    plan = UNMEASURED if eval.unmeasured else PLANS[eval.primary_focus]
    targets = _targets(session.bpm, plan)
    draft = PracticeAssignment(
        assignment_id=ASSIGNMENT_NAMESPACE,
        session_id=session.session_id,
        program=_program(session.program, plan),
        targets=targets,
        success=_success(session, plan),
        title=plan.title,
        rationale=plan.at_the_limit if is_at_the_limit(plan, session.bpm, targets.bpm_target) else plan.rationale,
        focus_tags=tuple(tag for tag in (str(eval.primary_focus), plan.second_tag) if tag),
    )
    return draft.model_copy(update={"assignment_id": _assignment_id(draft, eval)})


def is_at_the_limit(plan: Plan, played_bpm: float, target_bpm: int) -> bool:
    """Whether a limit makes the tempo no slower, or no faster, where the plan is to change it so."""
    slower, faster = plan.bpm_factor < 1, plan.bpm_step > 0
    return (slower and target_bpm >= played_bpm) or (faster and target_bpm <= played_bpm)


def _assignment_id(draft: PracticeAssignment, evaluation: CoachEvaluation) -> UUID:
    content = draft.model_dump(mode="json", exclude={"assignment_id"})
    inputs = {"assignment": content, "evaluation_id": str(evaluation.evaluation_id)}
    return uuid5(ASSIGNMENT_NAMESPACE, to_compact_json(inputs))


def _program(played: ProgramRef, plan: Plan) -> ProgramRef:
    """The same program; a drill on a grid needs one that the instrument can play (a ztex stays a ztex)."""
    if plan.on_a_ztprog and played.kind is not ProgramType.ZTEX:
        return played.model_copy(update={"kind": ProgramType.ZTPROG})
    return played


def _targets(bpm: float, plan: Plan) -> AssignmentTargets:
    asked = max(plan.least_bpm, round(_held(bpm * plan.bpm_factor, (0, 1000))) + plan.bpm_step)
    return AssignmentTargets(
        bpm_target=int(_held(asked, BPM_LIMITS)),
        minutes=plan.minutes,
        strict=plan.strict,
        window_ms_note_on=plan.window_ms_note_on,
        window_ms_note_off=plan.window_ms_note_off,
    )


def _success(session: SessionRecord, plan: Plan) -> SuccessCriteria:
    p95 = _held(session.timing_p95_error_ms * P95_FACTOR, P95_LIMITS_MS)
    on_grid = _held(session.notes_on_grid_ratio + GRID_STEP, GRID_LIMITS)
    return SuccessCriteria(
        max_timing_p95_ms=round(p95, 3),
        min_notes_on_grid_ratio=round(on_grid, 4),
        min_clave_hit_ratio=plan.min_clave_hit_ratio,
    )


def _held(value: float, limits: tuple[float, float]) -> float:
    lowest, highest = limits
    return max(lowest, min(highest, value))
