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
_HERE: Final = b"@here@"
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
    tree: Tree = {}
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            data = None if stat.S_ISDIR(status.st_mode) else Path(path).read_bytes().replace(os.fsencode(root), _HERE)
            tree[os.path.relpath(path, root)] = Node(data, stat.S_IMODE(status.st_mode))
    return tree


def build(tree: Tree, root: Path) -> None:
    """Make the tree in the empty folder `root`; names in order have times of change in order."""
    for age, path in enumerate(sorted(tree)):
        node, full = tree[path], root / path
        if node.data is None:
            full.mkdir(exist_ok=True)
        else:
            full.write_bytes(node.data.replace(_HERE, os.fsencode(root)))
            os.utime(full, (OLD + age, OLD + age))
        full.chmod(node.mode)


def key(tree: Tree, *more: bytes) -> bytes:
    """Return a digest that is equal for trees that no reader can tell apart (process ids aside)."""
    digest = sha256()
    for path in sorted(tree, key=lambda path: _TEMPORARY.sub(".*.tmp", path)):
        node = tree[path]
        data = b"" if node.data is None or path.endswith(_HOLDER) else node.data
        name = _TEMPORARY.sub(".*.tmp", path)
        digest.update(f"{name}\0{node.mode}\0{node.data is None}\0{len(data)}\0".encode())
        digest.update(data)
    for part in more:
        digest.update(part)
    return digest.digest()
