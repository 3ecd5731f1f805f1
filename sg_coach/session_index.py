"""`session.index.json`: one entry a take and event, beside the clips of the day. Generator and worker both append.

An append rewrites the file under the folder's lock (whole or not at all, durable), so no entry is ever lost or torn.
A file in our own form is extended as text, without parsing what is there already.
"""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from .contract import INDEX_FILE
from .errors import InvalidInput, UnsafePath
from .files import Folder
from .jsontext import parse_json_object, to_json_bytes, to_json_text

MAX_INDEX_BYTES: Final = 256 * 1024 * 1024
"""Largest index that is read, in bytes."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEAD: Final = b'{\n  "entries": [\n    {'
_TAIL: Final = b"\n  ]\n}\n"


def is_day_name(name: str) -> bool:
    """Whether a folder of this name holds the bundles of a day."""
    return _DAY.fullmatch(name) is not None


def append_entries(day: Path, entries: Sequence[dict[str, Any]], *, again: bool = False) -> Path | None:
    """Append `entries` to the index in the folder `day`, durably.

    An index that cannot be read, or is no plain file with one name (a symlink, a folder), is kept aside as it is, as
    `session.index.json.broken-N`, and a new one is begun: returns where it is then. `again`: they may be there already,
    after a try that failed; those of a take (clip id and digest) that has its entry are left out. Raises OSError,
    LockTimeout, UnsafePath if `day` is no folder.
    """
    return append_waiting(day, lambda: entries, again=again)


def append_waiting(day: Path, waiting: Callable[[], Sequence[dict[str, Any]]], *, again: bool = False) -> Path | None:
    """`append_entries` of what waits at the moment when the lock is held: whoever came meanwhile goes along."""
    aside: Path | None = None
    with Folder.open(day) as folder, folder.lock():
        entries = waiting()
        try:
            found = folder.read_if_there(INDEX_FILE, MAX_INDEX_BYTES)
            data = _extended(found, _missing(found, entries) if again else entries)
        except (InvalidInput, UnsafePath):
            aside = _set_aside(folder)
            data = to_json_bytes({"entries": list(entries)})
        folder.write(INDEX_FILE, data)
    return aside


def remove_stale_temporaries(day: Path) -> int:
    """Remove what dead writers left beside the index in the folder `day`. Raises OSError, LockTimeout."""
    with Folder.open(day) as folder, folder.lock():
        return folder.remove_stale_temporaries()


def read_entries(day: Path) -> list[dict[str, Any]]:
    """Return the entries of the index in `day`, oldest first; empty if there is none.

    Raises InvalidInput naming the file if it cannot be read, UnsafePath if it (or `day`) is something else, OSError.
    """
    try:
        with Folder.open(day) as folder:
            found = folder.read_if_there(INDEX_FILE, MAX_INDEX_BYTES)
    except FileNotFoundError:
        return []
    return [] if found is None else _entries(found)


def _entries(data: bytes) -> list[dict[str, Any]]:
    try:
        entries = parse_json_object(data).get("entries")
    except InvalidInput as error:
        raise error.in_file(INDEX_FILE) from error
    if not isinstance(entries, list):
        raise InvalidInput("not a list", source=INDEX_FILE, field="entries")
    return [entry for entry in entries if isinstance(entry, dict)]


def _missing(found: bytes | None, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    there = {_take_of(entry) for entry in (_entries(found) if found is not None else ())}
    return [entry for entry in entries if _take_of(entry) not in there]


def _take_of(entry: dict[str, Any]) -> tuple[str, str]:
    return str(entry.get("clip_id")), str(entry.get("input_sha256"))


def _extended(found: bytes | None, entries: Sequence[dict[str, Any]]) -> bytes:
    if found is None:
        return to_json_bytes({"entries": list(entries)})
    if not entries:
        return found
    if found.startswith(_HEAD) and found.endswith(_TAIL):
        more = ",\n".join(textwrap.indent(to_json_text(entry).rstrip("\n"), "    ") for entry in entries)
        return found[: -len(_TAIL)] + b",\n" + more.encode() + _TAIL
    return to_json_bytes({**parse_json_object(found), "entries": [*_entries(found), *entries]})


def _set_aside(folder: Folder) -> Path:
    """Rename what stands there, whatever it is: no link is followed, nothing is lost."""
    number = 1
    while folder.exists(f"{INDEX_FILE}.broken-{number}"):
        number += 1
    name = f"{INDEX_FILE}.broken-{number}"
    with contextlib.suppress(FileNotFoundError):  # somebody took it away meanwhile: nothing is in the way
        folder.move(INDEX_FILE, folder, name)
    return folder.path / name
