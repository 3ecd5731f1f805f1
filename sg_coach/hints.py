"""The words of the rule-based coach: 15 templates, one a band and trend, and the sentences about what changes.

To a teacher who edits this table: second person, calm, one thing to do. Say only what the score and its trend say;
nobody measured a cause. `up` and `down` compare with the average of this session's earlier takes; `flat` is also
said to a first take, so it compares with nothing. The sentences about tempo, density and syncopation are added after
the template. The cell (solid, up) is fixed by the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from .models import Decision

Trend = Literal["up", "flat", "down"]
TRENDS: Final[tuple[Trend, ...]] = ("up", "flat", "down")

HintTable = Mapping[str, Mapping[Trend, str]]
"""Band, then trend, to the words of that cell."""

MAX_HINT: Final = 500
"""Longest hint, in characters (contract `coaching_deterministic_v1`)."""

V1_HINTS: Final[HintTable] = {
    "excellent": {
        "up": "A clear step up, to an excellent take. Carry the same pulse into the next one.",
        "flat": "An excellent take. Keep this pulse and listen closely to where each chord lands.",
        "down": "An excellent take, though under your recent average. Settle into the pulse before your first chord.",
    },
    "solid": {
        "up": "Nice improvement. Keep the groove steady and aim for tighter chord landings.",
        "flat": "A solid take. Keep the groove going and place each chord a little more exactly.",
        "down": "A solid take, though under your recent average. Find the pulse first, then let your hands follow it.",
    },
    "stable": {
        "up": "You are moving forward. Stay with this pattern and give every beat the same calm attention.",
        "flat": "There is a base to build on. Play the pattern again and keep your ear on the pulse.",
        "down": "This one came in under your recent average. Count the beats aloud and let your hands settle on them.",
    },
    "recover": {
        "up": "You are on the way back up. Keep the part simple and let each chord meet the beat.",
        "flat": "Give yourself some room. Leave a few notes out and let the ones you play sit on the beat.",
        "down": "No hurry here. Play only the first beat of each bar until it feels settled, then add the rest.",
    },
    "reset": {
        "up": "You are climbing again. Stay with one chord a bar and let each one meet the beat.",
        "flat": "Let us begin again from the pulse. Tap a full bar with your foot before you play your first chord.",
        "down": "Let us go back to the start. Clap the beat for a few bars, and play only once it feels even.",
    },
}


def compose_hint(template: str, decision: Decision) -> str:
    """Return the words of a cell, then what changes: tempo, density, syncopation."""
    changes = f"Density: {decision.density_bucket}. Sync: {decision.syncopation_bucket}."
    return f"{template} {_tempo(decision.tempo_delta_bpm)} {changes}"


def _tempo(delta_bpm: float) -> str:
    if delta_bpm == 0:
        return "Tempo unchanged."
    return f"Tempo {'up' if delta_bpm > 0 else 'down'} by {abs(delta_bpm):g} BPM."
