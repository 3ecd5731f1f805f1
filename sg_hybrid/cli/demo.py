"""`sg-hybrid demo`: the life of a take, shown on real takes with the local simulator."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .exits import Exit
from .options import folder_at, given
from .output import print_line

BundleRoot = Annotated[
    str | None,
    typer.Option("--bundle-root", metavar="DIR", show_default=False, help="Play here [a new temporary folder]."),
]
QueueDir = Annotated[
    str | None,
    typer.Option("--queue-dir", metavar="DIR", show_default=False, help="Use this queue [queue/ of the repository]."),
]


def demo(bundle_root: BundleRoot = None, queue_dir: QueueDir = None) -> None:
    """Show the life of a take, with a simulated AI service.

    The takes and the worker are real, the AI service runs on this machine. Needs no key and no network. Exit code 1
    says that something did not come as promised.
    """
    import anyio

    from sg_hybrid import logs
    from sg_hybrid.demo import run_demo

    logs.configure("auto", "error")
    bundles, queue = _folder("--bundle-root", bundle_root), _folder("--queue-dir", queue_dir)
    complete = anyio.run(partial(run_demo, _say, bundle_root=bundles, queue_dir=queue))
    raise typer.Exit(Exit.OK if complete else Exit.FAILED)


def _folder(option: str, value: str | None) -> Path | None:
    path = given(option, value)
    return None if path is None else folder_at(Path(path))


def _say(line: str) -> None:
    print_line(line)
    print(end="", flush=True)
