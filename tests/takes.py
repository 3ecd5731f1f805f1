"""Takes for tests: the golden one, and any that the contract allows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from sg_coach import PracticeAssignment, SessionRecord, evaluate_session, plan_assignment, session_from

from .conftest import FIXTURES

GOLDEN = FIXTURES / "golden"
GOLDEN_SESSION = GOLDEN / "golden_vector_session.json"


def golden(name: str) -> Any:
    """One of the three frozen documents: session, evaluation, assignment."""
    return json.loads((GOLDEN / f"golden_vector_{name}.json").read_text(encoding="utf-8"))


def take(**changes: Any) -> SessionRecord:
    """A clean take (no finding) with some facts changed."""
    facts = {
        "session_id": "00000000-0000-0000-0000-00000000f001",
        "program": {"kind": "ztprog", "name": "salsa_minor_Dm"},
        "bpm": 100.0,
        "bars": 8,
        "timing_mean_error_ms": 8.0,
        "timing_p95_error_ms": 20.0,
        "late_events": 1,
        "total_events": 64,
        "notes_on_grid_ratio": 0.95,
        "clave_hit_ratio": 0.90,
    }
    return session_from(facts | changes)


def assignment_of(session: SessionRecord) -> PracticeAssignment:
    return plan_assignment(session=session, eval=evaluate_session(session))


_ratios = st.floats(0, 1)
_milliseconds = st.floats(0, 1e6)
_names = st.one_of(st.sampled_from(["salsa_minor_Dm", "bossa_A", "funk", "x"]), st.text(min_size=1, max_size=200))


@st.composite
def any_take(draw: st.DrawFn) -> SessionRecord:
    """Any SessionRecord that the contract allows."""
    total = draw(st.integers(0, 10**6))
    facts = {
        "session_id": str(draw(st.uuids())),
        "program": {"kind": draw(st.sampled_from(["ztprog", "ztex", "live"])), "name": draw(_names)},
        "bpm": draw(st.floats(0, 1e9, exclude_min=True)),
        "meter": draw(st.sampled_from(["4/4", "2/4", "3/4", "5/4", "6/8", "12/8"])),
        "grid": draw(st.sampled_from([8, 16])),
        "bars": draw(st.integers(1, 10**6)),
        "timing_mean_error_ms": draw(_milliseconds),
        "timing_p95_error_ms": draw(_milliseconds),
        "late_events": draw(st.integers(0, total)),
        "total_events": total,
        "notes_on_grid_ratio": draw(_ratios),
        "clave_hit_ratio": draw(st.none() | _ratios),
        "panic_used": draw(st.booleans()),
        "underrun_detected": draw(st.booleans()),
    }
    return session_from(facts)
