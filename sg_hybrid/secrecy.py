"""Keeping keys and tokens out of what leaves the process: texts for people and logs, and core dumps."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable
from typing import Final

HIDDEN: Final = "[hidden]"

_SUSPECT: Final = r"sk-[A-Za-z0-9_-]{8,}|(?<=Bearer )\S+"
_SHORTEST: Final = 4
_PR_SET_DUMPABLE: Final = 4

_known: set[str] = set()


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function that hides these secrets, and what looks like one, in a text."""
    known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
    pattern = re.compile("|".join([_SUSPECT, *map(re.escape, known)]))
    return lambda text: pattern.sub(HIDDEN, text)


def redact(text: str) -> str:
    """Hide the secrets of this process (see `guard`) in a text that a person will read."""
    return redactor(_known)(text)


def guard(secrets: Iterable[str]) -> None:
    """Keep these secrets out of error lines and core dumps of this process from now on. Nothing to do without any."""
    found = set(secrets)
    if found:
        _known.update(found)
        forbid_core_dumps()


def forbid_core_dumps() -> None:
    """See to it that a crash leaves no image of the memory, wherever the system sends its core dumps.

    The limit stops core files; on Linux the process also counts as not dumpable, since a limit of 0 does not keep the
    kernel from feeding a crash reporter. Others of the same user can then no longer read its memory or environment.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
