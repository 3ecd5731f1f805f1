"""What commands print: tables and emphasis on a terminal, plain text in a pipe, JSON for programs.

Whatever a file or a reply holds, no printed character moves a cursor, hides or turns around what a person reads; JSON
keeps such characters as escapes. Rich is loaded only to write on a terminal (`__main__` keeps it out until then); it
obeys NO_COLOR and TERM.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from sg_hybrid.plaintext import printable

if TYPE_CHECKING:
    from rich.console import Console

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
_UNUSUAL: Final = re.compile(r"[^\n -~]")
_GAP: Final = "  "
_USUAL_WIDTH: Final = 80


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def print_json(value: object) -> None:
    """Print `value` as indented JSON with sorted keys."""
    print(_UNUSUAL.sub(_escaped, _ENCODER.encode(value)))


def print_line(text: str = "", style: str = "") -> None:
    """Print a line; `style` (as `bold`, `dim`, `cyan`) is for terminals only."""
    line = printable(text)
    if style and on_terminal():
        console = _console()
        from rich.text import Text

        console.print(Text(line, style), soft_wrap=True)
    else:
        print(line)


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[int] = ()) -> None:
    """Print rows under their heads; the columns numbered in `right` (from 0) are aligned to the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    if on_terminal():
        _print_rich(head, cells, right)
    else:
        _print_plain(head, cells, right)


def _print_plain(head: Sequence[str], cells: list[list[str]], right: Collection[int]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for row in (list(head), *cells):
        padded = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(_GAP.join(padded).rstrip())


def _print_rich(head: Sequence[str], cells: list[list[str]], right: Collection[int]) -> None:
    console = _console()
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _console() -> Console:
    if sys.modules.get("rich", sys) is None:  # kept out until now, see __main__
        del sys.modules["rich"]
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if console.width < 1:  # COLUMNS=0: no width is known; nothing at all would be printed
        console.width = _USUAL_WIDTH
    return console


def _escaped(found: re.Match[str]) -> str:
    """A character of a JSON text as it may be printed; outside of strings there are none of these.

    A byte of a file name that is no text (a lone surrogate in Python) is shown as `\\xff`: strict readers refuse the
    escape of a surrogate.
    """
    char = found[0]
    if "\udc80" <= char <= "\udcff":
        return f"\\\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else json.dumps(char)[1:-1]
