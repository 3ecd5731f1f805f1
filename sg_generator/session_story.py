"""The story of a session, from the session indexes and the bundles that they name. Blocking; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import structlog

from sg_coach.contract import SESSION_FILE, TAGS_FILE
from sg_coach.documents import document_or_none
from sg_coach.errors import CoachError
from sg_coach.field_types import is_clip_id
from sg_coach.files import Folder
from sg_coach.plainfile import is_folder
from sg_coach.session_index import read_entries

from .answers import Story, StoryClip, StoryTake, StoryVerdict
from .documents import document_and_digest
from .library import Library, Told, bundle_in, in_order

MAX_DAYS: Final = 60
MAX_EACH: Final = 200
"""So many takes, verdicts and clips are told, the newest ones."""

_SCANNED: Final = 5 * MAX_EACH

_log = structlog.get_logger(__name__)
Entry = dict[str, Any]


def story_of(session_id: str, library: Library) -> Story:
    """Return what is known of a session, oldest first; empty lists for one that nobody heard of. Raises OSError.

    An index that is broken, or no plain file, is logged and left out: the other days' story stays.
    """
    found = _entries_of(session_id, library)
    verdicts = [entry for _, entry in found if entry.get("source") == "feedback" and _text(entry.get("verdict"))]
    clips = [entry for _, entry in found if entry.get("source") in ("generate", "regenerate")]
    return Story(
        session_id=session_id,
        takes=_takes(found)[-MAX_EACH:],
        verdicts=[_verdict(entry) for entry in verdicts[-MAX_EACH:]],
        clips=[_clip(entry) for entry in clips[-MAX_EACH:]],
    )


def _entries_of(session_id: str, library: Library) -> list[Told]:
    """The session's entries with their indexes' folders, oldest first; of a very long session the newest."""
    found = list[Told]()
    for _, days in groupby(library.days(MAX_DAYS), key=lambda day: day.name):
        found = in_order(_told_in(day, session_id) for day in days) + found
        if len(found) > _SCANNED:
            break
    return in_order([found, *(_told_in(root, session_id) for root in library.roots if is_folder(root))])


def _told_in(folder: Path, session_id: str) -> list[Told]:
    try:
        entries = read_entries(folder)
    except CoachError as error:
        _log.warning("session_index_unreadable", folder=str(folder), error=str(error))
        return []
    wanted = session_id.lower()
    return [(folder, entry) for entry in entries if str(entry.get("session_id", "")).lower() == wanted]


def _takes(found: list[Told]) -> list[StoryTake]:
    scored = [(folder, entry) for folder, entry in found if _number(entry.get("score")) is not None]
    told = list(_with_trends(scored))
    return [_take(folder, entry, trend) for folder, entry, trend in told[-MAX_EACH:]]


def _with_trends(scored: list[Told]) -> Iterator[tuple[Path, Entry, float | None]]:
    """Each take with its score against the average of the takes before it on the same program."""
    averages: dict[str, float] = {}
    for folder, entry in scored:
        program, before = str(entry.get("program")), averages.get(str(entry.get("program")))
        score, after = _number(entry.get("score")), _number(entry.get("score_ema"))
        yield folder, entry, None if before is None or score is None else round(score - before, 2) + 0.0
        if after is not None:
            averages[program] = after


def _take(folder: Path, entry: Entry, trend: float | None) -> StoryTake:
    session, tags = _of_bundle(folder, entry)
    beats = session.get("error_by_beat_ms")
    return StoryTake(
        clip_id=str(entry.get("clip_id")),
        timestamp=_text(entry.get("timestamp")),
        score=_number(entry.get("score")),
        take_result=_text(entry.get("take_result")),
        trend=trend,
        average=_number(entry.get("score_ema")),
        coach_hint=_text(entry.get("coach_hint")),
        program=_text(entry.get("program")),
        tempo_bpm=_number(session.get("bpm")) or _number(tags.get("tempo_bpm")),
        style=_text(tags.get("style")),
        error_by_beat_ms=tuple(_number(beat) for beat in beats) if isinstance(beats, list) else None,
    )


def _of_bundle(indexed_in: Path, entry: Entry) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The take's facts (if the bundle still holds that very take) and the clip's tags; empty where there are none."""
    clip_id = str(entry.get("clip_id"))
    if not is_clip_id(clip_id):
        return {}, {}
    try:
        with Folder.open(bundle_in(indexed_in, clip_id)) as folder:
            session, digest = document_and_digest(folder, SESSION_FILE)
            tags = document_or_none(folder, TAGS_FILE) or {}
    except (OSError, CoachError):
        return {}, {}
    return (session if session is not None and digest == entry.get("input_sha256") else {}), tags


def _verdict(entry: Entry) -> StoryVerdict:
    return StoryVerdict(
        clip_id=str(entry.get("clip_id")), timestamp=_text(entry.get("timestamp")), verdict=str(entry.get("verdict"))
    )


def _clip(entry: Entry) -> StoryClip:
    return StoryClip(
        clip_id=str(entry.get("clip_id")),
        timestamp=_text(entry.get("timestamp")),
        parent_clip_id=_text(entry.get("parent_clip_id")),
        style=_text(entry.get("style")),
        tempo_bpm=_number(entry.get("tempo_bpm")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
