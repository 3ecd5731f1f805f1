"""When something is built. The one place in this package that asks the wall clock.

`SOURCE_DATE_EPOCH` (seconds since 1970, UTC) is the convention of reproducible-builds.org: whoever sets it gets the
same bytes from the same input.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from .errors import InvalidInput

SOURCE_DATE_EPOCH: Final = "SOURCE_DATE_EPOCH"


def build_time() -> datetime:
    """Return the moment to write into what is built, in UTC: SOURCE_DATE_EPOCH if it is set, else now."""
    # The convention names this variable, and a build tool is the edge where time enters.
    return epoch_of(os.environ) or datetime.now(UTC)  # noqa: TID251


def epoch_of(environ: Mapping[str, str]) -> datetime | None:
    """Return the moment that SOURCE_DATE_EPOCH names, None if it is not set or empty. Raises InvalidInput."""
    text = environ.get(SOURCE_DATE_EPOCH, "")
    if not text:
        return None
    try:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        problem, remedy = "not a count of seconds since 1970", "set it to a whole number or leave it out"
        raise InvalidInput(problem, source="environment", field=SOURCE_DATE_EPOCH, remedy=remedy) from error
