"""Which system calls are fault points, and where their paths are.

Shape letters, one an argument: d directory descriptor, p path, t target text of a symlink, f open descriptor,
o flags of an open, _ skip.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Final

AARCH64: Final = platform.machine() in ("aarch64", "arm64")


@dataclass(frozen=True, slots=True)
class Shape:
    """One system call: its numbers (None where an architecture has none) and the letters of its arguments."""

    x86_64: int | None
    aarch64: int | None
    letters: str

    @property
    def number(self) -> int | None:
        return self.aarch64 if AARCH64 else self.x86_64


OPENS: Final = {
    "open": Shape(2, None, "po"),
    "creat": Shape(85, None, "p"),
    "openat": Shape(257, 56, "dpo"),
    "openat2": Shape(437, 437, "dp"),
}
CONTENTS: Final = {
    "write": Shape(1, 64, "f"),
    "pwrite64": Shape(18, 68, "f"),
    "writev": Shape(20, 66, "f"),
    "sendfile": Shape(40, 71, "f"),
    "copy_file_range": Shape(326, 285, "__f"),
    "fallocate": Shape(285, 47, "f"),
    "ftruncate": Shape(77, 46, "f"),
    "truncate": Shape(76, 45, "p"),
}
SYNCS: Final = {"fsync": Shape(74, 82, "f"), "fdatasync": Shape(75, 83, "f")}
NAMES: Final = {
    "rename": Shape(82, None, "pp"),
    "renameat": Shape(264, 38, "dpdp"),
    "renameat2": Shape(316, 276, "dpdp"),
    "link": Shape(86, None, "pp"),
    "linkat": Shape(265, 37, "dpdp"),
    "symlink": Shape(88, None, "tp"),
    "symlinkat": Shape(266, 36, "tdp"),
    "mkdir": Shape(83, None, "p"),
    "mkdirat": Shape(258, 34, "dp"),
}
REMOVALS: Final = {
    "unlink": Shape(87, None, "p"),
    "unlinkat": Shape(263, 35, "dp"),
    "rmdir": Shape(84, None, "p"),
}
MODES: Final = {
    "fchmod": Shape(91, 52, "f"),
    "chmod": Shape(90, None, "p"),
    "fchmodat": Shape(268, 53, "dp"),
    "utimensat": Shape(280, 88, "dp"),
}
CLOSES: Final = {"close": Shape(3, 57, "f")}
READS: Final = {
    "read": Shape(0, 63, "f"),
    "pread64": Shape(17, 67, "f"),
    "getdents64": Shape(217, 61, "f"),
    "flock": Shape(73, 32, "f"),
}

WRITING: Final = OPENS | CONTENTS | SYNCS | NAMES | REMOVALS | MODES | CLOSES
"""Calls that change the disk, or that end or begin a change. An open counts if it is for writing."""

ALL: Final = WRITING | READS
WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_ROOM: Final = {*OPENS, *CONTENTS, *SYNCS, *NAMES}
APPLIES: Final[dict[str, set[str]]] = {
    "ENOSPC": _ROOM,
    "EIO": {*ALL} - {"flock", *CLOSES},  # the kernel lets go of a descriptor even if it reports an error
    "EACCES": {*OPENS, *NAMES, *REMOVALS, "truncate", "chmod", "fchmodat", "utimensat"},
    "EMFILE": {*OPENS},
    "ENOLCK": {"flock"},
}
"""Where the kernel could really return an error. A signal can strike anywhere."""

READ_SIDE: Final = frozenset({"EIO", "EACCES", "EMFILE", "ENOLCK"})
"""Errors that reading calls are tried with, too."""


def applies(kind: str, name: str) -> bool:
    """Tell whether a fault of this kind can strike a call of this name."""
    return name in APPLIES.get(kind, ALL)


def numbers(reads: bool) -> dict[int, str]:
    """Return the calls that are watched on this machine, by number."""
    return {shape.number: name for name, shape in (ALL if reads else WRITING).items() if shape.number is not None}
