"""Asks for tips while the player plays: for each clip that appears, one for each class that has none yet.

Up to three calls at a time; texts that were used are replaced. A call that fails is repeated a few times; after that
the next clip asks again. With the AI off, without a key, or over the day's limit nobody is asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.timestamps import utc_text

from .errors import AiError
from .grounding import check_grounded
from .models import AiAddendum, Coached
from .ports import AiCoach, Clock, Gate
from .prepared import (
    Clip,
    PreparedTip,
    TipClass,
    TipKey,
    addendum_from_tip,
    class_of,
    clip_from,
    key_for,
    prepare_request,
    tip_from,
)
from .prompt import build_request

CALLS_AT_ONCE: Final = 3
MAX_WAITING: Final = 64
"""Clips whose tips are still to be asked for; of more, the oldest are dropped (their takes have the live race)."""

CALL_LIMIT_S: Final = 4.0
"""A call that takes longer is given up: its place is wanted by the next."""

RETRY_PAUSES_S: Final = (0.5, 2.0, 4.0, 0.0)
"""After each call that gave no tip; then the next clip asks again."""

_log = structlog.get_logger(__name__)


TagsOf = Callable[[Path], Awaitable[Mapping[str, Any]]]
"""Reads a bundle's tags; empty if they cannot be read."""


class TipStore(Protocol):
    """Where prepared tips are kept."""

    def wanted(self, keys: Iterable[TipKey]) -> list[TipKey]:
        """Which of these should be asked for."""
        ...

    def peek(self, key: TipKey) -> PreparedTip | None:
        """The tip for a key, if it is there and young enough."""
        ...

    def take(self, key: TipKey) -> PreparedTip | None:
        """The tip; its first text is used up."""
        ...

    async def put(self, tip: PreparedTip) -> None:
        """Keep a tip, durably. Raises OSError."""
        ...

    async def save_used(self) -> None:
        """Make durable which texts were used up. Raises OSError."""
        ...


class Preparer:
    """Keeps the bank filled. `bundle_appeared` and `take` bring news, `run` does the asking."""

    def __init__(
        self,
        *,
        bank: TipStore,
        coach: AiCoach,
        gate: Gate,
        clock: Clock,
        model: str,
        tags_of: TagsOf,
        enabled: bool = True,
    ) -> None:
        self._enabled = enabled
        self._bank = bank
        self._tags_of = tags_of
        self._bundles: deque[Path] = deque(maxlen=MAX_WAITING)
        self._coach = coach
        self._gate = gate
        self._clock = clock
        self._model = model
        self._clips: deque[Clip] = deque(maxlen=MAX_WAITING)
        self._news = anyio.Event()
        self._asking: set[TipKey] = set()
        self._latest = TipClass.TIMING_WARN
        """The diagnosis of the last take: the next one is likely to be the same."""

    def take(self, coached: Coached, latency_ms: int) -> AiAddendum | None:
        """See ports.Tips. New texts are asked for when few are left."""
        if not self._enabled:
            return None
        self._latest = class_of(coached.evaluation) or self._latest
        self._want(clip_from(coached.take.tags))
        key, take = self._key(coached), coached.take
        while key is not None and (tip := self._bank.take(key)) is not None:
            addendum = addendum_from_tip(tip, take.session, clip_id=take.clip_id, latency_ms=latency_ms)
            if addendum is not None and _is_grounded(addendum, coached):
                return addendum
        return None

    def _key(self, coached: Coached) -> TipKey | None:
        tip_class = class_of(coached.evaluation)
        return None if tip_class is None else key_for(clip_from(coached.take.tags), tip_class, self._model)

    def bundle_appeared(self, bundle: Path) -> None:
        """A clip is there to be played: its tips are wanted before its take ends."""
        if self._enabled:
            self._bundles.append(bundle)
            self._news.set()

    def _want(self, clip: Clip) -> None:
        if clip not in self._clips:
            self._clips.append(clip)
        self._news.set()

    async def run(self) -> None:
        """Ask for what is wanted, until cancelled."""
        limiter = anyio.CapacityLimiter(CALLS_AT_ONCE)
        async with anyio.create_task_group() as group:
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                while self._bundles:
                    self._want(clip_from(await self._tags_of(self._bundles.popleft())))
                while self._clips:
                    clip = self._clips.pop()
                    for key in self._wanted(clip):
                        group.start_soon(self._ask, clip, key, limiter, name=f"prepare {key.tip_class}")
                await self._save_used()

    async def _save_used(self) -> None:
        try:
            await self._bank.save_used()
        except (OSError, CoachError) as error:
            _log.warning("prepared_tips_not_saved", error=str(error))

    def _wanted(self, clip: Clip) -> list[TipKey]:
        likely_first = sorted(TipClass, key=lambda tip_class: tip_class is not self._latest)
        keys = (key_for(clip, tip_class, self._model) for tip_class in likely_first)
        wanted = [key for key in self._bank.wanted(keys) if key not in self._asking]
        self._asking.update(wanted)
        return wanted

    async def _ask(self, clip: Clip, key: TipKey, limiter: anyio.CapacityLimiter) -> None:
        """Ask for one class, a few times if need be; the place among the calls is free while this waits."""
        try:
            for pause in RETRY_PAUSES_S:
                async with limiter:
                    if not self._gate.state().may_ask or await self._prepared(clip, key):
                        return
                await anyio.sleep(pause)
        finally:
            self._asking.discard(key)

    async def _prepared(self, clip: Clip, key: TipKey) -> bool:
        """Make one call; return whether its tip is kept."""
        reason = f"no reply within {CALL_LIMIT_S:g} s"
        try:
            with anyio.move_on_after(CALL_LIMIT_S):
                reply = await self._coach.ask(prepare_request(clip, key.tip_class))
                await self._bank.put(tip_from(reply, key, utc_text(self._clock.now())))
                _log.debug("tip_prepared", program=clip.program, tip_class=str(key.tip_class))
                return True
        except AiError as error:
            reason = str(error)
        except (OSError, CoachError) as error:
            _log.warning("prepared_tip_not_stored", tip_class=str(key.tip_class), error=str(error))
            return True
        except Exception:  # noqa: BLE001 - whatever a provider does, the others are still asked
            _log.exception("tip_not_prepared", program=clip.program, tip_class=str(key.tip_class))
            return False
        _log.info("tip_not_prepared", program=clip.program, tip_class=str(key.tip_class), reason=reason)
        return False


def _is_grounded(addendum: AiAddendum, coached: Coached) -> bool:
    """Whether a filled text says only what the facts say; its words were written before there were any."""
    take = coached.take
    request = build_request(take.session, coached.evaluation, coached.coaching, clip_id=take.clip_id)
    try:
        check_grounded(addendum.coaching_tip or "", request.facts)
    except AiError as error:
        _log.info("tip_not_prepared", clip=take.clip_id, reason=str(error))
        return False
    return True
