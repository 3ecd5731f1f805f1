"""The port `AiCoach` over a network: limits, retries, the circuit breaker and one log event a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

import anyio
import tenacity

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.breaker import MAX_PAUSE_S, Breaker, BreakerLimits, admit, failed, succeeded
from sg_hybrid.errors import AiError, AiPaused, AiRejected, AiTimeout
from sg_hybrid.models import AiReply, CoachRequest, Usage
from sg_hybrid.prices import cost_usd
from sg_hybrid.prompt import model_id

from .faults import NoAnswer, is_worth_a_retry, pause_asked_for
from .notes import Notes
from .reply import usable_tip

LogEvent = Callable[..., object]
"""Called as `log(event, **fields)`; structlog's `logger.info` is one."""

OnTip = Callable[[AiReply], None]
Spent = Callable[[str, Usage], None]
"""Called as `spent(model, usage)` for each answer that told its tokens, whatever became of it."""

MAX_ATTEMPTS: Final = 3
_BACKOFF: Final = tenacity.wait_exponential(multiplier=0.5, max=4.0) + tenacity.wait_random(0, 0.5)
_WARM_UP_S: Final = 5.0


class Api(Protocol):
    """One provider: makes one call, without retries. Methods raise AiError and nothing else."""

    async def call(self, request: CoachRequest, notes: Notes) -> AiReply: ...
    async def connect(self) -> None: ...
    async def rehearse(self) -> None: ...
    async def aclose(self) -> None: ...


