"""What must hold when everything has come to rest: bundles, indexes, queue."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from sg_coach.coach_policy import evaluate_session
from sg_coach.digest import sha256_bytes
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import apply_progression_policy, coaching_bytes, next_ema
from sg_coach.session_index import read_entries
from sg_hybrid.bundle_check import check_bundle

from .place import Place
from .plan import Planned
from .players import AI_FILES


def problems(place: Place, sessions: list[list[Planned]]) -> Iterator[str]:
    """Yield what is wrong with the whole tree."""
    entries = _entries(place)
    yield from _index_problems(entries, sessions)
    averages = _averages(entries)
    entered = {str(entry["input_sha256"]): str(entry["timestamp"]) for entry in entries}
    for takes in sessions:
        is_lossy = any(sha256_bytes(take.data) not in entered for take in takes)
        for take in {take.folder: take for take in takes}.values():
            yield from _bundle_problems(place.disk / take.folder, take, averages, entered if is_lossy else None)
    yield from _queue_problems(place.queue)
    yield from (f"{path}: a temporary was left" for path in temporaries(place))


def temporaries(place: Place) -> list[Path]:
    """Return what crashes left and nobody removed (the players' own parts are none)."""
    found = (path for root in (*place.roots, place.queue) for path in root.rglob(".*"))
    return [path for path in found if ".session.json.part" not in path.name]


def _bundle_problems(
    bundle: Path, take: Planned, averages: Mapping[str, float | None], entered: Mapping[str, str] | None
) -> Iterator[str]:
    """Yield what is wrong with one bundle. `entered`: when each take of its session was, if one of them never was.

    A full disk keeps scores in memory. If a kill takes them, and a new take has replaced one of those takes, what was
    coached after it was measured against a take that nobody can know of any more.
    """
    try:
        raw = (bundle / "clip.coach.json").read_bytes()
    except FileNotFoundError:
        yield f"{take.folder}: no coach file"
        return
    yield from (f"{take.folder}: {problem}" for problem in check_bundle(bundle))
    take_id, document = sha256_bytes(take.data), json.loads(raw)
    created = document["created_at_utc"]

    def rules(average: float | None) -> CoachingDeterministic:
        evaluation = evaluate_session(take.record)
        return apply_progression_policy(evaluation, clip_id=take.clip_id, created_at_utc=created, ema_before=average)

    expected = rules(averages.get(take_id))
    is_entered_later = entered is not None and entered.get(take_id) != created
    if raw != coaching_bytes(expected) and not (is_entered_later and raw == coaching_bytes(rules(_shown(document)))):
        yield f"{take.folder}: not the rules' answer: {document['rationale']} / {expected.rationale}"
    for name in AI_FILES:
        if (bundle / name).exists():
            queued = json.loads((bundle / name).read_bytes())["queued"]
            if queued is not ("queued" in name):
                yield f"{take.folder}/{name}: queued is {queued}"


def _shown(document: dict[str, Any]) -> float | None:
    """The average that a hint says its take was measured against."""
    trend = re.search(r"trend=([+-][0-9.]+)", document["rationale"])
    return document["score"] - float(trend[1]) if trend else None


def _entries(place: Place) -> list[dict[str, Any]]:
    """Return the entries of all session indexes, folder by folder, each in its order."""
    folders = [*sorted(place.roots[0].iterdir()), place.roots[1]]
    return [entry for folder in folders for entry in read_entries(folder)]


def _index_problems(entries: list[dict[str, Any]], sessions: list[list[Planned]]) -> Iterator[str]:
    """Every take has one entry (one that was replaced at most one), and no other has one."""
    planned = {sha256_bytes(take.data): take for takes in sessions for take in takes}
    listed = Counter(str(entry["input_sha256"]) for entry in entries)
    gone = _replaced(sessions)
    for take_id, take in planned.items():
        if listed[take_id] != 1 and not (listed[take_id] == 0 and take.number in gone):
            yield f"{take.folder} (take {take.number}): {listed[take_id]} entries in the session index"
    yield from (f"the session index lists {unknown}, which was never played" for unknown in set(listed) - set(planned))


def _replaced(sessions: list[list[Planned]]) -> set[int]:
    """Return the takes that a retake replaced.

    A crash between a take's coaching and its entry is made good at the next start, from the take. One that was
    replaced before then cannot be read any more.
    """
    return {before.number for takes in sessions for before, take in pairwise(takes) if take.retake}


def without_entry(place: Place, sessions: list[list[Planned]]) -> int:
    """Return how many takes that were replaced have no entry in the index."""
    listed = {str(entry["input_sha256"]) for entry in _entries(place)}
    gone = _replaced(sessions)
    return sum(take.number in gone and sha256_bytes(take.data) not in listed for takes in sessions for take in takes)


def _averages(entries: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the average before each take, by the order of the index; checked against what the index says of it."""
    current: dict[tuple[str, str], float] = {}
    before: dict[str, float | None] = {}
    for entry in entries:
        session = str(entry["session_id"]), str(entry["program"])
        before[str(entry["input_sha256"])] = current.get(session)
        current[session] = next_ema(current.get(session), float(entry["score"]))
    return before


def out_of_order(place: Place, sessions: list[list[Planned]]) -> int:
    """Return how many takes were admitted before an earlier one of their session."""
    number = {sha256_bytes(take.data): take.number for takes in sessions for take in takes}
    highest: dict[str, int] = {}
    count = 0
    for entry in _entries(place):
        session, this = str(entry["session_id"]), number.get(str(entry["input_sha256"]), 0)
        count += this < highest.get(session, 0)
        highest[session] = max(this, highest.get(session, 0))
    return count


def _queue_problems(queue: Path) -> Iterator[str]:
    names = {folder: [path.name for path in (queue / folder).iterdir()] for folder in ("claimed", "rejected")}
    yield from (f"queue/{folder}/{name} was left" for folder, left in names.items() for name in left)
    waiting = {path.name.removesuffix("_ai_addendum.json") for path in (queue / "pending").iterdir()}
    contexts = {path.name.removesuffix(".json") for path in (queue / "context").iterdir()}
    if waiting != contexts:
        yield f"queue: contexts {sorted(contexts - waiting)[:3]} have no entry, {sorted(waiting - contexts)[:3]} none"
