"""The next clip of the same progression: easier or harder, by one signal. Pure.

    |signal|      tempo               density      syncopation
    below 0.25    10 bpm × signal     as it is     as it is
    0.25 to 0.6   10 bpm × signal     one step     as it is
    from 0.6      10 bpm × signal     one step     one step

A positive signal is harder: faster, denser, more off the beat. The steps stay within the buckets and the tempo within
30..300; ten bpm and one bucket are what the coach itself moves at most after one take. The seed moves on by one, so
that the next clip is another variation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeVar

from .errors import InvalidRequest
from .models import DENSITIES, MAX_SEED, MAX_TEMPO, MIN_TEMPO, SYNCOPATIONS, ClipRequest

MAX_TEMPO_STEP_BPM: Final = 10.0
DENSITY_FROM: Final = 0.25
SYNCOPATION_FROM: Final = 0.6

T = TypeVar("T")


def adjusted(request: ClipRequest, difficulty_signal: float) -> ClipRequest:
    """Return `request` made easier (-1) to harder (1).

    Raises InvalidRequest for a signal outside -1..1.
    """
    if not (math.isfinite(difficulty_signal) and -1 <= difficulty_signal <= 1):
        raise InvalidRequest(
            f"{difficulty_signal} cannot be used",
            field="difficulty_signal",
            remedy="give a number from -1 (easier) to 1 (harder)",
        )
    tempo = round(request.tempo_bpm + MAX_TEMPO_STEP_BPM * difficulty_signal, 1)
    return request.model_copy(
        update={
            "tempo_bpm": min(max(tempo, MIN_TEMPO), MAX_TEMPO),
            "density_bucket": _stepped(DENSITIES, request.density_bucket, difficulty_signal, DENSITY_FROM),
            "syncopation_bucket": _stepped(
                SYNCOPATIONS, request.syncopation_bucket, difficulty_signal, SYNCOPATION_FROM
            ),
            "seed": (request.seed + 1) % (MAX_SEED + 1),
        }
    )


def _stepped(ladder: Sequence[T], now: T, signal: float, least: float) -> T:
    step = (signal >= least) - (signal <= -least)
    return ladder[min(max(ladder.index(now) + step, 0), len(ladder) - 1)]
