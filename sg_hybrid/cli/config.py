"""`sg-hybrid config`: which settings are in force, and where they come from."""

from __future__ import annotations

import typer

from .options import BundleRoots, ConfigFile, Json, QueueDir, settings_from
from .output import print_json, print_table

app = typer.Typer(help="Look at the settings.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Makes `config` a group also with one command."""


@app.command("show")
def show(
    queue_dir: QueueDir = None, bundle_root: BundleRoots = None, config: ConfigFile = None, json: Json = False
) -> None:
    """Show every setting: its value and where it came from (flag, environment, file, default). Never a secret."""
    from sg_hybrid.settings import describe

    rows = describe(settings_from(config, queue_dir=queue_dir, bundle_roots=bundle_root))
    if json:
        print_json([row._asdict() for row in rows])
    else:
        print_table(("SETTING", "VARIABLE", "VALUE", "FROM"), rows)
