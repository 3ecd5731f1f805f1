"""Tips that are ready before the take ends: nine diagnosis classes, texts with slots, the facts filled in. Pure.

A call that starts when the take ends is late. So the AI is asked while the player plays: one tip for each class that
the rules can come to. A prepared text holds no number, only named slots (`{timing_p95_ms}`); when the class is known,
the slots are filled from the measured facts: grounded by construction, in microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sg_coach.models import FindingCode, Judgement, SessionRecord

from .errors import AiRejected
from .models import AiAddendum, AiReply, CoachRequest
from .prompt import PREPARE_PROMPT_VERSION, program_label

MAX_TEMPLATE: Final = 200
"""Longest prepared text, in characters; a filled one stays far below the 300 of the contract."""

ANY: Final = "any"
"""The program of a clip whose tags name none."""

_SLOT: Final = re.compile(r"\{([a-z0-9_]+)\}")
_PERCENT: Final = re.compile(r"\{[a-z_]+_pct\} ?(?:%|percent\b|per cent\b)")
_NUMBER_WORDS: Final = re.compile(
    r"\b(?:zero|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|dozen|percent|per cent)\b",
    re.IGNORECASE,
)


class TipClass(StrEnum):
    """Everything that the rules can come to: the finding that sets the focus, with its severity."""

    CLAVE_FAIL = "clave_fail"
    CLAVE_WARN = "clave_warn"
    TIMING_FAIL = "timing_fail"
    TIMING_WARN = "timing_warn"
    GRID_FAIL = "grid_fail"
    GRID_WARN = "grid_warn"
    UNDERRUN_WARN = "underrun_warn"
    PANIC_WARN = "panic_warn"
    PROGRESS = "progress"


_PREFIX: Final[Mapping[FindingCode, str]] = {
    FindingCode.CLAVE_ALIGNMENT_LOW: "clave",
    FindingCode.TIMING_P95_HIGH: "timing",
    FindingCode.GRID_ADHERENCE_LOW: "grid",
    FindingCode.RUNTIME_UNDERRUN: "underrun",
    FindingCode.PANIC_USED: "panic",
}

SLOTS: Final[Mapping[str, Callable[[SessionRecord], float | None]]] = {
    "bpm": lambda take: take.bpm,
    "bars": lambda take: take.bars,
    "timing_p95_ms": lambda take: take.timing_p95_error_ms,
    "timing_mean_ms": lambda take: take.timing_mean_error_ms,
    "notes_on_grid_pct": lambda take: take.notes_on_grid_ratio * 100,
    "clave_hit_pct": lambda take: None if take.clave_hit_ratio is None else take.clave_hit_ratio * 100,
    "late_events": lambda take: take.late_events,
    "total_events": lambda take: take.total_events,
}
"""What a slot is filled with: rounded to a whole number, the tempo to one decimal (`92.5`)."""

_LEAST: Final[Mapping[str, int]] = {
    **dict.fromkeys(("bars", "late_events", "total_events"), 2),
    **dict.fromkeys(("timing_p95_ms", "timing_mean_ms"), 1),
}
"""Below it a slot is not filled: `1 notes` is no English, and `within 0 ms` is not true of 0.4."""

_TIMING: Final = ("timing_p95_ms", "timing_mean_ms", "late_events", "total_events", "bpm", "bars")
_GRID: Final = ("notes_on_grid_pct", "total_events", "bpm", "bars")
_CLAVE: Final = ("clave_hit_pct", "bpm", "bars")
SLOTS_OF: Final[Mapping[TipClass, tuple[str, ...]]] = {
    TipClass.CLAVE_FAIL: _CLAVE,
    TipClass.CLAVE_WARN: _CLAVE,
    TipClass.TIMING_FAIL: _TIMING,
    TipClass.TIMING_WARN: _TIMING,
    TipClass.GRID_FAIL: _GRID,
    TipClass.GRID_WARN: _GRID,
    TipClass.UNDERRUN_WARN: ("bpm", "bars"),
    TipClass.PANIC_WARN: ("bpm", "bars"),
    TipClass.PROGRESS: ("timing_p95_ms", "notes_on_grid_pct", "bpm", "bars"),
}
"""The slots that a class's texts may use: what is always measured when the class is met."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is known of a clip before it is played: closed values from its tags."""

    program: str
    style: str
    meter: str
    tempo_bpm: float | None


@dataclass(frozen=True, slots=True)
class TipKey:
    """What a prepared tip is for. Another prompt version or model is another tip."""

    program: str
    tip_class: TipClass
    prompt_version: str
    model: str


@dataclass(frozen=True, slots=True)
class PreparedTip:
    """Texts with slots for one class, and where they came from. Each text is shown once; the first is next."""

    key: TipKey
    texts: tuple[str, ...]
    model_id: str
    prepared_at_utc: str

    def without_first(self) -> PreparedTip:
        return replace(self, texts=self.texts[1:])


