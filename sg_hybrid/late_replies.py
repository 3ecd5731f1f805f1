"""A reply that came too late for its take is brought into the spool, also on a disk that refuses for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.timestamps import utc_text

from .models import AiAddendum, Coached
from .ports import Clock, Spool
from .replies import context_of

LATE_PUT_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses between tries to keep a late reply on a disk that refuses it; then it is given up, with an error event."""

AT_THE_END_S: Final = 0.5
"""Longest pause once the worker is asked to end: there is but its grace period left."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LateReplies:
    """Keeps late replies."""

    spool: Spool
    clock: Clock
    stop_asked: anyio.Event

    async def keep(self, coached: Coached, addendum: AiAddendum) -> None:
        """Bring a late reply into the spool; a disk that refuses is tried again for as long as the reply is of use."""
        queued = addendum.model_copy(update={"queued": True, "queued_at_utc": utc_text(self.clock.now())})
        context = context_of(coached)
        for pause in (*LATE_PUT_PAUSES_S, None):
            try:
                with anyio.CancelScope(shield=True):
                    await self.spool.put(queued, context)
            except (OSError, CoachError) as error:
                _log.error("late_reply_not_kept", clip=addendum.clip_id, error=str(error), again_in_s=pause)
                if pause is None:
                    return
                await self._pause(pause)
            else:
                return

    async def _pause(self, seconds: float) -> None:
        """Wait; once the worker is asked to end, not so long."""
        if self.stop_asked.is_set():
            await anyio.sleep(min(seconds, AT_THE_END_S))
        else:
            with anyio.move_on_after(seconds):
                await self.stop_asked.wait()
