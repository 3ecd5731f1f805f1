"""Noticing takes: folder events while the worker runs, a look at everything at its start, and a slow look in between.

    events ──▶ a take is new ─────▶ look at it ─────────────▶ Inbox ──▶ batches in playing order
          └──▶ a folder is new ──▶ enter it, look into it ──▲
    rescan ──▶ enter, look, compare with what is known ─────┘

A folder is watched first and looked into second, so nothing falls between. What touches a disk runs in a thread, in
slices: under load a mere `lstat` on the event loop costs a quarter of a millisecond, for it lets the threads go first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import anyio
import structlog

from .errors import ConfigError
from .fs import run_blocking
from .layout import Report, Root, Sighting, Walk
from .refusals import Refusals
from .scanner import Scanner, all_takes, missing_remedy
from .sightings import Inbox, Known
from .watching import NobodyWatches, Watcher

MISSING_ROOT_S: Final = 2.0
"""How often a root that is not there is looked for."""

BLIND_RESCAN_S: Final = 2.0
"""How often folders are looked at that nobody watches."""

NEWEST_CLIPS: Final = 3
"""Clips that a start tells of: those which are likely to be played next."""

WatcherName = Literal["auto", "inotify", "portable"]

_log = structlog.get_logger(__name__)


class DiskIntake:
    """Takes in bundle folders under `roots` (implements `ports.Intake`). One `watch()` at a time."""

    def __init__(
        self, roots: Sequence[Path], *, rescan_interval_s: float = 60.0, watcher: WatcherName = "auto"
    ) -> None:
        self._roots = tuple(dict.fromkeys(str(root) for root in roots))
        self._interval = rescan_interval_s
        self._watcher_name = watcher
        self._clip_appeared: Callable[[Path], None] = lambda _bundle: None
        self._answer: Callable[[Path], bool] = lambda _bundle: False
        self._accept: Callable[[Path], bool] = lambda _bundle: False
        self._known = Known()
        self._reported: set[tuple[str, str]] = set()
        self._again: set[str] = set()
        self._refusals = Refusals()
        self._played: dict[str, None] = {}
        self._looked_at: Sequence[str] = ()
        """Of bundles whose takes are new, those that wait to be looked at, and those that are being looked at."""
        self._takes_came = anyio.Event()
        self._fresh: dict[str, None] = {}
        self._missing: frozenset[str] = frozenset()
        self._news = anyio.Event()
        self._lost = anyio.Event()
        self._inbox = Inbox()
        self._watcher: Watcher = NobodyWatches()
        self._walk = Walk(self._roots, self._watcher.enter, self._report)
        self._scanner = Scanner(self._roots, self._walk, self._watcher)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Sequence[Path]]]:
        """Batches of bundles that hold a take (`session.json` or `take.mid`): the newest days', then as things happen.

        Entered as soon as the newest days are watched. The iterator never ends; a bundle comes again when its take
        changes.
        """
        self._inbox, self._known = Inbox(), Known()
        with await run_blocking(self._open_watcher) as watcher:
            self._watcher = watcher
            self._walk = Walk(self._roots, watcher.enter, self._report)
            self._scanner = Scanner(self._roots, self._walk, watcher)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watcher.run, self, name="intake: events")
                tasks.start_soon(self._look_at_takes, name="intake: new takes")
                tasks.start_soon(self._enter_folders, name="intake: new folders")
                tasks.start_soon(self._rescan, name="intake: rescan")
                await self._inbox.opened.wait()
                yield self._inbox
                tasks.cancel_scope.cancel()

    def scan(self, unreadable: Callable[[Path], None] = lambda _folder: None) -> list[Path]:
        """Return all bundles that hold a take, in playing order, and remember them. Blocking; without `watch`.

        A root that is not there is logged, as is a folder that is skipped; `unreadable` is told of each that the system
        did not let us look into.
        """
        takes = all_takes(self._roots, unreadable)
        for take in takes:
            self._known.note(take)
        return [Path(take.bundle) for take in takes]

    def tell_of_clips(self, clip_appeared: Callable[[Path], None]) -> None:
        """Have `clip_appeared` told of bundles that nobody has played: the newest at the start, then all that come."""
        self._clip_appeared = clip_appeared

    def answer_at_once(
        self, answer: Callable[[Path], bool], accept: Callable[[Path], bool] = lambda _bundle: True
    ) -> None:
        """Have lone takes that are accepted answered in the thread that notices them.

        One for which `answer` returns False comes as ever. `accept` must not block.
        """
        self._answer, self._accept = answer, accept

    def forget(self, bundle: Path) -> None:
        """The take could not be coached: bring it again at the next rescan."""
        self._known.forget(str(bundle))
        self._again.add(str(bundle))

    def refused(self, bundle: Path) -> None:
        """The take cannot be coached as its bundle is: bring it again when one of the files beside it changes, too."""
        self._refusals.note(str(bundle))

    def find_bundle(self, clip_id: str) -> Path | None:
        """Return the folder of a clip that holds a take, or None; of several the one in the newest day."""
        return self._known.find(clip_id)

    # What the watcher tells (implements `watching.Sink`)

    def takes(self, bundles: Iterable[str]) -> None:
        """Have bundles looked at whose take was just written, and handed over."""
        self._played.update(dict.fromkeys(bundles))
        self._takes_came.set()

    def accept(self, bundle: str) -> bool:
        """Whether nothing waits that came before this lone take."""
        self._refusals.forget(bundle)
        return not (self._played or self._looked_at) and self._inbox.idle and self._accept(Path(bundle))

    def answer(self, bundle: str) -> bool:
        """Answer a lone take in this thread."""
        return self._answer(Path(bundle))

    def answered(self, bundle: str) -> None:
        """Remember a take that was answered at once; one whose answer failed is to come again."""
        if bundle not in self._again and (take := self._walk.take(bundle)):
            self._known.note(take)

    def folders(self, paths: Iterable[str]) -> None:
        """Have new folders looked into."""
        self._fresh.update(dict.fromkeys(paths))
        self._news.set()

    def lost(self) -> None:
        """Have everything looked at."""
        self._lost.set()

    # Looking at what is new

    async def _look_at_takes(self) -> None:
        while True:
            await self._takes_came.wait()
            self._takes_came = anyio.Event()
            self._looked_at, self._played = list(self._played), {}
            takes = await run_blocking(self._scanner.takes_in, self._looked_at)
            for take in takes:
                self._known.note(take)
                self._refusals.forget(take.bundle)
            self._inbox.put_live(takes)
            self._looked_at = ()

    async def _enter_folders(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            paths, self._fresh = list(self._fresh), {}
            takes, unplayed = await run_blocking(self._scanner.look_into, paths)
            self._inbox.put_live(self._new(takes))
            for bundle in unplayed:
                self._clip_appeared(Path(bundle))

    def _new(self, takes: Iterable[Sighting]) -> list[Sighting]:
        new = [take for take in takes if self._known.is_new(take)]
        for take in new:
            self._known.note(take)
        return new

    # Looking at what is there

    async def _rescan(self) -> None:
        everything = True
        while True:
            await self._scan(everything)
            everything = await self._pause()

    async def _pause(self) -> bool:
        """Wait for the next rescan; return whether it has to look at everything."""
        interval = min(self._interval, BLIND_RESCAN_S) if self._watcher.blind else self._interval
        due = anyio.current_time() + interval
        while (left := due - anyio.current_time()) > 0:
            with anyio.move_on_after(min(left, MISSING_ROOT_S) if self._missing else left):
                await self._lost.wait()
            if self._lost.is_set() or (self._missing and await run_blocking(_any_there, self._missing)):
                return True
        return False

    async def _scan(self, everything: bool) -> None:
        self._lost = anyio.Event()
        await self._try_refused_again()
        again, self._again = self._again, set()
        scan = await run_blocking(self._scanner.begin, everything, self._known.sizes())
        self._note_roots(scan.roots)
        new = [take for look in scan.looks for take in self._known.changed(*look)]
        self._known.retain([*self._roots, *scan.days])
        looked = scan.first
        while looked:
            for day, takes in looked:
                new += self._known.changed(day, takes)
            self._hand_over(new)
            new = []
            looked = await run_blocking(self._scanner.go_on, scan) if scan.waiting else []
        if again:
            new += self._new(await run_blocking(self._scanner.takes_in, again))
        self._hand_over(new)
        if scan.watched != self._scanner.watched:
            await run_blocking(self._scanner.keep, scan.watched)
        if everything:
            for bundle in await run_blocking(self._walk.newest_unplayed, [*self._roots, *scan.days[:1]], NEWEST_CLIPS):
                self._clip_appeared(Path(bundle))

    async def _try_refused_again(self) -> None:
        """Have those refused takes brought again beside which something else stands now."""
        if refused := self._refusals.beside():
            for bundle in self._refusals.bring_again(await run_blocking(self._scanner.corrected, refused)):
                self.forget(Path(bundle))

    def _hand_over(self, takes: Sequence[Sighting]) -> None:
        self._inbox.put_scanned(takes)
        self._inbox.open()

    def _note_roots(self, there: Sequence[Root]) -> None:
        missing = frozenset(self._roots).difference(root.path for root in there)
        for root in missing - self._missing:
            _log.warning("bundle_root_missing", root=root, remedy=f"waiting for it; {missing_remedy(root)}")
        for root in self._missing - missing:
            _log.info("bundle_root_found", root=root)
        self._missing = missing
        self._watcher.follow(there)

    def _report(self, folder: str, why: str) -> None:
        if (folder, why) not in self._reported:
            self._reported.add((folder, why))
            _log.warning("folder_skipped", folder=folder, why=why)

    def _open_watcher(self) -> Watcher:
        inotify = self._watcher_name == "inotify" or (self._watcher_name == "auto" and sys.platform == "linux")
        try:
            return _inotify(self._report) if inotify else _portable()
        except ImportError as error:
            package = "inotify-simple" if inotify else "watchfiles"
            raise ConfigError(f"SG_WATCHER={self._watcher_name} needs the package {package}; install it") from error
        except OSError as error:
            remedy = "raise fs.inotify.max_user_instances"
            _log.warning("no_folder_events", why=error.strerror, until_then="rescans", remedy=remedy)
            return NobodyWatches()


def _any_there(roots: Iterable[str]) -> bool:
    return any(os.access(f"{root}/", os.R_OK | os.X_OK) for root in roots)


def _inotify(report: Report) -> Watcher:
    from .inotify_watch import InotifyWatch  # only where it exists

    return InotifyWatch(report)


def _portable() -> Watcher:
    from .portable_watch import PortableWatch  # only where it is installed

    return PortableWatch()
