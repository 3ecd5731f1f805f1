"""What a verdict suggests for the next clip, and the clip that follows the coach to the letter. Pure.

The coach's decision goes first: it was made from what was measured. Without one, a pass asks for one step more and a
struggle for one step less, within the buckets; the words are the coach's own for a take of that kind.
"""

from __future__ import annotations

from typing import Final, Literal

from sg_coach.hints import V1_HINTS
from sg_coach.models import CoachingDeterministic, Decision, Density, Syncopation

from .answers import SuggestedAdjustment
from .models import DENSITIES, MAX_SEED, MAX_TEMPO, MIN_TEMPO, SYNCOPATIONS, ClipRequest

Verdict = Literal["pass", "struggle"]

_STEP: Final[dict[Verdict, int]] = {"pass": 1, "struggle": -1}
_BAND: Final[dict[Verdict, str]] = {"pass": "solid", "struggle": "recover"}


def suggestion(
    verdict: Verdict | None,
    density: Density,
    syncopation: Syncopation,
    coaching: CoachingDeterministic | None,
) -> SuggestedAdjustment | None:
    """Return the steps from the clip's buckets to the next clip's; None if there is neither verdict nor coaching."""
    here = DENSITIES.index(density), SYNCOPATIONS.index(syncopation)
    if coaching is not None:
        decision = coaching.decision
        return SuggestedAdjustment(
            density_delta=DENSITIES.index(decision.density_bucket) - here[0],
            syncopation_delta=SYNCOPATIONS.index(decision.syncopation_bucket) - here[1],
            coach_hint=coaching.coach_hint,
        )
    if verdict is None:
        return None
    step = _STEP[verdict]
    return SuggestedAdjustment(
        density_delta=_held(here[0] + step, len(DENSITIES)) - here[0],
        syncopation_delta=_held(here[1] + step, len(SYNCOPATIONS)) - here[1],
        coach_hint=V1_HINTS[_BAND[verdict]]["flat"],
    )


def following(request: ClipRequest, decision: Decision) -> ClipRequest:
    """Return the next request as the coach decided it: what the player was told is what comes."""
    tempo = round(request.tempo_bpm + decision.tempo_delta_bpm, 1)
    return request.model_copy(
        update={
            "tempo_bpm": min(max(tempo, MIN_TEMPO), MAX_TEMPO),
            "density_bucket": decision.density_bucket,
            "syncopation_bucket": decision.syncopation_bucket,
            "seed": (request.seed + 1) % (MAX_SEED + 1),
        }
    )


def _held(place: int, count: int) -> int:
    return max(0, min(count - 1, place))
