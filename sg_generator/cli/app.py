"""The command line as a whole: which commands there are, and where their errors end."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from . import generate, serve
from .exits import exit_code_of

NAME: Final = "sg-generator"

_ORDER: Final = ("serve", "generate", "styles")

_EPILOG: Final = (
    "Exit codes: 0 fine, 1 failed, 2 wrong usage, unusable request or file not found, 3 a setting cannot be used, "
    "4 the address is taken or cannot be used, 130 interrupted."
)


class Program(TyperGroup):
    """The root of all commands; whatever one raises becomes a line on stderr and an exit code here."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command that `args` (see the base class) name, and end the process with its exit code."""
        options = {"prog_name": NAME, **options, "standalone_mode": False}
        sys.exit(exit_code_of(partial(super().main, *args, **options)))

    def list_commands(self, _context: object) -> list[str]:
        """The commands in the order of use."""
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    cls=Program,
    name=NAME,
    help="The Smart Guitar's generator: chords in, a backing clip out; its HTTP API and its practice page.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from sg_coach.__about__ import __version__

        print(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of the program itself; `version` has ended it before this runs."""


app.command("serve")(serve.serve)
app.command("generate")(generate.generate)
app.command("styles")(generate.styles)
