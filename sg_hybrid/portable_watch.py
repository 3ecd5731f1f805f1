"""Folder events where there is no inotify: the watchfiles library (FSEvents, kqueue, polling).

It does not tell when a file was closed. So a take counts as new when its file has stopped changing for a moment, and a
writer that pauses longer in the middle of an in-place write is read half-way and again at its end.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self

import anyio
from anyio.lowlevel import checkpoint
from watchfiles import Change, awatch
from watchfiles.main import FileChange

from sg_coach.contract import SESSION_FILE, TAGS_FILE, TAKE_FILE

from .fs import run_blocking
from .layout import Kind, Root
from .watching import Sink

DEBOUNCE_MS: Final = 50
"""Longest time that the library collects changes before it tells."""

STEP_MS: Final = 10
"""It tells earlier if nothing happened for this long."""

SETTLED_S: Final = 0.03
MAX_SETTLING_S: Final = 1.0

_TAKES: Final = (SESSION_FILE, TAKE_FILE)
_DEEPEST: Final = 2
"""A bundle stands at most two folders below its root."""


_Stamps = list[tuple[int, int, int] | None]


class _Look(NamedTuple):
    """At a folder that changes: since when, and what was seen last."""

    since: float
    stamps: _Stamps | None = None


class PortableWatch:
    """Watches the roots that are there, recursively. Starts anew when another set of roots is there."""

    blind = False

    def __init__(self) -> None:
        self._roots: dict[str, tuple[str, int, int]] = {}
        self._changed = anyio.Event()
        self._unsettled: dict[str, _Look] = {}
        self._news = anyio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._changed.set()

    def enter(self, path: str, kind: Kind) -> None:
        """Do nothing: what stands under a root is watched already."""

    def keep(self, folders: Iterable[str]) -> None:
        """Do nothing: there is one watch a root."""

    def tidy(self) -> None:
        """Do nothing: what moved away is not under its root any more."""

    def follow(self, roots: Sequence[Root]) -> None:
        """These roots are there now."""
        there = {root.path: root.identity for root in roots}
        if there != self._roots:
            self._roots = there
            self._changed.set()

    async def run(self, sink: Sink) -> None:
        """Tell `sink` what happens, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._settle, sink)
            await self._follow_roots(sink)

    async def _follow_roots(self, sink: Sink) -> None:
        while True:
            stop = self._changed = anyio.Event()
            if not self._roots:
                await stop.wait()
                continue
            await self._watch(sink, stop)

    async def _watch(self, sink: Sink, stop: anyio.Event) -> None:
        names = {identity[0]: path for path, identity in self._roots.items()}
        changes = awatch(*names, watch_filter=None, debounce=DEBOUNCE_MS, step=STEP_MS, stop_event=stop)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell, changes, names, sink)
            await checkpoint()  # the task has run to its first wait: the library watches
            sink.lost()  # what came between the last look and this watch
            try:
                await stop.wait()
            finally:
                stop.set()  # a cancellation does not reach the library's thread; this does

    async def _tell(self, changes: AsyncIterable[set[FileChange]], names: Mapping[str, str], sink: Sink) -> None:
        try:
            async for batch in changes:
                if any(change is Change.deleted and path in names for change, path in batch):
                    self._root_went(sink)
                for change in batch:
                    if folder := _folder_of(change, names):
                        self._unsettled.setdefault(folder, _Look(anyio.current_time()))
                self._news.set()
        except FileNotFoundError:  # before the library watched it
            self._root_went(sink)

    def _root_went(self, sink: Sink) -> None:
        self._roots = {}  # the next look tells which roots are there
        self._changed.set()
        sink.lost()

    async def _settle(self, sink: Sink) -> None:
        """Tell of each folder as soon as its takes stop changing, or after a while."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            while self._unsettled:
                stamps = await run_blocking(_stamps, list(self._unsettled))
                if settled := [folder for folder, stamp in stamps.items() if self._is_settled(folder, stamp)]:
                    sink.folders(settled)
                await anyio.sleep(SETTLED_S if self._unsettled else 0)

    def _is_settled(self, folder: str, stamp: _Stamps) -> bool:
        since, before = self._unsettled.pop(folder)
        if stamp == before or anyio.current_time() > since + MAX_SETTLING_S:
            return True
        self._unsettled[folder] = _Look(since, stamp)
        return False


def _folder_of(change: FileChange, names: Mapping[str, str]) -> str | None:
    """The folder to look into because of a change: a bundle whose take or tags changed, or a folder that was added."""
    kind, path = change
    root = max((real for real in names if path.startswith(f"{real}/")), key=len, default="")
    if not root or kind is Change.deleted:
        return None
    parts = path[len(root) + 1 :].split("/")
    if parts[-1] in (*_TAKES, TAGS_FILE):
        parts.pop()
    elif kind is not Change.added:
        return None
    return "/".join((names[root], *parts)) if 1 <= len(parts) <= _DEEPEST else None


def _stamps(bundles: Sequence[str]) -> dict[str, _Stamps]:
    return {bundle: [_stamp(f"{bundle}/{name}") for name in _TAKES] for bundle in bundles}


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.lstat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
