"""The end of the process: all is done and its code is known, so a signal that comes now must not change it."""

from __future__ import annotations

import signal

_ours = False


def own_process() -> None:
    """Say that this process ends with the command; it does not where a program calls the command in its own."""
    global _ours
    _ours = True


def ignore_signals() -> None:
    """Ignore what would end the process from now on, if it is ours: it is about to end."""
    if _ours:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
