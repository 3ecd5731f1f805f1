"""Folder trees as values: taken from the disk, put on a disk, compared."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

OLD: Final = 1_770_204_000
"""Time of change of what `build` makes, in seconds since 1970: an hour before the now of tests."""

_TEMPORARY: Final = re.compile(r"\.\d+-\d+\.tmp$")
_HOLDER: Final = "worker.lock"
HERE: Final = b"@here@"
"""Stands for the root's own path, which contexts hold, so that a tree can be built elsewhere."""


@dataclass(frozen=True, slots=True)
class Node:
    """A file or a folder (`data` is None)."""

    data: bytes | None
    mode: int


Tree = dict[str, Node]
"""By path, relative to the root."""


def take(root: Path) -> Tree:
    """Return what is under `root`. Its own path in a file becomes a mark."""
    return marked(taken(root), root)


def settled(root: Path) -> Tree:
    """The same of a tree that may be changing: what two looks in a row agree on.

    It ends, as every thread of a watched process is held at its next call.
    """
    last: Tree | None = None
    while True:
        try:
            now = take(root)
        except FileNotFoundError:  # renamed or removed between its name and its content
            continue
        if now == last:
            return now
        last = now


def marked(tree: Tree, root: Path) -> Tree:
    """The same with a mark for the path of `root`."""
    here = os.fsencode(root)
    return {
        path: node if node.data is None or here not in node.data else Node(node.data.replace(here, HERE), node.mode)
        for path, node in tree.items()
    }


def taken(root: Path) -> Tree:
    """Return what is under `root`, to the byte."""
    tree: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            data = None if stat.S_ISDIR(status.st_mode) else Path(path).read_bytes()
            tree[os.path.relpath(path, root)] = Node(data, stat.S_IMODE(status.st_mode))
    return tree


def build(tree: Tree, root: Path, *, later: int = 0) -> None:
    """Make the tree in the empty folder `root`; names in order have times of change in order (`later`: in seconds)."""
    for age, path in enumerate(sorted(tree), later):
        node, full = tree[path], root / path
        if node.data is None:
            full.mkdir(exist_ok=True)
        else:
            full.write_bytes(node.data.replace(HERE, os.fsencode(root)))
            os.utime(full, (OLD + age, OLD + age))
        full.chmod(node.mode)


def key(tree: Tree, *more: bytes) -> bytes:
    """Return a digest that is equal for trees that no reader can tell apart.

    Process ids count for nothing. Of temporaries only their names do, and each once: nobody reads them, and a restart
    that is killed again and again leaves one more each time.
    """
    digest = sha256()
    lines = {_line(path, node) for path, node in tree.items()}
    for line in sorted(lines):
        digest.update(line)
    for part in more:
        digest.update(part)
    return digest.digest()


def _line(path: str, node: Node) -> bytes:
    """What of a file or folder counts for `key`."""
    if _TEMPORARY.search(path):
        return f"{_TEMPORARY.sub('.*.tmp', path)}\0temporary\n".encode()
    data = b"" if node.data is None or path.endswith(_HOLDER) else node.data
    return f"{path}\0{node.mode}\0{node.data is None}\0{sha256(data).hexdigest()}\n".encode()
