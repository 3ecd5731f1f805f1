"""The standard streams of a command: there, UTF-8 whatever the locale, and honest about output that got lost."""

from __future__ import annotations

import io
import os
import sys


def open_streams(errors: str) -> None:
    """Make the standard streams usable; `errors` is what becomes of text that is not UTF-8.

    In the place of a closed one, which the next file that is opened would take, comes a device: nowhere for errors,
    and for output one that refuses it, so that a result that nobody can get is no success. A closed stdin stays None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY)  # takes the lowest number: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def lost_or(error: BaseException) -> BaseException:
    """Return `error`, or why output cannot be written if that is where it came from: a failed print names no file."""
    lost = lost_output()
    return lost if lost is not None and isinstance(error, OSError) and error.filename is None else error


def lost_output() -> OSError | None:
    """Write what waits for stdout; return why it cannot be written, or None.

    After that it goes nowhere: Python's own try at the end would complain, and end the process with 120.
    """
    try:
        if sys.stdout is not None:  # None: a program without stdout calls the command line as a function
            sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return OSError(error.errno, error.strerror, "stdout")
    return None
