"""What the simulated coach says: sentences per focus, with numbers that stand in the facts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sg_coach.models import Focus


@dataclass(frozen=True, slots=True)
class _Lines:
    tips: tuple[str, ...]
    insights: tuple[str, ...]
    exercises: tuple[str, ...]


_LINES: Final[Mapping[str, _Lines]] = {
    Focus.CLAVE_GRID: _Lines(
        (
            "Clap the clave for two bars before you play, then let your chords answer it.",
            "Drop every stroke that is not on the clave for one round, then add the others back one by one.",
            "Sing the clave under your breath and let only those strokes ring.",
        ),
        ("{clave_hit_pct} percent of your strokes met the clave.",),
        ("Mute the strings and play the bare clave for four bars, then open the chords.",),
    ),
    Focus.TIMING_STABILITY: _Lines(
        (
            "Loop two bars and place every chord on the click before you add the fills.",
            "Keep the picking hand moving through the rests, so that every stroke has its place.",
            "Choose one chord a bar for a round and hear it land with the click.",
        ),
        (
            "Your widest notes lie {timing_p95_ms} ms from the grid; the average one {timing_mean_ms} ms.",
            "{late_events} of {total_events} notes came late.",
        ),
        ("Let the click sound only once a bar and keep the pulse in between yourself.",),
    ),
    Focus.SUBDIVISION_GRID: _Lines(
        (
            "Count the subdivisions aloud and let every stroke land on one of them.",
            "Tap the subdivisions with your foot for two bars, then play into that tapping.",
            "Play the figure on one muted string first, until every stroke has its own count.",
        ),
        ("{notes_on_grid_pct} percent of your notes sit on the grid.",),
        ("Play one bar of even strokes and one bar of the figure, in turn, without stopping.",),
    ),
    Focus.REALTIME_TUNING: _Lines(
        (
            "Close other programs and raise the audio buffer one step.",
            "Play the same clip once more as a check, since the audio engine stumbled in this take.",
        ),
        (),
        ("Play a few bars of quiet chords and check that the sound never breaks off.",),
    ),
    Focus.REALTIME_SAFETY: _Lines(
        (
            "Check the set-up, since the panic button was pressed in this take.",
            "Play a few easy bars, to hear that every note ends as it should.",
        ),
        (),
        ("Play single notes over the whole neck and hear that each one stops.",),
    ),
    Focus.PROGRESS: _Lines(
        (
            "Play the last bars lighter and keep the pulse there.",
            "Add one accent a bar and leave everything else as it is.",
            "Begin the clip quietly and let it grow towards the end.",
        ),
        ("{notes_on_grid_pct} percent of your notes sit on the grid.",),
        ("Leave out half of the notes for one round, and keep the groove.",),
    ),
}


def reply_for(facts: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """Return the fields of a reply about `facts`, in the order of the reply schema. `number` varies the words."""
    if "diagnosis" in facts:
        return prepared_for(facts, number)
    lines = _LINES.get(str(facts.get("focus")), _LINES[Focus.PROGRESS])
    score = facts.get("score")
    return {
        "coaching_tip": lines.tips[number % len(lines.tips)],
        "timing_insight": _filled(lines.insights, facts, number),
        "exercise_hint": lines.exercises[number % len(lines.exercises)],
        "confidence": 0.8,
        "ai_groove_score": score if isinstance(score, int) and 0 <= score <= 100 else None,
    }


_FEWEST_LATE: Final = 2
_FOCUS_OF: Final[Mapping[str, str]] = {
    "clave": Focus.CLAVE_GRID,
    "timing": Focus.TIMING_STABILITY,
    "grid": Focus.SUBDIVISION_GRID,
    "underrun": Focus.REALTIME_TUNING,
    "panic": Focus.REALTIME_SAFETY,
}
_OPENINGS: Final = ("", "In the next take, ", "Next time, ", "Now ", "Calmly now, ")
_SET_UP_OPENINGS: Final = ("", "First, ", "Before anything else, ", "Now ", "Calmly now, ")
"""Every tip and exercise is an order, so that it may stand after any opening."""


def prepared_for(facts: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """Return the fields of a reply that prepares tips: texts with the slots that `facts` offer, and no numbers."""
    focus = _FOCUS_OF.get(str(facts.get("diagnosis")).partition("_")[0], Focus.PROGRESS)
    lines, set_up = _LINES[focus], focus in (Focus.REALTIME_TUNING, Focus.REALTIME_SAFETY)
    opening = (_SET_UP_OPENINGS if set_up else _OPENINGS)[number % len(_OPENINGS)]
    other_tip = lines.tips[number % len(lines.tips) - 1]
    insights = [line for line in lines.insights if all(slot in facts["slots"] for slot in _slots_in(line))]
    return {
        "coaching_tip": _opened(opening, lines.tips[number % len(lines.tips)]),
        "timing_insight": f"{insights[number % len(insights)]} {other_tip}" if insights else _opened("Now ", other_tip),
        "exercise_hint": _opened(opening, lines.exercises[number % len(lines.exercises)]),
    }


def _opened(opening: str, line: str) -> str:
    return opening + line[0].lower() + line[1:] if opening else line


def _slots_in(line: str) -> list[str]:
    return re.findall(r"\{[a-z0-9_]+\}", line)


def _filled(lines: tuple[str, ...], facts: Mapping[str, Any], number: int) -> str | None:
    """Return one of the lines whose slots are all numbers in the facts, filled; None if there is none."""
    known = {name: value for name, value in facts.items() if isinstance(value, int | float)}
    if known.get("late_events", 0) < _FEWEST_LATE:
        known.pop("late_events", None)  # no `0 of 53 notes came late`
    if facts.get("timing_measurable") is False:
        return None
    usable = [filled for line in lines if (filled := _fill(line, known)) is not None]
    return usable[number % len(usable)] if usable else None


def _fill(line: str, known: Mapping[str, Any]) -> str | None:
    try:
        return line.format_map(known)
    except KeyError:
        return None
