"""The built-in engine: a request in, an arrangement out. The same request gives the same notes, in every process.

SG_ENGINE may name another module with a function `arrange` of the same shape, and an `ENGINE_VERSION`.
"""

from __future__ import annotations

from random import Random
from typing import Final

from .bass import bass_line
from .comping import comping
from .harmony import Span, changes_of, spans_of
from .models import TICKS_PER_BEAT, Arrangement, ClipRequest
from .styles import STYLES
from .swing import swing_ratio, swung

ENGINE_VERSION: Final = "builtin-4"
"""Changes when the same request and seed give other notes."""


def arrange(request: ClipRequest) -> Arrangement:
    """Return what is played for a request. Raises InvalidRequest naming the chord symbol or field."""
    style = STYLES[request.style_name]
    ratio = 1.0 if request.meter.endswith("/8") else swing_ratio(request.tempo_bpm, style.feel)
    spans = played_spans(request, ratio)
    return Arrangement(
        comp=comping(request, style, spans, ratio, Random(f"{request.seed} comping")),  # noqa: S311 - music, no secret
        bass=bass_line(request, style, spans, ratio, Random(f"{request.seed} bass")),  # noqa: S311
        changes=changes_of(spans),
        tempo_bpm=request.tempo_bpm,
        meter=request.meter,
        bars=request.bars,
        style=style.name,
        swing_ratio=ratio,
        comp_program=style.comp_program,
        bass_program=style.bass_program,
    )


def played_spans(request: ClipRequest, ratio: float) -> tuple[Span, ...]:
    """Return the chords of a clip where they are played: one that begins between two beats, with the swung eighths.

    Raises as `spans_of`.
    """
    spans = spans_of(request)
    if ratio == 1.0:
        return spans
    return tuple(
        Span(swung(span.start, TICKS_PER_BEAT, ratio), swung(span.end, TICKS_PER_BEAT, ratio), span.chord)
        for span in spans
    )
