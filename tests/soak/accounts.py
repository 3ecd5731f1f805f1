"""Where each reply ended: every valid one that was sent to its last byte is in exactly one place, or it says why not.

The service's journal says what was sent, files and the worker's log say where it ended. What a worker never
acknowledged has no promise (it was killed, or had given the call up), and is counted apart, by the moment at which the
reply was complete: a reply that was complete long before the end of its worker is a loss, and a violation.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from .conductor import TTL_S, WINDOW_S, Soak
from .lives import GRACE_S, Life
from .players import AI_FILES, marks_at

IN_FLIGHT_S: Final = 1.0
"""A reply that was complete so long before a SIGKILL has to be somewhere."""

SLACK_S: Final = 0.4
"""How far a journal's moments and the worker's own may lie apart on a busy machine."""

AI_FILE, QUEUED_FILE = AI_FILES

WORDS: Final = {
    "bundle": "in the bundle that it was asked for",
    "replaced": "there too, until a new take of the clip came",
    "applied": "applied to a later take of the session",
    "expired": "expired, with a log line",
    "superseded": "expired, superseded by a newer one of the clip",
    "pending": "pending at the end",
    "killed": "complete within a second before its worker was killed: never acknowledged",
    "dead": "complete after its worker was gone",
    "grace": "not read to its end when the grace period of its worker's end was over",
    "window": "complete when the late window was over",
    "disk": "refused by the full disk until its worker ended",
}
"""Where a valid reply may end, in words."""


@dataclass(slots=True)
class Reply:
    """One valid reply, by the journals."""

    mark: str
    clip_id: str
    called: float
    sent: float = 0.0


@dataclass(slots=True)
class Accounts:
    """How many replies ended where, and what is wrong."""

    ended: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    tightest_s: float = 0.0
    """Longest time between a reply's completion and the kill that lost it."""
    loaded: dict[int, float] = field(default_factory=dict)
    """When each worker had the AI's SDK loaded, by its number."""
    errors: Counter[str] = field(default_factory=Counter)
    """Warnings and errors in the worker's log, by event."""


