"""What the intake remembers: which takes it has seen, and which wait to be coached. In memory: no disk, no clock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel

from sg_coach.contract import OTA_PREFIX
from sg_coach.field_types import is_clip_id

from .layout import Sighting

BATCH: Final = 256
"""Longest batch of a scan, in bundles: live takes come in between."""


class Known:
    """The takes that were seen: folder → bundle's name → signature. About 200 bytes a bundle."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, int]] = {}

    def note(self, take: Sighting) -> None:
        """Remember a take."""
        self._folders.setdefault(take.parent, {})[take.name] = take.signature

    def is_new(self, take: Sighting) -> bool:
        """Whether a take was not seen before, or changed since."""
        return self._folders.get(take.parent, {}).get(take.name) != take.signature

    def changed(self, folder: str, takes: Iterable[Sighting], looked: Set[str] | None = None) -> list[Sighting]:
        """Remember the takes of a folder and forget those that went; return the new and the changed ones.

        `looked`: only these bundles in the folder were looked at, there or not; the others are as they were.
        """
        before = self._folders.get(folder, {})
        found = {take.name: take for take in takes}
        names = before.keys() if looked is None else {os.path.basename(bundle) for bundle in looked}
        others = {name: signature for name, signature in before.items() if name not in names}
        self._folders[folder] = others | {name: take.signature for name, take in found.items()}
        return [take for name, take in found.items() if before.get(name) != take.signature]

    def forget(self, bundle: str) -> None:
        """Make a take new again."""
        parent, name = os.path.split(bundle)
        self._folders.get(parent, {}).pop(name, None)

    def retain(self, folders: Iterable[str]) -> None:
        """Forget the folders that are not there any more."""
        for gone in self._folders.keys() - set(folders):
            del self._folders[gone]

    def sizes(self) -> Mapping[str, int]:
        """How many takes each folder holds."""
        return {folder: len(names) for folder, names in self._folders.items()}

    def find(self, clip_id: str) -> Path | None:
        """Return the bundle of a clip by its folder's name; of several the newest day's. Safe in any thread."""
        if not is_clip_id(clip_id):
            return None
        folders = self._folders.copy()
        for folder in sorted(folders, key=os.path.basename, reverse=True):
            for name in (clip_id, OTA_PREFIX + clip_id):
                if name in folders[folder]:
                    return Path(folder, name)
        return None


class Turns:
    """Whose turn it is to be looked at, of the bundles directly under one root."""

    def __init__(self) -> None:
        self._before: frozenset[str] = frozenset()
        self._waiting: deque[str] = deque()

    def choose(self, bundles: Sequence[str], budget: int) -> frozenset[str]:
        """Choose, of the bundles that are there, those which came since the last time or went, and some of the others.

        As many of the others as the budget allows: each comes before one of them comes again.
        """
        there = frozenset(bundles)
        before, self._before = self._before, there
        if not self._waiting:
            self._waiting.extend(sorted(bundles))
        chosen: set[str] = set()
        while self._waiting and len(chosen) < budget:
            bundle = self._waiting.popleft()
            if bundle in there and bundle in before:
                chosen.add(bundle)
        return (there ^ before) | chosen


class Inbox:
    """Batches that wait: an asynchronous iterator that never ends.

    It stays shut until the newest part of the start-up scan is in; then what was missed of that part comes first, then
    whatever is live, then what scans find: first the takes that look as if nobody had coached them. All live takes that
    wait are one batch: a slow receiver gets each bundle once.
    """

    def __init__(self) -> None:
        self._live: dict[str, Sighting] = {}
        self._missed: deque[Sequence[Sighting]] = deque()
        self._coached: deque[Sequence[Sighting]] = deque()
        self._first = 0
        self._handed_out = False
        self.opened = anyio.Event()
        """Set when batches are handed out."""
        self._news = anyio.Event()

    def put_live(self, takes: Iterable[Sighting]) -> None:
        """Add takes that happen now."""
        self._live.update((take.bundle, take) for take in takes)
        self._news.set()

    def put_scanned(self, takes: Iterable[Sighting]) -> None:
        """Add takes that a scan found."""
        ordered = sorted(takes)
        self._missed.extend(_batches([take for take in ordered if not take.coached]))
        self._coached.extend(_batches([take for take in ordered if take.coached]))
        self._news.set()

    def open(self) -> None:
        """Hand out from now on; what was missed, as far as scans found it, comes before anything live."""
        if not self.opened.is_set():
            self._first = len(self._missed)
            self.opened.set()
            self._news.set()

    @property
    def idle(self) -> bool:
        """Whether batches are handed out, none waits, and the last one is begun: its receiver waits for the next.

        Safe in any thread.
        """
        return self.opened.is_set() and not (self._handed_out or self._live or self._missed or self._coached)

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Sequence[Path]:
        self._handed_out = False
        await anyio.lowlevel.checkpoint()
        while not (takes := self._next()):
            self._news = anyio.Event()
            await self._news.wait()
        return [Path(take.bundle) for take in takes]

    def _next(self) -> Sequence[Sighting] | None:
        if not self.opened.is_set():
            return None
        self._handed_out = True  # before it is taken: another thread that looks now sees it here or there
        if self._live and not self._first:
            takes = sorted(self._live.values())
            self._live.clear()
            return takes
        self._first = max(0, self._first - 1)
        for waiting in (self._missed, self._coached):
            if waiting:
                return waiting.popleft()
        self._handed_out = False
        return None


def _batches(takes: Sequence[Sighting]) -> list[Sequence[Sighting]]:
    return [takes[start : start + BATCH] for start in range(0, len(takes), BATCH)]
