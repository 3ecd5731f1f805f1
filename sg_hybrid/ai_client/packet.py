"""What a companion service is sent about a take: the context packet. Pure.

It holds what the facts hold, and says null for what nobody measured:

    groove_metrics   tempo_stability       1 - p95 / (half a grid slot): 1 on the grid, 0 if the worst notes could as
                                           well belong to the next slot; held within 0..1
                     beat_accuracy         share of the notes on the grid
                     articulation_clarity  null, not measured
                     phrase_coherence      null, not measured
    session_stats    total_takes           null, a request knows its own take only
                     style_id              from the style catalogue, `plain` if the program's name tells no style
    timing_detail    timing_error_ms_avg   mean of the absolute errors
                     timing_error_ms_max   null: the 95th percentile is measured, and it is not the largest error
                     error_by_beat         signed mean error of each beat (late is positive), null if not measured

A grid of 8 or 16 divides the whole note, so a slot is 60,000 / bpm * 4 / grid ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sg_coach.styles import read_program_name
from sg_hybrid.models import CoachRequest


def context_packet(request: CoachRequest) -> dict[str, Any]:
    """Return the packet about the take of `request`: its two ids, enums, numbers and our own hint."""
    facts = request.facts
    return {
        "schema_id": "coach_context_packet",
        "schema_version": "v1",
        "session_id": request.session_id,
        "clip_id": request.clip_id,
        "groove_metrics": {
            "tempo_stability": _tempo_stability(facts),
            "beat_accuracy": _share(facts.get("notes_on_grid_pct")),
            "articulation_clarity": None,
            "phrase_coherence": None,
        },
        "session_stats": {
            "tempo_bpm": facts.get("bpm"),
            "bars_completed": facts.get("bars"),
            "total_takes": None,
            "style_id": _style(facts),
        },
        "timing_detail": {
            "timing_error_ms_avg": facts.get("timing_mean_ms"),
            "timing_error_ms_max": None,
            "error_by_beat": facts.get("error_by_beat_ms"),
        },
        "deterministic_hint": request.hint,
    }


def _tempo_stability(facts: Mapping[str, Any]) -> float | None:
    p95, bpm, grid = facts.get("timing_p95_ms"), facts.get("bpm"), facts.get("grid")
    if p95 is None or not bpm or not grid:
        return None
    half_slot_ms: float = 60_000 / bpm * 4 / grid / 2
    return round(min(max(1 - float(p95) / half_slot_ms, 0.0), 1.0), 3)


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 3)


def _style(facts: Mapping[str, Any]) -> str:
    program = facts.get("program")
    name = program.get("name") if isinstance(program, Mapping) else None
    return read_program_name(str(name or "")).style.name
