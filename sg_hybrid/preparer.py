"""Asks for tips while the player plays: for each clip that appears, one for each class that has few texts left.

Up to three calls at a time; texts that were used are replaced. A call that fails is repeated a few times; after that
the next clip asks again. One that takes long makes room for the next and goes on: its tip was paid for. With the AI
off, without a key, or over the day's limit nobody is asked; the last clip that was refused so is asked for as soon as
that changes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from sg_coach.errors import CoachError
from sg_coach.timestamps import utc_text

from .active import Active
from .errors import AiError, AiPaused, AiRejected
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

PATIENCE_S: Final = 4.0
"""A call that takes longer than this has its place taken by the next, or than half as long again as the last call that
gave a tip, if that was more."""

OPEN_CALLS: Final = 12
"""So many calls may be open, those included whose place was taken."""

RETRY_PAUSES_S: Final = (0.5, 2.0, 4.0)
"""Between calls that give no tip; then the next clip asks again."""

PAUSED_LOOK_S: Final = 2.0
PAUSED_LOOKS: Final = 32
"""How often, and how many times, to try again while the service is left alone: until the probe after a full pause."""

GATE_LOOK_S: Final = 5.0
"""How often to look whether a clip may be asked for that was refused."""

MOST_UNUSABLE: Final = 18
"""So many refused texts in a row, and this model is not asked to prepare again: it does not understand slots."""

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
        asks: bool = True,
    ) -> None:
        """Not `enabled`: it gives nothing either. Without `asks` it gives what is there."""
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
        self._calls = Active()
        self._finishing = not asks
        self._patience_s = PATIENCE_S
        self._unusable = 0
        self._latest = TipClass.TIMING_WARN
        """The diagnosis of the last take: the next one is likely to be the same."""

    def take(self, coached: Coached, latency_ms: int) -> AiAddendum | None:
        """See ports.Tips. New texts are asked for with the next clip; at once, if a class has none left."""
        if not self._enabled:
            return None
        clip, take, found = clip_from(coached.take.tags), coached.take, None
        tip_class = class_of(coached.evaluation)
        if tip_class is not None:
            self._latest, key = tip_class, key_for(clip, tip_class, self._model)
            while found is None and (tip := self._bank.take(key)) is not None:
                addendum = addendum_from_tip(tip, take.session, clip_id=take.clip_id, latency_ms=latency_ms)
                found = addendum if addendum is not None and _is_grounded(addendum, coached) else None
        if any(self._bank.peek(key_for(clip, one, self._model)) is None for one in TipClass):
            self._want(clip)
        self._news.set()  # what was used up is to be saved
        return found

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
        places = anyio.CapacityLimiter(CALLS_AT_ONCE)
        async with anyio.create_task_group() as group:
            while True:
                with anyio.move_on_after(GATE_LOOK_S if self._clips else math.inf):
                    await self._news.wait()
                self._news = anyio.Event()
                while self._bundles:
                    self._want(clip_from(await self._tags_of(self._bundles.popleft())))
                while self._clips and self._may_ask():
                    clip = self._clips.pop()
                    for key in self._wanted(clip):
                        group.start_soon(self._ask, clip, key, places, group, name=f"prepare {key.tip_class}")
                self._let_the_newest_wait()
                await self._save_used()

    async def finish(self) -> None:
        """Ask for no more; wait for what was asked."""
        self._finishing = True
        await self._calls.quiet()

    @property
    def _has_ended(self) -> bool:
        return self._finishing or self._unusable >= MOST_UNUSABLE

    def _may_ask(self) -> bool:
        return not self._has_ended and self._gate.state().may_ask

    def _let_the_newest_wait(self) -> None:
        """Of clips that may not be asked for, the newest waits until it may be; none does where that will not come."""
        while self._clips and (len(self._clips) > 1 or self._has_ended or not self._gate.state().key_present):
            self._clips.popleft()

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

    async def _ask(self, clip: Clip, key: TipKey, places: anyio.CapacityLimiter, group: TaskGroup) -> None:
        """Ask for one class, a few times if need be; the place among the calls is free while this waits."""
        failed, paused = list(RETRY_PAUSES_S), [PAUSED_LOOK_S] * PAUSED_LOOKS
        try:
            while True:
                async with places:
                    await self._calls.below(OPEN_CALLS)
                    if not self._bank.wanted([key]):
                        return
                    if not self._may_ask():
                        self._want(clip)
                        return
                    call = _Call(clip, key)
                    self._calls.enter()
                    group.start_soon(self._run, call, name=f"call for {key.tip_class}")
                    with anyio.move_on_after(self._patience_s):
                        await call.ended.wait()
                pauses = paused if call.paused else failed
                if call.kept or not pauses:
                    return
                await anyio.sleep(pauses.pop(0))
        finally:
            self._asking.discard(key)

    async def _run(self, call: _Call) -> None:
        """Make one call to its end, however long that takes."""
        began = anyio.current_time()
        with self._calls.leaving():
            try:
                await self._prepare(call)
            finally:
                call.ended.set()
        took = anyio.current_time() - began
        if call.kept:
            self._patience_s = max(PATIENCE_S, 1.5 * took)

    async def _prepare(self, call: _Call) -> None:
        """Make one call and keep its tip; what goes wrong is logged."""
        key = call.key
        try:
            reply = await self._coach.ask(prepare_request(call.clip, key.tip_class))
            tip = tip_from(reply, key, utc_text(self._clock.now()))
            call.kept, self._unusable = True, 0
            await self._bank.put(tip)
        except AiError as error:
            call.paused = isinstance(error, AiPaused)
            log = _log.debug if call.paused else _log.info
            log("tip_not_prepared", program=call.clip.program, tip_class=str(key.tip_class), reason=str(error))
            if isinstance(error, AiRejected):
                self._count_unusable()
        except (OSError, CoachError) as error:
            _log.warning("prepared_tip_not_stored", tip_class=str(key.tip_class), error=str(error))
        except Exception:  # noqa: BLE001 - whatever a provider does, the others are still asked
            _log.exception("tip_not_prepared", program=call.clip.program, tip_class=str(key.tip_class))
        else:
            _log.debug("tip_prepared", program=call.clip.program, tip_class=str(key.tip_class))

    def _count_unusable(self) -> None:
        self._unusable += 1
        if self._unusable == MOST_UNUSABLE:
            _log.warning("preparing_given_up", model=self._model, remedy="choose another AI_COACH_MODEL, restart")


@dataclass(slots=True)
class _Call:
    """One call, and how it ended."""

    clip: Clip
    key: TipKey
    kept: bool = False
    paused: bool = False
    ended: anyio.Event = field(default_factory=anyio.Event)


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
