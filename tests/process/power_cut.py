"""What a kill or a power cut leaves of a folder tree, at every system call and in every order that a disk may choose.

`Recorder` notes the calls that change files (of the thread that runs it) while they really happen. `trees` then gives
what could be found afterwards, by these rules of a journaling file system:

- a name's creation, rename or removal is kept once one of its folders was fsynced after it; before that, each folder's
  changes may be kept or lost (a rename between two folders as a whole);
- a file's content is kept once it was fsynced after it was written; before that it may be kept, or the file is empty.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

Tree = frozenset[tuple[str, bytes]]
"""Relative path and content of every file."""


@dataclass(frozen=True, slots=True)
class Change:
    """A name came, went, or became another. Paths are relative to the recorded root."""

    old: str | None
    new: str | None
    file: int = 0

    @property
    def folders(self) -> set[str]:
        return {os.path.dirname(path) for path in (self.old, self.new) if path is not None}


@dataclass(frozen=True, slots=True)
class Crash:
    """A tree that may be found, and how much was acknowledged before."""

    acknowledged: tuple[str, ...]
    tree: Tree

    def build(self, root: Path, like: Path) -> None:
        """Make the tree in `root`, with the folders of `like`."""
        for folder, _, _ in os.walk(like):
            (root / Path(folder).relative_to(like)).mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, content in self.tree:
            (root / path).write_bytes(content)
            (root / path).chmod(0o600)


class Recorder:
    """Records what happens to the files below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._events: list[Change | tuple[str, Any]] = []
        self._acknowledged: tuple[str, ...] = ()
        self._files: dict[int, int] = {}
        """Inode to a number that no later file gets."""

    def acknowledge(self, what: str) -> None:
        """From here on, `what` must survive."""
        self._acknowledged = (*self._acknowledged, what)
        self._events.append(("acknowledged", self._acknowledged))

    @contextmanager
    def recording(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open", "write", "rename", "unlink", "fsync"):
                patch.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))
            yield

    def crashes(self) -> set[Crash]:
        """Every tree that may be found, whenever the crash came."""
        return {crash for count in range(len(self._events) + 1) for crash in _after(self._events[:count])}

    def _file(self, status: os.stat_result) -> int:
        return self._files[status.st_ino]

    def _relative(self, name: str, dir_fd: int | None) -> str:
        folder = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else ""
        return os.path.relpath(os.path.join(folder, name), self._root)

    def _open(self, real: Any) -> Any:
        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            fd: int = real(path, flags, mode, dir_fd=dir_fd)
            if flags & os.O_CREAT:
                self._files[os.fstat(fd).st_ino] = len(self._events)
                self._events.append(Change(None, self._relative(path, dir_fd), self._file(os.fstat(fd))))
            return fd

        return opened

    def _write(self, real: Any) -> Any:
        def written(fd: int, data: Any) -> int:
            count: int = real(fd, data)
            self._events.append(("written", (self._file(os.fstat(fd)), bytes(data[:count]))))
            return count

        return written

    def _rename(self, real: Any) -> Any:
        def renamed(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            file = self._file(os.stat(old, dir_fd=src_dir_fd, follow_symlinks=False))
            change = Change(self._relative(old, src_dir_fd), self._relative(new, dst_dir_fd), file)
            real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            self._events.append(change)

        return renamed

    def _unlink(self, real: Any) -> Any:
        def unlinked(name: str, *, dir_fd: int) -> None:
            real(name, dir_fd=dir_fd)
            self._events.append(Change(self._relative(name, dir_fd), None))

        return unlinked

    def _fsync(self, real: Any) -> Any:
        def synced(fd: int) -> None:
            real(fd)
            status = os.fstat(fd)
            if stat.S_ISDIR(status.st_mode):
                self._events.append(("folder synced", os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), self._root)))
            else:
                self._events.append(("file synced", self._file(status)))

        return synced


def _after(events: list[Change | tuple[str, Any]]) -> set[Crash]:
    """Every tree that may be found if the crash came after these events."""
    acknowledged: tuple[str, ...] = ()
    safe, unsafe = [], list[tuple[int, Change]]()
    written, synced = dict[int, bytes](), dict[int, bytes]()
    for position, event in enumerate(events):
        match event:
            case Change():
                unsafe.append((position, event))
            case ("written", (file, data)):
                written[file] = written.get(file, b"") + data
            case ("file synced", file):
                synced[file] = written.get(file, b"")
            case ("folder synced", folder):
                safe += [item for item in unsafe if folder in item[1].folders]
                unsafe = [item for item in unsafe if folder not in item[1].folders]
            case ("acknowledged", so_far):
                acknowledged = so_far
    return {
        Crash(acknowledged, _replay([*safe, *kept], content))
        for kept in _kept(unsafe)
        for content in (written, {file: synced.get(file, b"") for file in written})
    }


def _kept(unsafe: list[tuple[int, Change]]) -> Iterator[list[tuple[int, Change]]]:
    folders = sorted(set().union(*(change.folders for _, change in unsafe)))
    for some in chain.from_iterable(combinations(folders, count) for count in range(len(folders) + 1)):
        yield [item for item in unsafe if item[1].folders & set(some)]


def _replay(changes: list[tuple[int, Change]], content: dict[int, bytes]) -> Tree:
    names: dict[str, int] = {}
    for _, change in sorted(changes, key=lambda item: item[0]):
        if change.old is not None:
            names.pop(change.old, None)
        if change.new is not None:
            names[change.new] = change.file
    return frozenset((path, content.get(file, b"")) for path, file in names.items())
