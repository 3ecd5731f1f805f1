"""The command line as a whole: which commands there are, and where their errors end."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from . import ai, check, config, demo, queue_commands, run, show, simulate
from .exits import exit_code_of

NAME: Final = "sg-hybrid"

_ORDER: Final = ("run", "coach", "show", "check", "queue", "ai", "simulate", "config", "demo")

_EPILOG: Final = (
    "Exit codes: 0 fine, 1 failed or problems found, 2 wrong usage or file not found, 3 a setting cannot be used, "
    "4 another worker holds the queue, 5 the bundle was refused, 130 interrupted."
)


class Program(TyperGroup):
    """The root of all commands; whatever one raises becomes a line on stderr and an exit code here."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command that `args` (see the base class) name, and end the process with its exit code."""
        options = {"prog_name": NAME, **options, "standalone_mode": False}
        sys.exit(exit_code_of(partial(super().main, *args, **options)))

    def list_commands(self, _context: object) -> list[str]:
        """The commands in the order of a day with them, groups among the others."""
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    cls=Program,
    name=NAME,
    help="The Smart Guitar's hybrid coach: rule-based coaching at once, an AI tip beside it, nothing lost.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"{NAME} {version(NAME)}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of the program itself; `version` has ended it before this runs."""


app.command("run")(run.run)
app.command("coach")(run.coach)
app.command("show")(show.show)
app.command("check")(check.check)
app.add_typer(queue_commands.app, name="queue")
app.add_typer(ai.app, name="ai")
app.command("simulate")(simulate.simulate)
app.add_typer(config.app, name="config")
app.command("demo")(demo.demo)
