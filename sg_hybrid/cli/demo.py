"""`sg-hybrid demo`: the life of a take, shown on real takes with the local simulator; `--serve`: the practice page."""

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
Serve = Annotated[bool, typer.Option("--serve", help="Serve the practice page instead, until Ctrl-C.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the page; 0 is any free one.")]


def demo(bundle_root: BundleRoot = None, queue_dir: QueueDir = None, serve: Serve = False, port: Port = 8420) -> None:
    """Show the life of a take, with a simulated AI service.

    The takes, the worker and the generator are real, the AI service runs on this machine. Needs no key and no network.
    Exit code 1 says that something did not come as promised. With --serve you play yourself: the generator's page, with
    worker and simulator behind it.
    """
    import anyio

    from sg_hybrid import logs
    from sg_hybrid.demo import run_demo
    from sg_hybrid.demo_serve import serve_demo

    logs.configure("auto", "error")
    bundles, queue = _folder("--bundle-root", bundle_root), _folder("--queue-dir", queue_dir)
    if serve:
        anyio.run(partial(serve_demo, _say, bundle_root=bundles, queue_dir=queue, port=port))
        return
    complete = anyio.run(partial(run_demo, _say, bundle_root=bundles, queue_dir=queue))
    raise typer.Exit(Exit.OK if complete else Exit.FAILED)


def _folder(option: str, value: str | None) -> Path | None:
    path = given(option, value)
    return None if path is None else folder_at(Path(path))


def _say(line: str) -> None:
    print_line(line)
    print(end="", flush=True)
