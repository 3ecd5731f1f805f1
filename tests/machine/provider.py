"""An AI service for the state machine: each call is answered by the plan of its take, in words of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import anyio

from sg_hybrid.errors import AiBusy, AiInvalid, AiUnreachable
from sg_hybrid.models import AiReply, CoachRequest

from .witness import Told, Witness

Ending = Literal["reply", "nothing", "silence", "busy", "invalid", "offline", "bug"]

_ERRORS: Final[dict[str, Exception]] = {
    "busy": AiBusy(),
    "invalid": AiInvalid(),
    "offline": AiUnreachable(),
    "bug": RuntimeError("a bug of the provider"),
}


@dataclass(frozen=True)
class Plan:
    """How a call goes: `ending` after `delay` seconds; `tip_after` seconds for a tip ahead of the whole."""

    ending: Ending = "reply"
    delay: float = 0.1
    tip_after: float | None = None


@dataclass
class Provider:
    """Implements ports.AiCoach."""

    witness: Witness
    plans: dict[str, Plan] = field(default_factory=dict)

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        plan, life = self.plans[request.clip_id], self.witness.life
        number, told = len(self.witness.told) + 1, Told(request.clip_id, request.session_id)
        self.witness.told[number] = told
        done_at = anyio.current_time() + plan.delay
        if plan.tip_after is not None and on_tip is not None and plan.tip_after < plan.delay:
            await anyio.sleep(plan.tip_after)
            life.check()
            told.tip_at = self.witness.clock.monotonic()
            on_tip(_reply(number))
        await anyio.sleep_until(done_at)
        life.check()
        return await self._end(plan, number, told)

    async def _end(self, plan: Plan, number: int, told: Told) -> AiReply:
        if plan.ending == "reply":
            told.whole_at = self.witness.clock.monotonic()
            return _reply(number, insight="Whole.")
        if plan.ending == "silence":
            await anyio.sleep_forever()
        if plan.ending != "nothing":
            raise _ERRORS[plan.ending]
        return AiReply("simulator:test@latest")


def _reply(number: int, insight: str | None = None) -> AiReply:
    return AiReply("simulator:test@latest", coaching_tip=f"Tip {number}.", timing_insight=insight)
