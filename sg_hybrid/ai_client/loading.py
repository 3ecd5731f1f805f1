"""Loading a provider's client: in a thread, once, and only if the AI is wanted."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from sg_hybrid.ai_config import CLOUD, AiConfig
from sg_hybrid.breaker import BreakerLimits
from sg_hybrid.errors import ConfigError

from .coach import Api, LogEvent, RemoteCoach, Spent

if TYPE_CHECKING:
    import httpx2

_LOOK_S: Final = 0.01


async def create_coach(
    config: AiConfig,
    *,
    log: LogEvent | None = None,
    limits: BreakerLimits | None = None,
    spent: Spent | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> RemoteCoach:
    """Load the provider's client in a thread (the SDK takes about a second on a small machine) and rehearse one call.

    No network. `transport` stands in for the real one in tests. Raises ConfigError if a package is not installed, or if
    it cannot be loaded: whatever the reason, the worker goes on without the AI.
    """
    try:
        api = await _loaded(config, transport)
    except ModuleNotFoundError as error:
        raise ConfigError(f"the AI side needs {error.name}: pip install 'sg-hybrid[ai]'") from error
    except Exception as error:
        raise ConfigError(f"the AI's client cannot be loaded: {type(error).__name__}: {error}") from error
    logger = log or structlog.get_logger(__name__).info
    coach = RemoteCoach(api, config, logger, limits or BreakerLimits(), spent)
    await coach.rehearse()
    return coach


async def _loaded(config: AiConfig, transport: httpx2.AsyncBaseTransport | None) -> Api:
    """Load in a thread that nobody has to wait for: the end of a process that comes meanwhile is not held up."""
    made: Future[Api] = Future()

    def load() -> None:
        try:
            made.set_result(_load(config, transport))
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            made.set_exception(error)

    threading.Thread(target=load, name="AI client loader", daemon=True).start()
    while not made.done():  # noqa: ASYNC110 - an event loop that may be gone by then cannot be told
        await anyio.sleep(_LOOK_S)
    return made.result()


def _load(config: AiConfig, transport: httpx2.AsyncBaseTransport | None) -> Api:
    if config.provider == CLOUD:
        from .companion import CompanionApi

        return CompanionApi(config, transport)
    with _no_garbage_collection():
        from .sdk import MessagesApi

    return MessagesApi(config, transport)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """An import of thousands of classes leaves no garbage; looking for it again and again is a sixth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
