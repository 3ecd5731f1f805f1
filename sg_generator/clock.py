"""The wall clock, asked in this one place; everything else gets `now` as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return now, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place
