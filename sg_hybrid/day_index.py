"""What a day's `session.index.json` says of its sessions, and the entry of a take. Reading blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.models import CoachingDeterministic, TakeResult
from sg_coach.progression import Standing
from sg_coach.session_index import is_day_name, read_entries

from .models import Take, program_key

Standings = dict[tuple[str, str], Standing]
"""Where the sessions stand, by session id and program."""

_log = structlog.get_logger(__name__)


def later(one: Path, other: Path) -> Path:
    """Return the folder of the later day; the first if they are the same day, or one is no day's."""
    are_days = is_day_name(one.name) and is_day_name(other.name)
    return other if are_days and other.name > one.name else one


def entries_of(folder: Path) -> list[dict[str, Any]] | None:
    """Return an index's entries; None if it is broken or no plain file, so that a new one will be begun.

    Raises OSError if it cannot be read, also not again.
    """
    try:
        try:
            return read_entries(folder)
        except OSError:
            return read_entries(folder)
    except (InvalidInput, UnsafePath) as error:
        _log.warning("session_index_unreadable", folder=str(folder), error=str(error))
        return None


def follow(
    entries: Sequence[dict[str, Any]], before: Mapping[tuple[str, str], Standing]
) -> tuple[dict[tuple[str, str], Standing | None], Standings]:
    """Follow the sessions through an index; return where each stood before each take, and after its last one here.

    `before` is where they stood before this day. Entries of others (verdicts, older files) carry no average and are
    passed over.
    """
    takes: dict[tuple[str, str], Standing | None] = {}
    ends: Standings = {}
    for entry in entries:
        if "score_ema" in entry:
            session = str(entry.get("session_id")), str(entry.get("program"))
            takes[str(entry.get("clip_id")), str(entry.get("input_sha256"))] = ends.get(session, before.get(session))
            if (after := _standing(entry)) is not None:
                ends[session] = after
    return takes, ends


def _standing(entry: Mapping[str, Any]) -> Standing | None:
    """What an entry says of its session; None while no take of it could be measured."""
    average, se = entry.get("score_ema"), entry.get("score_ema_se")
    if not isinstance(average, int | float):
        return None
    return Standing(float(average), float(se) if isinstance(se, int | float) else 0.0)


def index_entry(take: Take, coaching: CoachingDeterministic, after: Standing | None) -> dict[str, Any]:
    """Return the session index entry of one take."""
    decision = coaching.decision
    return {
        "clip_id": take.clip_id,
        "timestamp": coaching.created_at_utc,
        "verdict": "pass" if coaching.take_result is TakeResult.PASS else "struggle",
        "coach_hint": coaching.coach_hint,
        "adjustments": {
            "density": decision.density_bucket,
            "syncopation": decision.syncopation_bucket,
            "tempo": decision.tempo_delta_bpm,
            "difficulty": decision.difficulty_delta,
        },
        "source": "coach",
        "session_id": str(take.session.session_id),
        "program": program_key(take.session),
        "score": coaching.score,
        "take_result": str(coaching.take_result),
        "input_sha256": take.take_id,
        "score_ema": after.average if after else None,
        **({"score_ema_se": after.se} if after and after.se else {}),
    }
