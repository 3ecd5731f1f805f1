"""The AI's client, made when it is first needed: its SDK takes a second to load and 60 MiB to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc
import structlog

from .ai_config import AiConfig
from .errors import AiNotUsable, ConfigError
from .models import AiReply, CoachRequest, Usage
from .ports import Gate
from .settings import Settings

if TYPE_CHECKING:
    from .ai_client import RemoteCoach

WARM_UP_CHECK_S: Final = 5.0
"""How often a worker whose AI is off looks whether it was switched on, to load the SDK before it is needed."""

_log = structlog.get_logger(__name__)


class OnDemandCoach:
    """Implements ports.AiCoach over a client that is made with the first call, or by `ready`."""

    def __init__(self, settings: Settings, spent: Callable[[str, Usage], None]) -> None:
        """`spent` is told of each answer's model and tokens."""
        self._settings = settings
        self._spent = spent
        self._made: RemoteCoach | None = None
        self._making = anyio.Lock()

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        """See ports.AiCoach."""
        try:
            coach = await self.ready()
        except ConfigError as error:
            raise AiNotUsable(str(error)) from error
        return await coach.ask(request, on_tip=on_tip)

    async def ready(self) -> RemoteCoach:
        """Return the client, warm. Raises ConfigError if the key or the SDK cannot be used."""
        async with self._making:
            if self._made is None:
                from .ai_client import create_coach

                self._made = await create_coach(ai_config(self._settings), spent=self._spent)
                await self._made.warm_up()
        return self._made

    async def aclose(self) -> None:
        if self._made is not None:
            await self._made.aclose()


def ai_config(settings: Settings) -> AiConfig:
    """Return what the client of the chosen provider needs. Raises ConfigError if a key or an address is missing."""
    if settings.missing_credentials:
        raise ConfigError(f"no key: set {' and '.join(settings.missing_credentials)}")
    cloud = settings.ai_provider == "cloud"
    key = settings.cloud_token if cloud else settings.anthropic_api_key
    return AiConfig(
        api_key=key.get_secret_value() if key else "",
        base_url=(settings.cloud_url if cloud else None) or settings.anthropic_base_url,
        provider=settings.ai_provider,
        model=settings.ai_model,
        give_up_after_s=settings.give_up_after_s,
        max_open_calls=settings.max_open_calls,
    )


async def warm_up(coach: OnDemandCoach, gate: Gate, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Load the AI client as soon as the AI is on, before a take needs it."""
    task_status.started()
    if not gate.state().key_present:
        return
    while not gate.state().enabled:  # noqa: ASYNC110 - the switch is a file, it sends no event
        await anyio.sleep(WARM_UP_CHECK_S)
    try:
        await coach.ready()
    except ConfigError as error:
        _log.error("ai_not_usable", reason=str(error))
