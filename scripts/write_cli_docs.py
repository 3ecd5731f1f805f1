"""Write docs/cli/: what every command says to --help, one file a command, the same on every machine.

python scripts/write_cli_docs.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Pages = Iterator[tuple[str, str]]
"""Pairs of a command's full name (`sg-hybrid queue ls`) and its help."""

WIDTH: Final = 100
FOLDER: Final = ROOT / "docs" / "cli"


def sg_hybrid() -> Pages:
    """The pages of `sg-hybrid` (typer)."""
    import typer.main

    from sg_hybrid.cli.app import NAME, app

    return _of_typer(typer.main.get_command(app), NAME, None)


def sg_generator() -> Pages:
    """The pages of `sg-generator` (typer)."""
    import typer.main

    from sg_generator.cli.app import NAME, app

    return _of_typer(typer.main.get_command(app), NAME, None)


def sgc() -> Pages:
    """The pages of `sgc` (argparse; its parser has a fixed width)."""
    from sg_coach.cli import build_parser

    return _of_argparse(build_parser())


PROGRAMS: Final[Mapping[str, Callable[[], Pages]]] = {
    "sg-hybrid": sg_hybrid,
    "sg-generator": sg_generator,
    "sgc": sgc,
}
"""Every console script of the project, and what its pages come from."""


def pages() -> dict[str, str]:
    """Return file name (`sg-hybrid-queue-ls.txt`) to content, for all programs."""
    found = (page for program in PROGRAMS.values() for page in program())
    return {f"{name.replace(' ', '-')}.txt": text.rstrip() + "\n" for name, text in found}


def _of_typer(command: Any, name: str, parent: Any) -> Pages:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH, "color": False}
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent, **settings)
    yield name, command.get_help(context)
    for inner in getattr(command, "commands", {}).values():
        yield from _of_typer(inner, f"{name} {inner.name}", context)


def _of_argparse(parser: argparse.ArgumentParser) -> Pages:
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _of_argparse(inner)


def main() -> int:
    """Make docs/cli/ hold exactly the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.txt"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"{len(wanted)} pages in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
