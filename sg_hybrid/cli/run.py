"""`sg-hybrid run` and `sg-hybrid coach`: the worker, and one cycle of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .ending import ignore_signals
from .options import Bundle, BundleRoots, ConfigFile, Json, QueueDir, folder_at, settings_from
from .output import print_json
from .show import print_notes, print_view

if TYPE_CHECKING:
    from sg_hybrid.bundle_reader import BundleView
    from sg_hybrid.compose import HybridWorker
    from sg_hybrid.drained import Drained
    from sg_hybrid.logs import LogLevel
    from sg_hybrid.models import CycleReport
    from sg_hybrid.settings import Settings

Once = Annotated[bool, typer.Option("--once", help="Coach what waits, late replies included; sweep once; exit.")]


def run(
    bundle_root: BundleRoots = None, queue_dir: QueueDir = None, once: Once = False, config: ConfigFile = None
) -> None:
    """Coach every take that arrives, until SIGTERM or Ctrl-C.

    So does a closed terminal (SIGHUP, unless it is ignored). An end is clean: running cycles finish their files and
    late replies get a grace period; a second signal hurries. Events go to stderr, one a line: readable on a terminal,
    JSON in a pipe.

    With --once the exit code says what could not be done: 1 if the disk refused to have a take coached or a folder
    cannot be read, 2 if a bundle root is not there or is no folder, 5 if a take was refused (its clip.error.json says
    why).
    """
    import anyio

    settings = settings_from(config, queue_dir=queue_dir, bundle_roots=bundle_root)
    start_logs(settings)
    drained = anyio.run(_run, settings, once)
    if drained is not None:
        _raise_what_went_wrong(drained)


def _raise_what_went_wrong(drained: Drained) -> None:
    """End the command as the worst of what a drain met demands; nothing is raised if all is well."""
    from sg_hybrid.errors import BundleRefused, HybridError

    if drained.failed:
        raise HybridError(f"{_named(drained.failed)}: could not be coached; the events above say why")
    if drained.missing_roots:
        root = drained.missing_roots[0]
        error = errno.ENOTDIR if root.exists() else errno.ENOENT  # both are wrong usage, so one class
        raise FileNotFoundError(error, f"{os.strerror(error)}; correct --bundle-root or SG_BUNDLE_ROOTS", str(root))
    if drained.refused:
        raise BundleRefused(f"{_named(drained.refused)}: refused; clip.error.json says why")


def _named(bundles: Sequence[Path]) -> str:
    return f"{bundles[0]} and {len(bundles) - 1} more" if len(bundles) > 1 else str(bundles[0])


async def _run(settings: Settings, once: bool) -> Drained | None:
    from sg_hybrid.compose import HybridWorker

    drained = None
    async with HybridWorker(settings, watch=not once, prepare=not once, handle_signals=True) as worker:
        if once:
            drained = await _drain_until_stopped(worker)
        else:
            await worker.serve()
    ignore_signals()
    return drained


async def _drain_until_stopped(worker: HybridWorker) -> Drained | None:
    """Drain; return what happened, None if a signal came first.

    A signal ends it as it ends `serve`: what runs finishes its writes within the grace period.
    """
    import anyio

    async def stop(scope: anyio.CancelScope) -> None:
        await worker.serve()
        scope.cancel()

    drained = None
    async with anyio.create_task_group() as group:
        group.start_soon(stop, group.cancel_scope, name="stop draining")
        drained = await worker.drain()
        group.cancel_scope.cancel()
    return drained


def coach(bundle: Bundle, queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Coach the take in one bundle and show what it says.

    It is one cycle of the worker. What the take says is shown when the race with the AI is over and all files are
    durable. The hint does not wait for the AI's client to be loaded, so a live reply is mostly late here: the command
    then waits for it, up to AI_COACH_LATE_WINDOW_S, and leaves it in the queue for the session's next take. SIGTERM or
    Ctrl-C ends that cleanly, as in run. Exit code 5 says that the take was refused.
    """
    import anyio

    settings = settings_from(config, queue_dir=queue_dir)
    start_logs(settings, usual_level="warning")
    if not anyio.run(_coach, settings, folder_at(bundle), json):
        raise typer.Abort


async def _coach(settings: Settings, bundle: Path, json: bool) -> bool:
    """Coach and show one take; return whether it came to that before a signal."""
    import anyio

    from sg_hybrid.compose import HybridWorker

    told = anyio.Event()

    async def stop(worker: HybridWorker, scope: anyio.CancelScope) -> None:
        await worker.serve()
        with anyio.move_on_after(settings.grace_s):
            await told.wait()  # a race that is cut short could lose its reply
        scope.cancel()

    async with (
        HybridWorker(settings, watch=False, prepare=False, handle_signals=True) as worker,
        anyio.create_task_group() as group,
    ):
        group.start_soon(stop, worker, group.cancel_scope, name="stop coaching")
        await _coach_and_tell(worker, bundle, json)
        told.set()
        await worker.quiet()
        group.cancel_scope.cancel()
    ignore_signals()
    return told.is_set()


async def _coach_and_tell(worker: HybridWorker, bundle: Path, json: bool) -> None:
    import anyio

    from sg_hybrid.bundle_reader import read_bundle
    from sg_hybrid.fs import run_blocking

    began = anyio.current_time()
    report = await worker.coach_clip(bundle)
    _refuse_failure(report)
    took_ms = round((anyio.current_time() - began) * 1000)
    _tell(await run_blocking(read_bundle, bundle), report, took_ms, json)


def _refuse_failure(report: CycleReport) -> None:
    from sg_hybrid.errors import BundleRefused, HybridError

    if report.coaching is None:
        raise BundleRefused(f"{report.bundle}: {report.error}")
    if report.error:
        raise HybridError(f"{report.bundle}: {report.error}")


def _tell(view: BundleView, report: CycleReport, took_ms: int, json: bool) -> None:
    if json:
        envelope = view.envelope(ai_request_status=report.ai_status, total_latency_ms=took_ms)
        print_json(envelope.model_dump(mode="json"))
    else:
        print_view(view)
    print_notes(view)
    print(end="", flush=True)  # the command may go on waiting for a late reply


def start_logs(settings: Settings, *, usual_level: LogLevel | None = None) -> None:
    """Begin to log as the settings say; `usual_level` holds where nobody set a level."""
    from sg_hybrid import logs

    level = settings.log_level if usual_level is None or "log_level" in settings.origins else usual_level
    logs.configure(settings.log_format, level, secrets=settings.secrets)