def class_of(evaluation: Judgement) -> TipClass | None:
    """Return the diagnosis class of a take; None if something could not be measured: no prepared text says that."""
    if not evaluation.findings:
        return TipClass.PROGRESS
    if len(evaluation.weighty) < len(evaluation.findings):
        return None
    first = evaluation.findings[0]
    return TipClass(f"{_PREFIX[first.code]}_{first.severity.lower()}")


def clip_from(tags: Mapping[str, Any]) -> Clip:
    """Return what a clip's tags say about it; what they do not say, or say in another form, is left open."""
    program, style = tags.get("program"), tags.get("style")
    if isinstance(program, Mapping):
        program = program.get("name")
    style = program_label(style) if isinstance(style, str) else ""
    tempo, meter = tags.get("tempo_bpm"), tags.get("meter")
    return Clip(
        program=program_label(program) if isinstance(program, str) else style or ANY,
        style=style or ANY,
        meter=meter if isinstance(meter, str) and re.fullmatch(r"\d{1,2}/\d{1,2}", meter) else "4/4",
        tempo_bpm=float(tempo) if isinstance(tempo, int | float) and 20 <= tempo <= 400 else None,
    )


def key_for(clip: Clip, tip_class: TipClass, model: str) -> TipKey:
    """Return the key of a clip's tip. What is said about the set-up is the same for every program."""
    program = ANY if tip_class in (TipClass.UNDERRUN_WARN, TipClass.PANIC_WARN) else clip.program
    return TipKey(program, tip_class, PREPARE_PROMPT_VERSION, model)


def prepare_request(clip: Clip, tip_class: TipClass) -> CoachRequest:
    """Return what is asked for one class. The same closed values and numbers as in a live call; no ids."""
    facts: dict[str, Any] = {
        "diagnosis": str(tip_class),
        "program": clip.program,
        "style": clip.style,
        "meter": clip.meter,
        "tempo_bpm": clip.tempo_bpm,
        "slots": [f"{{{name}}}" for name in SLOTS_OF[tip_class]],
    }
    return CoachRequest(f"prepare {tip_class}", "prepare", facts, purpose="prepare")


def check_template(text: str, slots: tuple[str, ...]) -> str:
    """Return `text` if it may be kept: no number in digits or words, only these slots, short enough.

    Raises AiRejected saying what is wrong.
    """
    unknown = next((name for name in _SLOT.findall(text) if name not in slots), None)
    if unknown is not None:
        raise AiRejected(f"a prepared tip uses the slot {{{unknown[:40]}}}, which its class does not have")
    rest = _SLOT.sub("", _PERCENT.sub("", text))
    if "{" in rest or "}" in rest:
        raise AiRejected("a prepared tip holds a brace that is no slot")
    if any(character.isnumeric() for character in rest) or "%" in rest or _NUMBER_WORDS.search(rest):
        raise AiRejected("a prepared tip holds a number of its own")
    if len(text) > MAX_TEMPLATE:
        raise AiRejected(f"a prepared tip of {len(text)} characters; the limit is {MAX_TEMPLATE}")
    return text


def fill(text: str, take: SessionRecord) -> str | None:
    """Return `text` with its slots filled from the facts; None if one was not measured or is too small to be said."""
    filled = {name: _written(name, take) for name in _SLOT.findall(text)}
    return None if None in filled.values() else _SLOT.sub(lambda match: str(filled[match[1]]), text)


def _written(name: str, take: SessionRecord) -> str | None:
    value = SLOTS[name](take)
    if value is None or round(value) < _LEAST.get(name, 0):
        return None
    return f"{round(value, 1):g}" if name == "bpm" else str(round(value))


def tip_from(reply: AiReply, key: TipKey, now_utc: str) -> PreparedTip:
    """Return what a reply gives for its class: each of its texts that may be kept. Raises AiRejected if none may."""
    slots, kept, refused = SLOTS_OF[key.tip_class], list[str](), AiRejected("the reply holds no text")
    for text in (reply.coaching_tip, reply.exercise_hint, reply.timing_insight):
        if text and text not in kept:
            try:
                kept.append(check_template(text, slots))
            except AiRejected as error:
                refused = error
    if not kept:
        raise refused
    return PreparedTip(key, tuple(kept), reply.model_id, now_utc)


def addendum_from_tip(tip: PreparedTip, take: SessionRecord, *, clip_id: str, latency_ms: int) -> AiAddendum | None:
    """Return the addendum that the next prepared text becomes for a take; None if a slot cannot be filled."""
    text = fill(tip.texts[0], take)
    if text is None:
        return None
    return AiAddendum(
        schema_id="coaching_ai_addendum",
        schema_version="v1",
        clip_id=clip_id,
        ai_available=True,
        ai_latency_ms=max(latency_ms, 0),
        model_id=tip.model_id,
        coaching_tip=text,
    )
