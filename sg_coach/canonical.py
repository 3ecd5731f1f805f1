"""The canonical export: an evaluation and an assignment in the shape of the frozen golden documents. Pure.

The shape is its own (severity GREEN, YELLOW or RED, signals, recommendations, parameters), the facts and decisions are
those of `evaluate_session` and `plan_assignment`; the style catalogue adds what belongs to a style. Two exports of the
same take are equal to the byte in `canonical_text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

from .assignment_policy import PLANS, is_at_the_limit, plan_assignment
from .jsontext import to_compact_json, to_json_text
from .models import CoachEvaluation, CoachFinding, FindingCode, Focus, PracticeAssignment, SessionRecord, Severity
from .styles import ClaveDrill, NamedProgram, Style, read_program_name

CANONICAL_NAMESPACE: Final = UUID("f74b48d7-32b8-59b0-a9f7-89bdc485bd1b")
"""Namespace of the ids of exported assignments (RFC 9562, version 5, of the DNS name `canonical.sg-coach`)."""


@dataclass(frozen=True, slots=True)
class Words:
    """How the export names a finding, and what it says where a style has no words of its own."""

    code: str
    focus: str
    intent: str
    summary: str
    rationale: str


WORDS: Final = MappingProxyType(
    {
        FindingCode.TIMING_P95_HIGH: Words(
            "TIMING_DRIFT",
            "tempo_stability",
            "Steady the timing at a slower tempo.",
            "The widest timing errors are above the limit.",
            "The 95th percentile of the timing error is above the limit.",
        ),
        FindingCode.GRID_ADHERENCE_LOW: Words(
            "GRID_MISALIGNMENT",
            "subdivision_grid",
            "Place more notes on the grid before increasing tempo.",
            "Too few notes land on the grid.",
            "The share of notes on the grid is below the limit.",
        ),
        FindingCode.CLAVE_ALIGNMENT_LOW: Words(
            "CLAVE_MISALIGNMENT",
            "clave_internalization",
            "Improve clave alignment before increasing tempo.",
            "Too few clave hits are in place.",
            "The share of clave hits in place is below the limit.",
        ),
        FindingCode.RUNTIME_UNDERRUN: Words(
            "RUNTIME_UNDERRUN",
            "realtime_tuning",
            "See whether the audio holds at the same tempo.",
            "The audio ran dry at least once.",
            "An underrun was detected during the take.",
        ),
        FindingCode.PANIC_USED: Words(
            "PANIC_USED",
            "realtime_safety",
            "See whether all is well at the same tempo.",
            "Panic was used at least once.",
            "Panic was used during the take.",
        ),
    }
)
"""The export's names and plain words, in the order in which its findings stand."""

_ORDER: Final = tuple(WORDS)
_PROGRESS_INTENT: Final = "Keep the pulse at a slightly higher tempo."
_AT_THE_LIMIT: Final = MappingProxyType(
    {
        Focus.TIMING_STABILITY: "Steady the timing.",
        Focus.SUBDIVISION_GRID: "Place more notes on the grid.",
        Focus.PROGRESS: "Keep the pulse.",
    }
)
"""Intents where a limit leaves no room for what the others say of the tempo."""
_UNMEASURED_INTENT: Final = "Play the program again at the same tempo."


def canonical_text(document: object) -> str:
    """Return a document (ours or a golden one, parsed) in canonical formatting: sorted keys, indent of 2."""
    return to_json_text(document)


def canonical_evaluation(session: SessionRecord, evaluation: CoachEvaluation) -> dict[str, Any]:
    """Return the export of what the rules say about a take.

    `severity` is GREEN without findings, RED with a FAIL, else YELLOW. `findings` stand in the order of metrics, the
    one that sets the focus is `primary`; `recommendations` stand by weight, priority 1 first.
    INFO findings are not exported.
    """
    style = read_program_name(session.program.name).style
    by_metric = sorted(evaluation.weighty, key=lambda finding: _ORDER.index(finding.code))
    primary = evaluation.weighty[0] if evaluation.weighty else None
    return {
        "session_id": str(session.session_id),
        "coach_contract": evaluation.coach_contract,
        "severity": _severity(evaluation),
        "signals": _signals(session, style),
        "findings": [_finding(finding, session, style, primary=finding is primary) for finding in by_metric],
        "recommendations": [
            _recommendation(finding, style, priority) for priority, finding in enumerate(evaluation.weighty, start=1)
        ],
    }


def canonical_assignment(
    session: SessionRecord, evaluation: CoachEvaluation, *, assignment_id: UUID | None = None
) -> dict[str, Any]:
    """Return the export of what to practise next.

    A style's drill answers a clave focus; anything else is the planned assignment on the same program. Without
    `assignment_id` the id is a UUIDv5 of the document's own content and of the evaluation's id.
    """
    plan = plan_assignment(session=session, eval=evaluation)
    named = read_program_name(session.program.name)
    drill = named.style.clave if evaluation.primary_focus is Focus.CLAVE_GRID else None
    document = {
        "coach_contract": evaluation.coach_contract,
        "intent": _intent(session, evaluation, plan),
        **(_drill(session, named, drill) if drill else _planned(session, named, plan)),
        "failure_policy": {"on_panic": "abort", "on_underrun": "restart"},
        "next_if_success": {
            "action": "advance",
            "program": session.program.name,
            "bpm_delta": named.style.next_bpm_delta,
        },
        "next_if_failure": {"action": "repeat", "hint": f"Listen to {named.style.listen_to}—don’t chase the comp."},
    }
    return {"assignment_id": str(assignment_id or _id(document, evaluation)), **document}


