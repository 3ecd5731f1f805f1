"""The machine's clocks (implements ports.Clock). Made in `compose`, in the command line and in the demo."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Monotonic, boot and wall clock of this machine."""

    def monotonic(self) -> float:
        """See ports.Clock."""
        return time.monotonic()

    def boottime(self) -> float:
        """See ports.Clock."""
        return time.clock_gettime(_BOOT_CLOCK)

    def now(self) -> datetime:
        """See ports.Clock."""
        return datetime.now(UTC)  # noqa: TID251 - the one place
