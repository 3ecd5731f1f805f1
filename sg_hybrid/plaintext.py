"""Text that may be shown: nothing in it moves a cursor, hides or turns around what a person reads. Pure."""

from __future__ import annotations

import re
from typing import Final

_ANSI: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-?]*[ -/]*[@-~]|\x1b[@-_]?"
)


def printable(text: str, *, keep_lines: bool = False) -> str:
    """Return `text` without characters that a terminal acts on or that cannot be seen.

    ANSI sequences, control, C1, bidi, zero-width, private and unassigned characters and lone surrogates are dropped;
    line breaks and tabs become blanks, or stay if `keep_lines`.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if keep_lines else ""
    return "".join(
        char if char.isprintable() or char in kept else " " if char.isspace() else "" for char in _ANSI.sub("", text)
    )
