"""Session records for the property tests of the coach."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from sg_coach import SessionRecord

SESSION_ID = UUID("00000000-0000-0000-0000-00000000f001")


def session(**facts: Any) -> SessionRecord:
    """A take without any finding, but for `facts`."""
    whole: dict[str, Any] = {
        "session_id": SESSION_ID,
        "program": {"kind": "ztprog", "name": "salsa_minor_Dm"},
        "bpm": 108.0,
        "bars": 8,
        "timing_mean_error_ms": 8.0,
        "timing_p95_error_ms": 20.0,
        "total_events": 124,
        "notes_on_grid_ratio": 0.95,
    }
    return SessionRecord.model_validate(whole | facts)


sessions = st.builds(
    session,
    bpm=st.floats(20, 400),
    timing_p95_error_ms=st.floats(0, 200) | st.sampled_from([35.0, 55.0]),
    notes_on_grid_ratio=st.floats(0, 1) | st.sampled_from([0.82, 0.70]),
    clave_hit_ratio=st.none() | st.floats(0, 1) | st.sampled_from([0.78, 0.65]),
    underrun_detected=st.booleans(),
    panic_used=st.booleans(),
)
"""Takes on every side of every limit."""
