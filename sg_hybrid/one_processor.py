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
import time
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
        self._until = 0.0

    def gather(self) -> None:
        """Keep all threads on the processor where the event loop is now. Nothing is done where that is not allowed."""
        if not self._may or self._before:
            return
        allowed = os.sched_getaffinity(0)
        if len(allowed) > 1 and _move({_processor()}):
            self._before, self._until = allowed, time.monotonic() + MOST_S

    def let_go(self, *, busy: bool) -> None:
        """Give the threads their processors back; while `busy`, only if they have been together for `MOST_S`."""
        if self._before and not (busy and time.monotonic() < self._until):
            _move(self._before)
            self._before = set()


def _processor() -> int:
    stat = Path("/proc/thread-self/stat").read_text(encoding="ascii", errors="replace")
    return int(stat.rpartition(")")[2].split()[_PROCESSOR])


def _move(processors: Iterable[int]) -> bool:
    """Move the threads of this process; return False if the system does not let us. New ones inherit from theirs."""
    for thread in threading.enumerate():
        try:
            if thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, processors)
        except ProcessLookupError:  # it ended meanwhile
            continue
        except OSError:
            return False
    return True
