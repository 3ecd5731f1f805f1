"""`sg-hybrid demo --serve`: the practice page with everything behind it, until somebody ends it.

The worker runs here, with the local simulator as its AI; the generator's server is a program of its own, because the
two know each other by the disk alone. Whoever of them ends first ends all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from .compose import HybridWorker
from .demo_loop import is_installed
from .demo_place import demo_bundles, demo_queue, demo_settings
from .errors import HybridError
from .simulator import ProfileName, Simulator, run_simulator

PROFILE: Final[ProfileName] = "good-hour"
ENDS_WITHIN_S: Final = 10.0

_READY: Final = "READY "

Say = Callable[[str], None]


async def serve_demo(say: Say, *, bundle_root: Path | None, queue_dir: Path | None, port: int) -> None:
    """Serve the page until SIGINT or SIGTERM. The folders' defaults: `demo_place`.

    Raises HybridError if the generator is not installed or ends by itself.
    """
    if not is_installed():
        raise HybridError("the generator is not installed; pip install 'sg-hybrid[generator]'")
    bundles, queue = demo_bundles(bundle_root), demo_queue(queue_dir)
    await anyio.to_thread.run_sync(lambda: bundles.mkdir(parents=True, exist_ok=True))
    async with anyio.create_task_group() as group:
        simulator: Simulator = await group.start(run_simulator, PROFILE)
        settings = demo_settings(bundles, queue, simulator.base_url)
        async with HybridWorker(settings, handle_signals=True) as worker:
            command = _command(bundles, queue, port)
            async with await anyio.open_process(command, stderr=None, start_new_session=True) as generator:
                await _until_an_end(say, worker, generator, bundles)
        group.cancel_scope.cancel()


def _command(bundles: Path, queue: Path, port: int) -> list[str]:
    """The generator's server; `env` tells it that this worker's AI is on."""
    server = [sys.executable, "-m", "sg_generator", "serve", "--ready-line", "--port", str(port)]
    return ["env", "AI_COACH_ENABLED=true", *server, "--bundle-root", str(bundles), "--queue-dir", str(queue)]


async def _until_an_end(say: Say, worker: HybridWorker, generator: Process, bundles: Path) -> None:
    ended_by_itself = False

    async def watch() -> None:
        nonlocal ended_by_itself
        assert generator.stdout is not None
        await _announce(say, generator.stdout, bundles)
        await generator.wait()
        ended_by_itself = True
        worker.stop()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await worker.serve()
        group.cancel_scope.cancel()
    if ended_by_itself:
        raise HybridError(f"the generator's server ended with code {generator.returncode}; it said why above")
    await _end(generator)


async def _announce(say: Say, stdout: ByteReceiveStream, bundles: Path) -> None:
    """Say where the page is, as soon as the server answers; then read on, so that it never waits for us."""
    async for text in TextReceiveStream(stdout, errors="replace"):
        if text.startswith(_READY):
            say(f"The practice page: {text.removeprefix(_READY).strip()}   (Ctrl-C ends it all)")
            say(f"The clips and what the coach leaves: {bundles}")


async def _end(generator: Process) -> None:
    generator.terminate()
    with anyio.move_on_after(ENDS_WITHIN_S, shield=True):
        await generator.wait()
        return
    generator.kill()