def _intent(session: SessionRecord, evaluation: CoachEvaluation, plan: PracticeAssignment) -> str:
    if evaluation.unmeasured:
        return _UNMEASURED_INTENT
    focus = evaluation.primary_focus
    if is_at_the_limit(PLANS[focus], session.bpm, plan.targets.bpm_target):
        return _AT_THE_LIMIT[focus]
    return WORDS[evaluation.weighty[0].code].intent if evaluation.weighty else _PROGRESS_INTENT


def _id(document: dict[str, Any], evaluation: CoachEvaluation) -> UUID:
    inputs = {"assignment": document, "evaluation_id": str(evaluation.evaluation_id)}
    return uuid5(CANONICAL_NAMESPACE, to_compact_json(inputs))


def _severity(evaluation: CoachEvaluation) -> str:
    severities = {finding.severity for finding in evaluation.findings}
    return "RED" if Severity.FAIL in severities else "YELLOW" if Severity.WARN in severities else "GREEN"


def _signals(session: SessionRecord, style: Style) -> dict[str, Any]:
    return {
        "timing": {
            "mean_error_ms": session.timing_mean_error_ms,
            "p95_error_ms": session.timing_p95_error_ms,
            "late_events": session.late_events,
            "notes_on_grid_ratio": session.notes_on_grid_ratio,
        },
        "clave": {
            "clave_hit_ratio": session.clave_hit_ratio,
            "expected_min_ratio": style.clave.expected_min_ratio if style.clave else None,
        },
        "stability": {"panic_used": session.panic_used, "underrun_detected": session.underrun_detected},
    }


def _evidence(code: FindingCode, session: SessionRecord) -> dict[str, Any]:
    if code is FindingCode.TIMING_P95_HIGH:
        return {"p95_error_ms": session.timing_p95_error_ms, "late_events": session.late_events}
    if code is FindingCode.GRID_ADHERENCE_LOW:
        return {"notes_on_grid_ratio": session.notes_on_grid_ratio}
    if code is FindingCode.CLAVE_ALIGNMENT_LOW:
        return {"clave_hit_ratio": session.clave_hit_ratio}
    return {"underrun_detected": True} if code is FindingCode.RUNTIME_UNDERRUN else {"panic_used": True}


def _finding(finding: CoachFinding, session: SessionRecord, style: Style, *, primary: bool) -> dict[str, Any]:
    words = WORDS[finding.code]
    return {
        "code": words.code,
        "severity": "primary" if primary else "secondary",
        "summary": style.words.get(words.code, (words.summary, ""))[0],
        "evidence": _evidence(finding.code, session),
    }


def _recommendation(finding: CoachFinding, style: Style, priority: int) -> dict[str, Any]:
    words = WORDS[finding.code]
    rationale = style.words.get(words.code, ("", words.rationale))[1]
    return {"focus": words.focus, "priority": priority, "rationale": rationale}


def _drill(session: SessionRecord, named: NamedProgram, drill: ClaveDrill) -> dict[str, Any]:
    program = f"{drill.program}_{named.key}" if named.key else drill.program
    bpm = round(max(20.0, min(400.0, session.bpm * drill.tempo_factor)))
    return {
        "title": f"{drill.title} ({named.label})",
        "program": {"kind": "ztprog", "name": program},
        "parameters": _parameters(session, bpm=bpm, strict=True, late_drop_ms=drill.window_ms),
        "success_criteria": _success(drill.success_p95_ms, clave=drill.success_ratio),
    }


def _planned(session: SessionRecord, named: NamedProgram, plan: PracticeAssignment) -> dict[str, Any]:
    targets = plan.targets
    return {
        "title": f"{plan.title} ({named.label})",
        "program": {"kind": str(plan.program.kind), "name": plan.program.name},
        "parameters": _parameters(
            session, bpm=targets.bpm_target, strict=targets.strict, late_drop_ms=targets.window_ms_note_on
        ),
        "success_criteria": _success(
            plan.success.max_timing_p95_ms,
            clave=plan.success.min_clave_hit_ratio,
            on_grid=plan.success.min_notes_on_grid_ratio,
        ),
    }


def _parameters(session: SessionRecord, *, bpm: int, strict: bool, late_drop_ms: int) -> dict[str, Any]:
    return {
        "bpm": bpm,
        "bars": session.bars,
        "loop": True,
        "strict": strict,
        "late_drop_ms": late_drop_ms,
        "ghost_hits": False,
    }


def _success(p95_ms: float, *, clave: float | None = None, on_grid: float | None = None) -> dict[str, Any]:
    criteria: dict[str, Any] = {"timing_p95_error_ms": {"max": p95_ms}}
    if on_grid is not None:
        criteria["notes_on_grid_ratio"] = {"min": on_grid}
    if clave is not None:
        criteria["clave_hit_ratio"] = {"min": clave}
    return criteria
