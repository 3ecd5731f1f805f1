"""What a run changes on its disk, call by call, with every byte: the material of power cuts.

It stands between `os` and the kernel, in the process that runs; all its threads go through one lock, so the order is
the real one. What does not go through `os` would be missed: `missed` compares with what the kernel saw.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from tests.faults.tree import Tree, taken

Kind = Literal["add", "del", "mv", "size", "data", "sync", "said"]

_COUNTED: Final = {
    "write": "write",
    "pwrite64": "write",
    "fsync": "fsync",
    "fdatasync": "fsync",
    "ftruncate": "ftruncate",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "link": "link",
    "linkat": "link",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "mkdir": "mkdir",
    "mkdirat": "mkdir",
}


@dataclass(frozen=True, slots=True)
class Op:
    """One change. Files and folders go by number; `said` is a line of the journal."""

    kind: Kind
    label: str
    file: int = -1
    folder: int = -1
    """Whose names change; for `mv` the one that the name leaves."""
    name: str = ""
    into: int = -1
    new_name: str = ""
    offset: int = 0
    data: bytes = b""
    replaced: bool = False


@dataclass(slots=True)
class Log:
    """What was there before (folder 0 is the root), and what happened."""

    names: dict[int, dict[str, int]] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    modes: dict[int, int] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def new(self, mode: int, content: bytes | None) -> int:
        """Number a file, or a folder (`content` None)."""
        number = len(self.modes)
        self.modes[number] = mode
        if content is None:
            self.names[number] = {}
        else:
            self.contents[number] = content
        return number


def log_of(tree: Tree) -> Log:
    """Return a log in which nothing has happened to `tree` yet."""
    log = Log()
    _enter(log, tree)
    return log


def _enter(log: Log, tree: Tree) -> dict[str, int]:
    """Number a folder (path empty) and what is in it, all of it safe."""
    numbers = {"": log.new(0o755, None)}
    for path in sorted(tree):
        parent, _, name = path.rpartition("/")
        numbers[path] = log.new(tree[path].mode, tree[path].data)
        log.names[numbers[parent]][name] = numbers[path]
    return numbers


def missed(log: Log, calls: Sequence[str]) -> dict[str, int]:
    """Return how many calls the kernel saw (by name) that the log lacks; empty if it is complete."""
    seen = Counter(_COUNTED[call] for call in calls if call in _COUNTED)
    return {name: count - log.calls[name] for name, count in seen.items() if count != log.calls[name]}


class Recorder:
    """Records what this process does below `root`, and its lines in `journal`, from `install` on."""

    def __init__(self, root: Path, journal: Path, tree: Tree) -> None:
        self.log = log_of(tree)
        self._root, self._journal = os.fspath(root), os.fspath(journal)
        self._names = {number: dict(names) for number, names in self.log.names.items()}
        self._lock = threading.RLock()
        self._files: dict[int, int] = {}
        self._sayers: set[int] = set()

    def install(self) -> None:
        """Stand in for the calls of `os`. For a child process: it is not undone."""
        for name in ("open", "close", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "rename", "link", "mkdir"):
            setattr(os, name, self._standing_in(getattr(os, name), getattr(self, f"_{name}")))
        os.replace = os.rename
        os.unlink = os.remove = self._standing_in(os.unlink, self._unlink)

    def _standing_in(self, real: Callable[..., Any], recorded: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            with self._lock:
                return recorded(real, *args, **options)

        return call

    # Where

    def _absolute(self, path: Any, dir_fd: int | None) -> str:
        text = os.fsdecode(path)
        base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
        return os.path.normpath(os.path.join(base, text))

    def _find(self, path: str) -> tuple[int, str, int] | None:
        """Return folder, name and file (-1: not there) of a path below the root; None for one outside."""
        if path == self._root:
            return 0, ".", 0
        if not path.startswith(self._root + "/"):
            return None
        *parents, name = path[len(self._root) + 1 :].split("/")
        folder = 0
        for parent in parents:
            folder = self._names.get(folder, {}).get(parent, -1)
        return folder, name, self._names.get(folder, {}).get(name, -1)

    def _label(self, call: str, *paths: str) -> str:
        return f"{call} " + " -> ".join(os.path.relpath(path, self._root) for path in paths)

    def _note(self, kind: Kind, label: str, **facts: Any) -> None:
        self.log.ops.append(Op(kind, label, **facts))

    # Files

    def _open(self, real: Any, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        where = self._absolute(path, dir_fd)
        fd: int = real(path, flags, mode, dir_fd=dir_fd)
        if where == self._journal:
            self._sayers.add(fd)
        if (found := self._find(where)) is not None:
            folder, name, file = found
            label = self._label("open", where)
            if file < 0:
                file = self.log.new(mode, b"")
                self.log.contents[file] = b""
                self._names[folder][name] = file
                self._note("add", label, file=file, folder=folder, name=name)
            elif flags & os.O_TRUNC:
                self._note("size", label, file=file)
            self._files[fd] = file
        return fd

    def _close(self, real: Any, fd: int) -> None:
        self._files.pop(fd, None)
        self._sayers.discard(fd)
        real(fd)

    def _write(self, real: Any, fd: int, data: Any) -> int:
        at_end = fd in self._files and _appends(fd)
        offset = os.fstat(fd).st_size if at_end else os.lseek(fd, 0, os.SEEK_CUR) if fd in self._files else 0
        if fd in self._files:
            self.log.calls["write"] += 1
        count: int = real(fd, data)
        self._wrote(fd, bytes(data)[:count], offset)
        return count

    def _pwrite(self, real: Any, fd: int, data: Any, offset: int) -> int:
        if fd in self._files:
            self.log.calls["write"] += 1
        count: int = real(fd, data, offset)
        self._wrote(fd, bytes(data)[:count], offset)
        return count

    def _wrote(self, fd: int, data: bytes, offset: int) -> None:
        if fd in self._sayers:
            self._note("said", "the journal", data=data)
        elif fd in self._files:
            label = self._label("write", os.readlink(f"/proc/self/fd/{fd}"))
            self._note("data", label, file=self._files[fd], offset=offset, data=data)

    def _fsync(self, real: Any, fd: int) -> None:
        if fd in self._files:
            self.log.calls["fsync"] += 1
        real(fd)
        if fd in self._files:
            self._note("sync", self._label("fsync", os.readlink(f"/proc/self/fd/{fd}")), file=self._files[fd])

    _fdatasync = _fsync

    def _ftruncate(self, real: Any, fd: int, length: int) -> None:
        if fd in self._files:
            self.log.calls["ftruncate"] += 1
        real(fd, length)
        if fd in self._files:
            label = self._label("ftruncate", os.readlink(f"/proc/self/fd/{fd}"))
            self._note("size", label, file=self._files[fd], offset=length)

    # Names

    def _mkdir(self, real: Any, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        where = self._absolute(path, dir_fd)
        found = self._find(where)
        self.log.calls["mkdir"] += found is not None
        real(path, mode, dir_fd=dir_fd)
        if found is not None:
            folder, name, _ = found
            made = self.log.new(mode, None)
            self._names[made] = {}
            self._names[folder][name] = made
            self._note("add", self._label("mkdir", where), file=made, folder=folder, name=name)

    def _unlink(self, real: Any, path: Any, *, dir_fd: int | None = None) -> None:
        where = self._absolute(path, dir_fd)
        found = self._find(where)
        self.log.calls["unlink"] += found is not None
        real(path, dir_fd=dir_fd)
        if found is not None:
            folder, name, _ = found
            self._names[folder].pop(name, None)
            self._note("del", self._label("unlink", where), folder=folder, name=name)

    def _link(self, real: Any, source: Any, target: Any, **options: Any) -> None:
        there = self._find(self._absolute(source, options.get("src_dir_fd")))
        where = self._absolute(target, options.get("dst_dir_fd"))
        found = self._find(where)
        self.log.calls["link"] += found is not None
        real(source, target, **options)
        if found is not None and there is not None:
            folder, name, _ = found
            self._names[folder][name] = there[2]
            self._note("add", self._label("link", where), file=there[2], folder=folder, name=name)

    def _rename(
        self, real: Any, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        was, will_be = self._absolute(source, src_dir_fd), self._absolute(target, dst_dir_fd)
        there, found = self._find(was), self._find(will_be)
        self.log.calls["rename"] += there is not None or found is not None
        from_outside = there is None and found is not None
        brought = self._brought(was) if from_outside and os.path.exists(was) else -1
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if found is None:
            return
        into, new_name, old = found
        label = self._label("rename", was, will_be)
        if there is None:
            self._names[into][new_name] = brought
            self._note("add", label, file=brought, folder=into, name=new_name)
            return
        folder, name, file = there
        self._names[folder].pop(name, None)
        self._names[into][new_name] = file
        facts = {"folder": folder, "name": name, "into": into, "new_name": new_name, "replaced": old >= 0}
        self._note("mv", label, file=file, **facts)

    def _brought(self, path: str) -> int:
        """Number a file or a folder that comes from outside: it was safe there."""
        if os.path.isfile(path):
            return self.log.new(0o644, Path(path).read_bytes())
        numbers = _enter(self.log, taken(Path(path)))
        self._names |= {number: dict(self.log.names[number]) for number in numbers.values() if number in self.log.names}
        return numbers[""]


def _appends(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)
