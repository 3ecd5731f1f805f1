"""The players: each leaves the takes of one session, most of them after the hint to the one before."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sg_coach.digest import sha256_bytes

from .marks import marks_in
from .place import Place
from .plan import Planned

PATIENCE_S: Final = 4.0
"""A player who sees no hint plays on."""

AI_FILES: Final = ("clip.ai_coach.json", "clip.ai_coach.queued.json")
_PART: Final = ".session.json.part"


@dataclass(slots=True)
class Notes:
    """What the players did, for the accounts."""

    played: dict[int, float] = field(default_factory=dict)
    """When each take was left, in seconds from the start, by its number."""
    replaced: dict[str, list[str]] = field(default_factory=dict)
    """Marks that stood in a bundle when a retake came, by the name of their file."""


@dataclass(slots=True)
class Player:
    """One session being played."""

    place: Place
    takes: list[Planned]
    gap_s: float
    rng: random.Random
    notes: Notes
    next: int = 0
    due: float = 0.0
    staged: int = 0

    @property
    def done(self) -> bool:
        return self.next >= len(self.takes)

    def turn(self, now: float) -> None:
        """Do what is due."""
        if self.staged < len(self.takes):
            self._stage()
        elif now >= self.due and self._may_play(now):
            self._play(now)

    def _bundle(self, take: Planned) -> Path:
        return self.place.disk / take.folder

    def _stage(self) -> None:
        """Make a bundle as a generator does, and hold its take ready."""
        try:
            take = self.takes[self.staged]
            bundle = self._bundle(take)
            bundle.mkdir(parents=True, exist_ok=True)
            if not take.retake:
                tags = {"clip_id": take.clip_id, "program": {"kind": "ztprog", "name": take.record.program.name}}
                (bundle / "clip.tags.json").write_text(json.dumps(tags))
            (bundle / f"{_PART}{take.number}").write_bytes(take.data)
        except OSError:
            return  # no room: tried again
        else:
            self.staged += 1

    def _may_play(self, now: float) -> bool:
        if self.next == 0:
            return True
        before, take = self.takes[self.next - 1], self.takes[self.next]
        waited = now - self.notes.played[before.number]
        if take.retake:
            return waited > 1.0 and is_settled(self._bundle(before), before)
        hasty = (take.number * 2654435761) % 100 < 30
        return hasty or waited > PATIENCE_S or (self._bundle(before) / "clip.coach.json").exists()

    def _play(self, now: float) -> None:
        take = self.takes[self.next]
        bundle = self._bundle(take)
        if take.retake:
            for name in AI_FILES:
                self.notes.replaced.setdefault(name, []).extend(marks_at(bundle / name))
        part = bundle / f"{_PART}{take.number}"
        os.utime(part)
        part.rename(bundle / "session.json")
        self.notes.played[take.number] = now
        self.next += 1
        self.due = now + self.rng.uniform(0.5, 1.5) * self.gap_s


def marks_at(path: Path) -> list[str]:
    """Return the marks in a file; none if it is not there."""
    try:
        return marks_in(path.read_bytes())
    except FileNotFoundError:
        return []


def is_settled(bundle: Path, take: Planned) -> bool:
    """Tell whether the worker has done all that it does for a take by the rules."""
    try:
        return sha256_bytes(take.data).encode() in (bundle / "manifest.json").read_bytes()
    except FileNotFoundError:
        return False
