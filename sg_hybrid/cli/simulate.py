"""`sg-hybrid simulate`: the local stand-in for the AI service, until Ctrl-C."""

from __future__ import annotations

import signal
from functools import partial
from typing import Annotated, Literal

import typer

from .output import print_line

Profile = Literal["published", "good-hour", "optimistic", "lan", "broken"]

SIMULATOR_KEY = "simulator-no-secret-0"
"""Any key will do: the simulator only wants one to be sent. It is no word, because logs hide it wherever it stands."""


def simulate(
    profile: Annotated[Profile, typer.Option("--profile", help="How fast and how reliable it is.")] = "published",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 is any free one.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Call n of a seed always behaves the same.")] = 0,
) -> None:
    """Stand in for the AI service on this machine, until Ctrl-C. A development tool, never a fallback.

    Prints its address and the variables that lead a worker to it and switch its AI on.
    """
    import anyio

    anyio.run(_serve, profile, port, seed)


async def _serve(profile: Profile, port: int, seed: int) -> None:
    import anyio

    from sg_hybrid.simulator import run_simulator

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as group:
            try:
                simulator = await group.start(partial(run_simulator, profile, port=port, seed=seed))
            except OSError as error:
                raise OSError(error.errno, error.strerror, f"port {port}") from error
            _announce(profile, simulator.base_url)
            async for _ in signals:
                break
            group.cancel_scope.cancel()


def _announce(profile: Profile, base_url: str) -> None:
    print_line(f"The simulator ({profile}) listens on {base_url} until Ctrl-C. For a worker in another shell:")
    print_line(f"export ANTHROPIC_BASE_URL={base_url}")
    print_line(f"export ANTHROPIC_API_KEY={SIMULATOR_KEY}")
    print_line("export AI_COACH_ENABLED=true")
    print(end="", flush=True)