@dataclass(slots=True)
class _Log:
    """What the workers' logs say, by life and clip."""

    expired: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[tuple[int, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    not_kept: set[tuple[int, str]] = field(default_factory=set)
    cancelled: set[tuple[int, str]] = field(default_factory=set)
    """Calls that were still being read when their worker ended."""
    applied: list[tuple[float, str]] = field(default_factory=list)
    shown: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    """Cycles that ended with a reply in their bundle: the reply's clip to when, and to the bundle's clip."""

    def keep_shown_in(self, clips: set[str]) -> None:
        """Forget the cycles of other clips: there, the file itself has to be found."""
        for reply, cycles in self.shown.items():
            self.shown[reply] = [cycle for cycle in cycles if cycle[1] in clips]

    def was_shown(self, reply: Reply, *, live: bool) -> bool:
        """Whether a cycle of a clip that was taken again says that it showed the reply.

        A tip can come between the look of the player who takes the clip again and the worker's clearing away, so that
        only the worker's word is left of it.
        """
        cycles = self.shown[reply.clip_id]
        return any((clip == reply.clip_id) is live and at >= reply.sent - SLACK_S for at, clip in cycles)


def account(soak: Soak) -> Accounts:
    """Return where all replies ended."""
    result = Accounts()
    log = _read_logs(soak.lives, result)
    replies, invalid = _read_journals(soak, result)
    places = _places(soak)
    retaken = {take.clip_id for takes in soak.sessions for take in takes if take.retake}
    log.keep_shown_in(retaken)
    for mark in sorted(places.keys() - {reply.mark for reply in replies}):
        why = "is one that may not be shown" if mark in invalid else "was never sent"
        if mark in invalid or not _was_begun(soak, mark):
            result.violations.append(f"reply {mark} in {places[mark]} {why}")

    def is_excused(reply: Reply) -> bool:
        return _unacknowledged(reply, log, soak.lives, Accounts()) != "violation"

    # An expiry names its clip alone. Of two replies to one clip it is the one that has no other reason to be gone.
    for reply in sorted((reply for reply in replies if reply.sent), key=is_excused):
        result.ended[_where(reply, places.get(reply.mark, []), log, soak.lives, result)] += 1
    result.violations += _applied_stale(soak, log, replies)
    return result


# What was sent


def _read_journals(soak: Soak, result: Accounts) -> tuple[list[Reply], set[str]]:
    clips = {take.number: take.clip_id for takes in soak.sessions for take in takes}
    replies: dict[int, Reply] = {}
    invalid: set[str] = set()
    for line in _lines(soak.processes.journals):
        if line["event"] == "call":
            result.calls[str(line["kind"])] += 1
            if line["kind"] == "valid":
                replies[line["uid"]] = Reply(line["mark"], clips[line["take"]], line["t"])
            else:
                invalid.add(line["mark"])
        elif line["uid"] in replies:
            replies[line["uid"]].sent = line["t"]
    return list(replies.values()), invalid


def _was_begun(soak: Soak, mark: str) -> bool:
    return any(line.get("mark") == mark for line in _lines(soak.processes.journals))


def _lines(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # cut by a SIGKILL, or a traceback's line
                yield {"event": "no event", "line": line, "uid": -1}


# Where they are


def _places(soak: Soak) -> dict[str, list[str]]:
    """Return for each mark the places in which it stands."""
    place, found = soak.place, defaultdict[str, list[str]](list)
    for folder in {take.folder for takes in soak.sessions for take in takes}:
        for name in AI_FILES:
            for mark in marks_at(place.disk / folder / name):
                found[mark].append("bundle" if name == AI_FILE else "shown later")
    for name, marks in soak.notes.replaced.items():
        for mark in marks:
            found[mark].append("replaced" if name == AI_FILE else "shown later")
    for state in ("pending", "claimed", "applied", "rejected"):
        for path in (place.queue / state).glob("*.json"):
            for mark in marks_at(path):
                found[mark].append(state)
    return found


def _where(reply: Reply, places: list[str], log: _Log, lives: Sequence[Life], result: Accounts) -> str:
    if sorted(places) == ["applied", "shown later"]:
        return "applied"
    if places == ["applied"] and log.was_shown(reply, live=False):
        return "applied"
    if len(places) == 1 and places[0] in ("bundle", "replaced", "pending"):
        return places[0]
    if places:
        result.violations.append(f"reply {reply.mark} of {reply.clip_id} stands in {' and '.join(places)}")
        return "violation"
    if log.expired[reply.clip_id]:
        return "superseded" if log.expired[reply.clip_id].pop() == "superseded" else "expired"
    return _unacknowledged(reply, log, lives, result)


def _unacknowledged(reply: Reply, log: _Log, lives: Sequence[Life], result: Accounts) -> str:
    """Say why a reply that is nowhere was never acknowledged."""
    if log.was_shown(reply, live=True):
        return "replaced"
    life = lives[max(bisect_right([life.began for life in lives], reply.called) - 1, 0)]
    before_end = life.asked - reply.sent
    if (life.number, reply.clip_id) in log.not_kept:
        return "disk"
    if life.how == "kill" and before_end < IN_FLIGHT_S:
        result.tightest_s = max(result.tightest_s, before_end)
        return "killed" if before_end >= 0 else "dead"
    stopped = life.hurried or life.asked + GRACE_S
    cut_short = (life.number, reply.clip_id) in log.cancelled
    if life.how != "kill" and (cut_short or reply.sent > stopped - SLACK_S):
        return "dead" if reply.sent > life.ended else "grace"
    if reply.sent - reply.called > WINDOW_S - SLACK_S or "timeout" in log.failed[life.number, reply.clip_id]:
        return "window"
    said = log.failed[life.number, reply.clip_id]
    result.violations.append(
        f"reply {reply.mark} of {reply.clip_id} is nowhere: complete {before_end:.2f} s before the end of worker "
        f"{life.number} ({life.how}), which said {said or 'nothing'}"
    )
    return "violation"


# What the workers said


def _read_logs(lives: Sequence[Life], result: Accounts) -> _Log:
    log = _Log()
    for life in lives:
        for line in _lines([life.log]):
            _note(log, life, line, result)
    return log


def _note(log: _Log, life: Life, line: dict[str, Any], result: Accounts) -> None:
    event, clip = line["event"], str(line.get("clip"))
    if event == "no event":
        result.violations.append(f"worker {life.number} printed {line['line'][:200]!r}")
    if "exception" in line:
        result.violations.append(f"worker {life.number}: {event}: {line['exception'].splitlines()[-1]}")
    if line.get("level") in ("warning", "error"):
        result.errors[event] += 1
    if event == "reply_expired":
        for each in line.get("clips", [clip]):
            log.expired[each].append(line["reason"])
    elif event == "cycle":
        shown = [clip] if line.get("ai_origin") == "live" else []
        for each in (*shown, *filter(None, [line.get("applied")])):
            log.shown[each].append((_moment(line), clip))
    elif event == "ai_warm_up":
        result.loaded[life.number] = _moment(line)
    elif event == "ai_failed":
        log.failed[life.number, clip].append(line["kind"])
    elif event == "ai_call" and line["outcome"] == "cancelled" and life.asked and _moment(line) >= life.asked:
        log.cancelled.add((life.number, clip))
    elif event == "late_reply_not_kept":
        log.not_kept.add((life.number, clip))
    elif event == "reply_applied":
        log.applied.append((_moment(line), clip))


def _moment(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _applied_stale(soak: Soak, log: _Log, replies: Sequence[Reply]) -> Iterator[str]:
    """Nothing is applied after its time. Where the clock was set in between, its age is another one than ours."""
    steps = [happened.at for happened in soak.happened if happened.event.what == "clock"]
    sent = defaultdict[str, list[float]](list)
    for reply in replies:
        if reply.sent:
            sent[reply.clip_id].append(reply.sent)
    for at, clip in log.applied:
        youngest = min((at - moment for moment in sent[clip] if moment <= at + SLACK_S), default=0.0)
        stepped = bisect_right(steps, at) != bisect_right(steps, at - youngest - TTL_S)
        if youngest > TTL_S + WINDOW_S and not stepped:
            yield f"the reply of {clip} was applied {youngest:.1f} s after it came, and lives {TTL_S:g} s"
