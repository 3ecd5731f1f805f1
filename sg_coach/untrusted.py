"""What may come out of a bundle or an archive that nobody vouches for: names and amounts. Pure.

A path must mean the same file to every reader (Linux, FAT cards, Windows tools), and never one outside its folder.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from .errors import UnsafeArchive, UnsafePath

MAX_ENTRIES: Final = 4096
"""Most files and folders in a bundle or archive."""

MAX_EXPANDED_BYTES: Final = 256 * 1024 * 1024
"""Largest sum of all files, unpacked (256 MiB)."""

MAX_RATIO: Final = 100
"""Most unpacked bytes for one packed byte."""

MAX_PATH_LENGTH: Final = 1000
MAX_NAME_BYTES: Final = 255

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def shown(text: str, longest: int = 80) -> str:
    """Return `text` for a message: what cannot be printed is escaped (control, bidi, zero-width), long text is cut."""
    short = text if len(text) <= longest else text[:longest] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in short)


def check_relative_path(path: str) -> str:
    """Return `path` if it names one file inside a folder, with `/` between its parts; raise UnsafePath if not."""
    problem = _path_problem(path) or next((found for part in path.split("/") if (found := _part_problem(part))), None)
    if problem:
        raise UnsafePath(f"the path '{shown(path)}' {problem}")
    return path


def _path_problem(path: str) -> str | None:
    checks = (
        (not path, "is empty"),
        (len(path) > MAX_PATH_LENGTH, f"is longer than {MAX_PATH_LENGTH} characters"),
        (not path.isprintable(), "holds a character that cannot be printed"),
        (path.startswith("/"), "is absolute"),
        (_DRIVE.match(path) is not None, "has a drive letter"),
        ("\\" in path, "holds a backslash"),
        (":" in path, "holds a colon"),
    )
    return next((problem for found, problem in checks if found), None)


def _part_problem(part: str) -> str | None:
    checks = (
        (not part, "has an empty part"),
        (part in (".", ".."), "holds . or .."),
        (part.endswith((".", " ")), "has a part that ends with a dot or a blank"),
        (len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES, f"has a part longer than {MAX_NAME_BYTES} bytes"),
    )
    return next((problem for found, problem in checks if found), None)


def check_distinct(files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Raise UnsafeArchive if two paths lead to one file or folder somewhere.

    That is: the same path twice, paths that differ only by case or by Unicode normal form, a file that another path
    uses as its folder. `folders` are those that an archive lists by themselves.
    """
    seen: dict[str, str] = {}
    for path in files:
        _note(path, seen)
    own = dict(seen)
    for path in folders:
        _note(path, own)
    for folded, path in own.items():
        parts = folded.split("/")
        above = next((found for end in range(1, len(parts)) if (found := seen.get("/".join(parts[:end])))), None)
        if above is not None:
            raise UnsafeArchive(f"'{shown(above)}' is a file and the folder of '{shown(path)}'")


def _note(path: str, seen: dict[str, str]) -> None:
    folded = _folded(path)
    if folded in seen:
        raise UnsafeArchive(f"two entries for one file: '{shown(seen[folded])}' and '{shown(path)}'")
    seen[folded] = path


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def check_amount(count: int, total_bytes: int) -> None:
    """Raise UnsafeArchive if there are more entries or bytes than a bundle may hold."""
    if count > MAX_ENTRIES:
        raise UnsafeArchive(f"{count} entries, the limit is {MAX_ENTRIES}")
    if total_bytes > MAX_EXPANDED_BYTES:
        raise UnsafeArchive(f"{total_bytes} bytes unpacked, the limit is {MAX_EXPANDED_BYTES}")
