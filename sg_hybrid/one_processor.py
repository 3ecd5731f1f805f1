"""Many takes at once are coached on one processor.

A Python thread lets go of the interpreter at each system call, some forty a take. With two processors every one of them
wakes a thread on the other one, which costs more than the call itself: a thousand takes need 1.1 s of one processor,
or 1.5 s of two with twice the work (docs/decisions/0010). What else runs on the machine, sound above all, keeps the
other processors. A lone take has nobody to hand over to: it is coached wherever it comes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MANY: Final = 64
"""So many takes at once are coached on one processor."""

MOST_S: Final = 5.0
"""So long, in seconds: should a real-time thread have taken that processor, the takes go on elsewhere."""

_PROCESSOR: Final = 36
"""Where `/proc/…/stat` has the processor that a thread ran on last, counted after the name of its command: proc(5)."""


class OneProcessor:
    """Brings the threads of this process together on one processor, and lets them go again. For the event loop."""

    def __init__(self, *, ours: bool = True) -> None:
        """`ours`: whether the whole process is the worker's. In somebody else's process nothing is done."""
        self._may = ours and sys.platform == "linux"
        self._before: set[int] = set()
        """The processors that the threads had; empty while they have them."""

    def gather(self) -> bool:
        """Keep all threads on the processor where the event loop is now; return whether that began with this call.

        Where the system does not let us, the threads stay as they are. Never raises.
        """
        if not self._may or self._before:
            return False
        try:
            allowed, processor = os.sched_getaffinity(0), _processor()
        except (OSError, ValueError, IndexError):  # there is no /proc, or another one than Linux's
            return False
        if len(allowed) < 2:
            return False
        self._before = allowed
        if not _move({processor}):
            self.let_go()
            self._may = False  # hundreds of takes need not ask again
        return bool(self._before)

    def let_go(self) -> None:
        """Give the threads their processors back."""
        if self._before:
            _move(self._before)
            self._before = set()


def _processor() -> int:
    stat = Path("/proc/thread-self/stat").read_text(encoding="ascii", errors="replace")
    return int(stat.rpartition(")")[2].split()[_PROCESSOR])


def _move(processors: Iterable[int]) -> bool:
    """Move the threads of this process; return whether the system let us move each. New ones inherit from theirs."""
    all_moved = True
    for thread in threading.enumerate():
        try:
            if thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, processors)
        except ProcessLookupError:  # it ended meanwhile
            continue
        except OSError:
            all_moved = False
    return all_moved
