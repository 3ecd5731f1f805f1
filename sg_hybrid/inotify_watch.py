"""Folder events from the Linux kernel (inotify(7)): a take is noticed within microseconds, idling costs nothing.

A watch follows the folder itself, not its name. When a folder moves and is entered under its new name, the kernel
returns the same watch and the new name replaces the old; a watch that still has an old name leads to a bundle that is
not there, and the next rescan gives it up. Folders are entered in threads. A folder is put into the table right after
its watch exists and looked into only then, so an event that comes in between is about a file that the look finds.

Events are read by a few threads, one at a time is woken. What it read goes to the event loop, but for a take that comes
alone: while another thread stays to listen, that one is answered where it was noticed.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Self

import anyio
import structlog
from inotify_simple import Event, INotify, flags, parse_events

from sg_coach.contract import SESSION_FILE, TAGS_FILE, TAKE_FILE

from .fs import run_blocking
from .layout import Kind, Report, Root
from .post import Post
from .watching import Sink

_log = structlog.get_logger(__name__)

# CREATE and MOVED_TO bring folders. A file counts when it is whole: renamed into place, or closed by its writer.
_FOLDER_ONLY: Final = flags.ONLYDIR | flags.DONT_FOLLOW | flags.EXCL_UNLINK
_MASKS: Final = {
    Kind.ROOT: flags.ONLYDIR | flags.CREATE | flags.MOVED_TO | flags.MOVE_SELF,
    Kind.DAY: _FOLDER_ONLY | flags.CREATE | flags.MOVED_TO | flags.CLOSE_WRITE | flags.MOVE_SELF,
    Kind.BUNDLE: _FOLDER_ONLY | flags.MOVED_TO | flags.CLOSE_WRITE | flags.MOVE_SELF,
}
# As plain numbers: an enum's `&` runs a dozen lines of Python for each event.
_WHOLE: Final = int(flags.MOVED_TO | flags.CLOSE_WRITE)
_TAKES: Final = (SESSION_FILE, TAKE_FILE)
_OVERFLOW: Final = int(flags.Q_OVERFLOW)
_IGNORED: Final = int(flags.IGNORED)
_ENDED: Final = int(flags.IGNORED | flags.MOVE_SELF)
_FOLDER: Final = int(flags.ISDIR)
_LIMITS: Final = (errno.ENOSPC, errno.ENOMEM)
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


READERS: Final = 3
"""Threads that read events. All but one of them may be writing a hint; the last one always listens."""

_READ_BYTES: Final = 64 * 1024
_LARGEST_EVENT: Final = 16 + 256
"""Bytes: its numbers, and the longest name with what fills it up (inotify(7))."""


class Watched(NamedTuple):
    """A watched folder."""

    path: str
    kind: Kind


@dataclass(slots=True)
class _News:
    """What one read of events says. The dictionaries are ordered sets."""

    takes: dict[str, None]
    folders: dict[str, None]
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.takes or self.folders or self.lost)

    @property
    def lone_take(self) -> str | None:
        """The bundle, if one take is all that is new."""
        return next(iter(self.takes)) if len(self.takes) == 1 and not self.folders and not self.lost else None


class InotifyWatch:
    """The folders that are watched through one inotify descriptor; use it as a context manager."""

    def __init__(self, report: Report) -> None:
        """Raises OSError if the kernel has no descriptor for us (EMFILE: `fs.inotify.max_user_instances`)."""
        self._report = report
        self._watched: dict[int, Watched] = {}
        self._dropped = 0
        self._changing = threading.Lock()
        self._doubtful: deque[int] = deque()
        self._answering = 0
        self._turn = threading.Lock()
        """Held from a read of events until it is settled who answers them: nothing overtakes what came first. What the
        readers count changes under it."""
        self._told = self._heard = 0
        """Reads that were left for the event loop, and those that it has heard of."""
        self.blind = False
        """Whether the kernel ran out of watches: only rescans notice what happens in the other folders."""
        with ExitStack() as opened:
            self._inotify = opened.enter_context(INotify(nonblocking=True))
            self._wakeups = opened.enter_context(select.epoll())
            self._end = os.eventfd(0, os.EFD_CLOEXEC)
            opened.callback(os.close, self._end)
            self._post = opened.enter_context(Post())
            # Edge-triggered: what comes wakes one reader, which reads all there is.
            self._wakeups.register(self._inotify.fileno(), select.EPOLLIN | select.EPOLLET)
            self._wakeups.register(self._end, select.EPOLLIN)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def enter(self, path: str, kind: Kind) -> None:
        """Watch a folder from now on. Safe in any thread; costs one system call."""
        try:
            while not self._entered(Watched(path, kind)):
                pass
        except OSError as error:
            self._refused(path, error)

    def _entered(self, folder: Watched) -> bool:
        """Return False if a watch was given up meanwhile: it may have been the one that the kernel named."""
        dropped = self._dropped
        watch = self._inotify.add_watch(folder.path, _MASKS[folder.kind])  # not in the lock: a disk may be slow
        with self._changing:
            if dropped == self._dropped:
                self._watched[watch] = folder
            return dropped == self._dropped

    def keep(self, folders: Iterable[str]) -> None:
        """Stop watching bundles that stand in none of these folders."""
        kept = set(folders)
        for watch, folder in self._watched.copy().items():  # copied at one stroke: other threads enter folders
            if folder.kind is Kind.BUNDLE and os.path.dirname(folder.path) not in kept:
                self._drop(watch, folder)

    def tidy(self) -> None:
        """Stop watching folders that moved away, or whose place another folder took."""
        while self._doubtful:
            watch = self._doubtful.popleft()
            folder = self._watched.get(watch)
            if folder and not self._leads_to(folder, watch):
                self._drop(watch, folder)

    def _leads_to(self, folder: Watched, watch: int) -> bool:
        try:
            return int(self._inotify.add_watch(folder.path, _MASKS[folder.kind] | flags.MASK_ADD)) == watch
        except OSError as error:
            return error.errno not in (*_GONE, *_LIMITS)  # a folder that is watched already needs no watch more

    def _drop(self, watch: int, folder: Watched) -> None:
        """Give up a watch, unless the folder was entered again meanwhile."""
        with self._changing:
            if self._watched.get(watch) is folder:
                del self._watched[watch]
                self._stop(watch)
                self._dropped += 1

    def follow(self, roots: Sequence[Root]) -> None:
        """Nothing to do: the roots are entered like other folders."""

    async def run(self, sink: Sink) -> None:
        """Tell `sink` what happens, until cancelled."""
        limiter = anyio.CapacityLimiter(READERS)
        async with anyio.create_task_group() as tasks:
            for number in range(READERS):
                read = partial(run_blocking, self._read, sink, limiter=limiter)
                tasks.start_soon(read, name=f"folder events {number}")
            try:
                await self._post.run()
            finally:
                os.eventfd_write(self._end, 1)

    def _read(self, sink: Sink) -> None:
        """Read events until the end. The life of one reader, in its thread."""
        while self._end not in dict(self._wakeups.poll()):
            with self._turn:
                news = _News({}, {})
                for event in self._events():
                    self._sort(event, news)
                mine = self._accepted(news, sink)
                if news and mine is None:
                    self._leave(news, sink)
            if mine is not None and not self._answered(mine, sink):
                with self._turn:
                    self._leave(news, sink)

    def _leave(self, news: _News, sink: Sink) -> None:
        self._told += 1
        self._post.leave(partial(self._tell, news, sink))

    def _tell(self, news: _News, sink: Sink) -> None:
        """Tell what is new, on the event loop."""
        if news.takes:
            sink.takes(news.takes)
        if news.folders:
            sink.folders(news.folders)
        if news.lost:
            sink.lost()
        self._heard += 1

    def _events(self) -> Iterator[Event]:
        """Read all there is. What comes after a read that had room left wakes a reader of its own."""
        with suppress(BlockingIOError):  # all was read, by this reader or by another one
            while True:
                data = os.read(self._inotify.fileno(), _READ_BYTES)
                yield from parse_events(data)
                if len(data) <= _READ_BYTES - _LARGEST_EVENT:
                    return

    def _accepted(self, news: _News, sink: Sink) -> str | None:
        """Return the bundle of a lone take that this reader is to answer: one always listens, and nothing is ahead."""
        bundle = news.lone_take
        if bundle is None or self._told != self._heard or self._answering == READERS - 1 or not sink.accept(bundle):
            return None
        self._answering += 1
        return bundle

    def _answered(self, bundle: str, sink: Sink) -> bool:
        """Answer a take that was accepted; return whether that was done."""
        try:
            if not sink.answer(bundle):
                return False
            self._post.leave(partial(sink.answered, bundle))
            return True
        finally:
            with self._turn:
                self._answering -= 1

    def _sort(self, event: Event, news: _News) -> None:
        if event.mask & _OVERFLOW:
            _log.warning("events_lost", remedy="raise fs.inotify.max_queued_events")
            self._doubtful.extend(self._watched.copy())
            news.lost = True
        elif (watched := self._watched.get(event.wd)) is None:
            return
        elif event.mask & _ENDED:
            news.lost |= self._left(event, watched)
        elif event.mask & _FOLDER:
            if watched.kind is not Kind.BUNDLE:
                news.folders[f"{watched.path}/{event.name}"] = None
        elif event.mask & _WHOLE and watched.kind is not Kind.ROOT:
            if event.name in _TAKES:
                news.takes[watched.path] = None
            elif event.name == TAGS_FILE:
                news.folders[watched.path] = None

    def _left(self, event: Event, watched: Watched) -> bool:
        """The folder was removed (the kernel ended its watch) or moved; return whether it was a root."""
        if event.mask & _IGNORED:
            self._watched.pop(event.wd, None)
        else:
            self._doubtful.extend([event.wd] if watched.kind is Kind.BUNDLE else self._watched.copy())
        return watched.kind is Kind.ROOT

    def _stop(self, watch: int) -> None:
        try:
            self._inotify.rm_watch(watch)
        except OSError as error:
            if error.errno != errno.EINVAL:  # the folder is gone, and its watch with it
                raise

    def _refused(self, path: str, error: OSError) -> None:
        if error.errno in _GONE:
            return
        if error.errno not in _LIMITS:
            self._report(path, f"not watched: {error.strerror}")
        elif not self.blind:
            self.blind = True
            _log.warning(
                "watches_exhausted", first=path, remedy="raise fs.inotify.max_user_watches", until_then="rescans"
            )
