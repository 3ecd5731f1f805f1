"""The latencies that were taken out of the last takes of each device: a small JSON file that a player can look into.

{"devices": {"sg-000142": [{"latency_ms": 18.4, "at_utc": "2026-02-04T12:34:56.789Z"}, …]}}
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from .errors import InvalidInput
from .field_types import Number, UtcText
from .files import PRIVATE, Folder
from .jsontext import parse_json_object, to_json_bytes
from .models import SessionRecord, Value, first_problem
from .take.statistics import median
from .trees import read_file

KEPT: Final = 8
"""Takes a device whose latency is remembered."""

MOST_DEVICES: Final = 100
"""Devices that are remembered; of more, those that were used last."""

MAX_BOOK_BYTES: Final = 256 * 1024
BOOK_FILE: Final = "latency.json"


class Removed(Value):
    """One take's latency, in ms, late is positive."""

    latency_ms: Annotated[Number, Field(ge=-80, le=80)]
    at_utc: UtcText


Device = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class LatencyBook(Value):
    """Device to the latencies of its last takes, the newest last."""

    devices: dict[Device, tuple[Removed, ...]] = Field(default_factory=dict)

    def usual_ms(self, device: str) -> float | None:
        """Return the median of a device's last takes, or None if there is none."""
        found = self.devices.get(device)
        return median([one.latency_ms for one in found]) if found else None

    def with_take(self, device: str, removed: Removed) -> LatencyBook:
        """Return the book with one take more."""
        kept = (*self.devices.get(device, ()), removed)[-KEPT:]
        others = [(name, takes) for name, takes in self.devices.items() if name != device]
        return LatencyBook(devices=dict([*others, (device, kept)][-MOST_DEVICES:]))


def book_path(environ: Mapping[str, str]) -> Path:
    """Return where the book lies if nobody says otherwise: in the user's data folder (XDG base directories)."""
    data = environ.get("XDG_DATA_HOME", "")
    if data.startswith("/"):
        return Path(data, "sgc", BOOK_FILE)
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        problem = "neither XDG_DATA_HOME nor HOME is an absolute path"
        raise InvalidInput(problem, field="--book", remedy="use --book FILE")
    return Path(home, ".local", "share", "sgc", BOOK_FILE)


def users_book() -> Path:
    """Return `book_path` of this process."""
    return book_path(os.environ)  # noqa: TID251 - where a user's data lies is what these variables are for


def read_book(path: Path) -> LatencyBook:
    """Return the book, empty if there is none. Raises InvalidInput naming the file and the field, UnsafePath."""
    try:
        return LatencyBook.model_validate(parse_json_object(read_file(path, MAX_BOOK_BYTES)))
    except FileNotFoundError:
        return LatencyBook()
    except ValidationError as error:
        raise first_problem(error, str(path)) from error
    except InvalidInput as error:
        raise error if error.source else error.in_file(str(path)) from error


def note_latencies(path: Path, takes: Sequence[tuple[str, Removed]]) -> None:
    """Write some takes more into the book, by device, durably; two writers at a time lose nothing.

    Raises as `read_book`, and OSError, LockTimeout.
    """
    path = path.absolute()
    opened = Folder.open if path.parent.exists() else Folder.make_private
    with opened(path.parent) as folder, folder.lock():
        book = read_book(path)
        for device, removed in takes:
            book = book.with_take(device, removed)
        folder.write(path.name, to_json_bytes(book.model_dump(mode="json")), mode=PRIVATE)


def found_latency(session: SessionRecord) -> float | None:
    """Return the latency that the analyser found in a take; None if it says nothing (random notes have none)."""
    return session.latency_removed_ms if session.timing_measurable else None
