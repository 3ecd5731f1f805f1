"""`sg-hybrid run` and `sg-hybrid coach`: the worker, and one cycle of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Bundle, BundleRoots, ConfigFile, Json, QueueDir, folder_at, settings_from
from .output import print_json
from .show import print_notes, print_view

if TYPE_CHECKING:
    from sg_hybrid.compose import HybridWorker
    from sg_hybrid.logs import LogLevel
    from sg_hybrid.models import CycleReport
    from sg_hybrid.settings import Settings

Once = Annotated[bool, typer.Option("--once", help="Coach what waits, late replies included; sweep once; exit.")]


def run(
    bundle_root: BundleRoots = None, queue_dir: QueueDir = None, once: Once = False, config: ConfigFile = None
) -> None:
    """Coach every take that arrives, until SIGTERM or Ctrl-C.

    An end is clean: running cycles finish their files and late replies get a grace period; a second signal hurries.
    Events go to stderr, one a line: readable on a terminal, JSON in a pipe.
    """
    import anyio

    settings = settings_from(config, queue_dir=queue_dir, bundle_roots=bundle_root)
    start_logs(settings)
    anyio.run(_run, settings, once)


async def _run(settings: Settings, once: bool) -> None:
    from sg_hybrid.compose import HybridWorker

    async with HybridWorker(settings, watch=not once, prepare=not once, handle_signals=True) as worker:
        if once:
            await _drain_until_stopped(worker)
        else:
            await worker.serve()


async def _drain_until_stopped(worker: HybridWorker) -> None:
    """Drain; a signal ends it as it ends `serve`: what runs finishes its writes within the grace period."""
    import anyio

    async def stop(scope: anyio.CancelScope) -> None:
        await worker.serve()
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(stop, group.cancel_scope, name="stop draining")
        await worker.drain()
        group.cancel_scope.cancel()


def coach(bundle: Bundle, queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Coach the take in one bundle and show what it says.

    It is one cycle of the worker. It ends when the race with the AI is over and all files are durable. The hint does
    not wait for the AI's client to be loaded, so a live reply is mostly late here and waits for the session's next
    take. Exit code 5 says that the take was refused.
    """
    import anyio

    from sg_hybrid.bundle_reader import read_bundle
    from sg_hybrid.errors import BundleRefused, HybridError

    settings = settings_from(config, queue_dir=queue_dir)
    start_logs(settings, usual_level="warning")
    folder = folder_at(bundle)
    report, took_ms = anyio.run(_coach, settings, folder)
    if report.coaching is None:
        raise BundleRefused(f"{folder}: {report.error}")
    if report.error:
        raise HybridError(f"{folder}: {report.error}")
    view = read_bundle(folder)
    if json:
        envelope = view.envelope(ai_request_status=report.ai_status, total_latency_ms=took_ms)
        print_json(envelope.model_dump(mode="json"))
    else:
        print_view(view)
    print_notes(view)


async def _coach(settings: Settings, bundle: Path) -> tuple[CycleReport, int]:
    import anyio

    from sg_hybrid.compose import HybridWorker

    async with HybridWorker(settings, watch=False, prepare=False) as worker:
        began = anyio.current_time()
        try:
            report = await worker.coach_clip(bundle)
        except FileNotFoundError as error:  # files of a bundle are opened, and so named, relative to its folder
            raise FileNotFoundError(error.errno, error.strerror, str(bundle / (error.filename or ""))) from error
        return report, round((anyio.current_time() - began) * 1000)


def start_logs(settings: Settings, *, usual_level: LogLevel | None = None) -> None:
    """Begin to log as the settings say; `usual_level` holds where nobody set a level."""
    from sg_hybrid import logs

    level = settings.log_level if usual_level is None or "log_level" in settings.origins else usual_level
    logs.configure(settings.log_format, level, secrets=settings.secrets)