class RemoteCoach:
    """AI coaching by a service of the network; `create_coach` makes one.

    One instance a process and event loop, before the first race. `ask` may be called any number of times at once.
    Cancelling `ask` closes its connection and throws the answer away: leave that to the end of the late window.
    """

    def __init__(
        self, api: Api, config: AiConfig, log: LogEvent, limits: BreakerLimits, spent: Spent | None = None
    ) -> None:
        self._api = api
        self._config = config
        self._log = log
        self._limits = limits
        self._spent = spent
        self._breaker = Breaker()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, also when cancelled."""
        with anyio.move_on_after(1.0, shield=True):
            await self._api.aclose()

    async def rehearse(self) -> None:
        """Make one call that goes no further than this process, so that the first real one is quick."""
        try:
            await self._api.rehearse()
        except AiError as error:
            self._log("ai_rehearsal_failed", reason=str(error))

    async def warm_up(self) -> bool:
        """Open a connection before it is needed; spends no tokens. Return whether that worked; it never raises."""
        started, outcome = anyio.current_time(), "timeout"
        with anyio.move_on_after(_WARM_UP_S):
            try:
                await self._api.connect()
                outcome = "ok"
            except AiError as error:
                outcome = error.kind
        self._log("ai_warm_up", outcome=outcome, total_ms=_milliseconds(anyio.current_time() - started))
        return outcome == "ok"

    async def ask(self, request: CoachRequest, *, on_tip: OnTip | None = None) -> AiReply:
        """Return a valid, clean, grounded reply. Raises AiError; AiPaused, at once, while the service is left alone.

        One immediate repeat if the connection broke before any byte; at most two retries if the service is busy. All
        of it ends after `give_up_after_s`. `on_tip` gets the tip as soon as it is there, see ports.AiCoach; after that
        nothing is asked again.
        """
        self._admit()
        call = _Call(request, self._config, on_tip, started=anyio.current_time())
        try:
            reply = await self._bounded(call)
        except AiRejected as error:  # the words were refused; the service works
            call.outcome, call.reason, self._breaker = error.kind, str(error), succeeded(anyio.current_time())
            raise
        except AiError as error:
            call.outcome, call.reason = error.kind, str(error)
            self._failed(pause_asked_for(error, refused_s=MAX_PAUSE_S))
            raise
        except BaseException:  # cancelled: the late window has ended without an answer
            self._failed(None)
            raise
        else:
            call.outcome, call.model_id, self._breaker = "ok", reply.model_id, succeeded(anyio.current_time())
            return reply
        finally:
            self._log("ai_call", **call.fields(anyio.current_time()))

    def _admit(self) -> None:
        self._breaker, admitted = admit(self._breaker, anyio.current_time())
        if not admitted:
            raise AiPaused

    def _failed(self, pause_s: float | None) -> None:
        before, now = self._breaker, anyio.current_time()
        self._breaker = failed(before, now, self._limits, pause_s=pause_s)
        until = self._breaker.paused_until
        if until is not None and until != before.paused_until:
            self._log("ai_paused", failures=self._breaker.failures, for_s=round(until - now, 1))

    async def _bounded(self, call: _Call) -> AiReply:
        with anyio.move_on_after(self._config.give_up_after_s):
            return await self._with_retries(call)
        raise AiTimeout(f"no complete reply within {self._config.give_up_after_s:g} s")

    async def _with_retries(self, call: _Call) -> AiReply:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(is_worth_a_retry),
            wait=_pause_before_retry,
            stop=call.may_not_retry,
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retrying(self._attempt, call)

    async def _attempt(self, call: _Call) -> AiReply:
        try:
            return await self._once(call)
        except NoAnswer:
            if call.repeated:
                raise
        call.repeated = True  # a kept-alive connection may have gone stale: once more, on a new one
        return await self._once(call)

    async def _once(self, call: _Call) -> AiReply:
        call.attempts += 1
        notes = Notes(call.hand_out)
        call.answers.append(notes)
        try:
            return await self._api.call(call.request, notes)
        finally:
            if self._spent is not None and notes.usage is not None:
                self._spent(notes.model or self._config.model, notes.usage)


def _pause_before_retry(state: tenacity.RetryCallState) -> float:
    """Exponential, with jitter, from half a second; at least what `retry-after` asks for."""
    error = state.outcome.exception() if state.outcome else None
    return max(_BACKOFF(state), getattr(error, "retry_after_s", None) or 0.0)


@dataclass(slots=True)
class _Call:
    """One `ask`: what it may still do, and for the log how long and how much, never what."""

    request: CoachRequest
    config: AiConfig
    on_tip: OnTip | None
    started: float
    attempts: int = 0
    repeated: bool = False
    tip_given: bool = False
    outcome: str = "cancelled"
    reason: str | None = None
    model_id: str | None = None
    answers: list[Notes] = field(default_factory=list, repr=False)
    """What each attempt brought: an answer that broke off is charged for, too."""

    @property
    def notes(self) -> Notes:
        """What the last attempt brought."""
        return self.answers[-1] if self.answers else Notes()

    def hand_out(self, text: str, model: str) -> None:
        """Give the tip to who asked for it early, if it may be shown."""
        if self.on_tip is None or self.tip_given:
            return
        who = model_id(self.config.provider, model or self.config.model)
        tip = usable_tip(text, model_id=who, facts=self.request.facts)
        if tip is not None:
            self.tip_given = True
            self.on_tip(tip)

    def may_not_retry(self, state: tenacity.RetryCallState) -> bool:
        """Whether it was the last attempt, a tip is out, or the pause would end when the call is given up."""
        gives_up_at = self.started + self.config.give_up_after_s
        too_late = anyio.current_time() + state.upcoming_sleep >= gives_up_at
        return self.tip_given or state.attempt_number >= MAX_ATTEMPTS or too_late

    def fields(self, now: float) -> dict[str, object]:
        """Return the fields of the log event. Times are in ms from the start of `ask`; a cost of None: not known."""
        first, tip = self.notes.first_token_at, self.notes.tip_at
        known = {
            "clip": self.request.clip_id,
            "outcome": self.outcome,
            "reason": self.reason,
            "model_id": self.model_id or self._asked(),
            "attempts": self.attempts,
            "total_ms": _milliseconds(now - self.started),
            "reused_connection": self.notes.reused_connection,
            "first_token_ms": None if first is None else _milliseconds(first - self.started),
            "tip_ms": None if tip is None else _milliseconds(tip - self.started),
            "tokens_per_s": self.notes.tokens_per_s,
            **self._counts(),
        }
        return {name: value for name, value in known.items() if value is not None} | self._cost()

    def _asked(self) -> str | None:
        """Who answered, if nothing usable came."""
        return model_id(self.config.provider, self.notes.model) if self.notes.model else None

    def _cost(self) -> dict[str, object]:
        charged = [(notes.model or self.config.model, notes.usage) for notes in self.answers]
        costs = [cost_usd(model, usage) for model, usage in charged if usage is not None]
        if not costs:
            return {}
        known = [cost for cost in costs if cost is not None]
        return {"cost_usd": round(sum(known), 7) if len(known) == len(costs) else None}

    def _counts(self) -> dict[str, int]:
        """Return the tokens of all attempts, as far as the provider told them."""
        totals = Counter[str]()
        for notes in self.answers:
            totals.update(notes.counts)
        return dict(totals)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
