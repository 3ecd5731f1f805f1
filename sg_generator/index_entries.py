"""The generator's entries of the session index. Pure.

The worker's entries (`source` coach) carry a score; these carry none, so nobody takes them for a take.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sg_coach.models import CoachingDeterministic
from sg_coach.timestamps import utc_text

from .answers import Adjustments, SuggestedAdjustment
from .clip_view import Tags
from .models import DENSITIES, SYNCOPATIONS, ClipRequest

T = TypeVar("T")


def clip_entry(
    clip_id: str, now: datetime, request: ClipRequest, changes: Adjustments, parent: str | None
) -> dict[str, Any]:
    """Return the entry of a clip that was made: no verdict, and what is different from its parent."""
    entry = {
        "clip_id": clip_id,
        "timestamp": utc_text(now),
        "verdict": None,
        "coach_hint": None,
        "adjustments": changes.model_dump(),
        "source": "regenerate" if parent else "generate",
        "session_id": request.session_id,
        "style": request.style_name,
        "tempo_bpm": request.tempo_bpm,
    }
    return entry | ({"parent_clip_id": parent} if parent else {})


def verdict_entry(
    clip_id: str,
    now: datetime,
    verdict: str,
    tags: Tags,
    suggested: SuggestedAdjustment,
    coaching: CoachingDeterministic | None,
) -> dict[str, Any]:
    """Return the entry of a verdict: the player's word, and what it suggests.

    A clip without a session belongs to that of its take, as the take's own entry does.
    """
    return {
        "clip_id": clip_id,
        "timestamp": utc_text(now),
        "verdict": verdict,
        "coach_hint": suggested.coach_hint,
        "adjustments": {
            "density": _moved(DENSITIES, tags.density, suggested.density_delta),
            "syncopation": _moved(SYNCOPATIONS, tags.syncopation, suggested.syncopation_delta),
            "tempo": coaching.decision.tempo_delta_bpm if coaching else 0.0,
            "difficulty": coaching.decision.difficulty_delta if coaching else 0.0,
        },
        "source": "feedback",
        "session_id": tags.session_id or (str(coaching.session_id) if coaching else None),
    }


def _moved(ladder: Sequence[T], here: T, steps: int) -> T:
    return ladder[ladder.index(here) + steps]
