"""Options that several commands have, and the settings that they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import say

if TYPE_CHECKING:
    from sg_hybrid.settings import Settings

QueueDir = Annotated[
    str | None,
    typer.Option("--queue-dir", metavar="DIR", show_default=False, help="Root of the queue [SG_COACH_QUEUE_DIR]."),
]
BundleRoots = Annotated[
    list[str] | None,
    typer.Option(
        "--bundle-root",
        metavar="DIR",
        show_default=False,
        help="Folder that bundles appear in; may be given several times [SG_BUNDLE_ROOTS].",
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", show_default=False, help="Config file (TOML) [SG_HYBRID_CONFIG]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _named(path: str) -> Path:
    """The folder that an argument names. An empty one is a usage error: Path takes it for the current folder."""
    if not path.strip():
        raise typer.BadParameter("it is empty; is a variable not set?")
    return Path(path)


Bundle = Annotated[Path, typer.Argument(metavar="DIR", show_default=False, parser=_named, help="Folder of the bundle.")]
Bundles = Annotated[
    list[Path], typer.Argument(metavar="DIR...", show_default=False, parser=_named, help="Folders of bundles.")
]


def folder_at(path: Path) -> Path:
    """Return `path` in full, so that it ends in the folder's own name (`.` does not)."""
    return Path(os.path.abspath(path))


def given(option: str, value: str | None) -> str | None:
    """Return what an option names, None if it was not given. An empty one is a usage error."""
    if value is not None and not value.strip():
        raise typer.BadParameter("it is empty; is a variable not set?", param_hint=option)
    return value


def note_missing_queue(settings: Settings) -> None:
    """Say on stderr that there is no queue yet: normal before the first run, else the folder is misspelt.

    Raises UnsafePath if something else than a folder stands there, OSError.
    """
    from sg_hybrid.queue_tools import is_there

    if not is_there(settings.queue_dir):
        say(f"NOTE: {settings.queue_dir}: no queue there; a worker makes one at its first start, if the path is right")


def settings_from(
    config: str | None = None, *, queue_dir: str | None = None, bundle_roots: list[str] | None = None
) -> Settings:
    """Return the settings with these options on top; from now on this process keeps their secrets to itself.

    Raises ConfigError; a usage error for an empty option.
    """
    from sg_hybrid.secrecy import guard
    from sg_hybrid.settings import load_settings

    flags = {
        "queue_dir": given("--queue-dir", queue_dir),
        "bundle_roots": tuple(given("--bundle-root", root) for root in bundle_roots or ()) or None,
    }
    config_file = given("--config", config)
    settings = load_settings(flags, Path(config_file) if config_file else None)
    guard(settings.secrets)
    return settings
