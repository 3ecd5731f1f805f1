"""Points in time as text: RFC 3339, and our own form of it (UTC, milliseconds, `Z`). Pure: nobody asks a clock here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_RFC3339: Final = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_OURS: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", re.ASCII)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def utc_text(moment: datetime) -> str:
    """Return an aware datetime as `2026-02-04T12:34:56.789Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the moment that `text` names, in UTC; one that a zone carries past year 1 or 9999 is held there.

    Raises ValueError for anything but RFC 3339 with a zone (capital `T` and `Z`, at most nanoseconds).
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 date-time with a zone (as 2026-02-04T12:34:56.789Z)")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"not a possible date-time: {error}") from error
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _EARLIEST if moment.year == 1 else _LATEST


def check_rfc3339(value: object) -> object:
    """Validate for a model field: the text itself stays as it was written."""
    if not isinstance(value, str):
        raise ValueError("not a string")  # noqa: TRY004 - pydantic turns ValueError into its report
    parse_rfc3339(value)
    return value


def check_utc_text(value: object) -> object:
    """Validate for a model field: our own form, UTC with milliseconds and `Z`."""
    if not isinstance(value, str) or not _OURS.fullmatch(value):
        raise ValueError("not UTC with milliseconds and Z (as 2026-02-04T12:34:56.789Z)")
    return check_rfc3339(value)
