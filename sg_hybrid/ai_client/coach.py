"""The port `AiCoach` over the Messages API: limits, retries, the circuit breaker and one log event a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.to_thread
import structlog
import tenacity

from sg_hybrid.ai_config import AiConfig
from sg_hybrid.breaker import MAX_PAUSE_S, Breaker, BreakerLimits, admit, failed, succeeded
from sg_hybrid.errors import AiError, AiPaused, AiTimeout, ConfigError
from sg_hybrid.models import AiReply, CoachRequest
from sg_hybrid.prompt import message_parameters, model_id

from .faults import NoAnswer, is_worth_a_retry, pause_asked_for
from .reply import usable_reply

if TYPE_CHECKING:
    import httpx2

    from .reading import Reading
    from .sdk import MessagesApi

LogEvent = Callable[..., object]
"""Called as `log(event, **fields)`; structlog's `logger.info` is one."""

MAX_ATTEMPTS: Final = 3
_BACKOFF: Final = tenacity.wait_exponential(multiplier=0.5, max=4.0) + tenacity.wait_random(0, 0.5)
_WARM_UP_S: Final = 5.0
_REHEARSED: Final = CoachRequest("rehearsal", "rehearsal", {})


class AnthropicCoach:
    """AI coaching by the Messages API, or by any server that speaks it.

    One instance a process and event loop; make it with `create`, before the first race. `ask` may be called any number
    of times at once. Cancelling `ask` closes its connection and throws the answer away: leave that to the end of the
    late window.
    """

    def __init__(self, api: MessagesApi, config: AiConfig, log: LogEvent, limits: BreakerLimits) -> None:
        self._api = api
        self._config = config
        self._log = log
        self._limits = limits
        self._breaker = Breaker()

    @classmethod
    async def create(
        cls,
        config: AiConfig,
        *,
        log: LogEvent | None = None,
        limits: BreakerLimits | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> Self:
        """Load the SDK in a thread (about a second on a small machine), build the client and rehearse one call.

        No network. `transport` stands in for the real one in tests. Raises ConfigError if the SDK is not installed.
        """
        try:
            api = await anyio.to_thread.run_sync(_load, config, transport)
        except ModuleNotFoundError as error:
            raise ConfigError(f"the AI side needs {error.name}: pip install 'sg-hybrid[ai]'") from error
        coach = cls(api, config, log or structlog.get_logger(__name__).info, limits or BreakerLimits())
        await coach._rehearse()
        return coach

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

    async def ask(self, request: CoachRequest) -> AiReply:
        """Return a valid, clean reply. Raises AiError; AiPaused, at once, while the service is left alone.

        One immediate repeat if the connection broke before any byte; at most two retries if the service is busy. All
        of it ends after `give_up_after_s`.
        """
        self._admit()
        call = _Call(request.clip_id, started=anyio.current_time())
        call.gives_up_at = call.started + self._config.give_up_after_s
        try:
            reply = await self._bounded(request, call)
        except AiError as error:
            call.outcome, call.reason = error.kind, str(error)
            self._failed(pause_asked_for(error, refused_s=MAX_PAUSE_S))
            raise
        except BaseException:  # cancelled: the late window has ended without an answer
            self._failed(None)
            raise
        else:
            call.outcome, self._breaker = "ok", succeeded()
            return reply
        finally:
            self._log("ai_call", **call.fields(anyio.current_time()))

    async def _rehearse(self) -> None:
        try:
            await self._api.rehearse(self._parameters(_REHEARSED))
        except AiError as error:
            self._log("ai_rehearsal_failed", reason=str(error))

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

    async def _bounded(self, request: CoachRequest, call: _Call) -> AiReply:
        parameters = self._parameters(request)
        with anyio.move_on_after(self._config.give_up_after_s):
            call.reading = await self._with_retries(parameters, call)
            text = call.reading.finished_text()
            call.model_id = model_id(self._config.provider, call.reading.model or self._config.model)
            return usable_reply(text, model_id=call.model_id)
        raise AiTimeout(f"no complete reply within {self._config.give_up_after_s:g} s")

    async def _with_retries(self, parameters: dict[str, Any], call: _Call) -> Reading:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(is_worth_a_retry),
            wait=_pause_before_retry,
            stop=call.may_not_retry,
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retrying(self._attempt, parameters, call)

    async def _attempt(self, parameters: dict[str, Any], call: _Call) -> Reading:
        call.attempts += 1
        try:
            return await self._api.call(parameters)
        except NoAnswer:
            if call.repeated:
                raise
        call.repeated = True  # a kept-alive connection may have gone stale: once more, on a new one
        return await self._attempt(parameters, call)

    def _parameters(self, request: CoachRequest) -> dict[str, Any]:
        return message_parameters(request, model=self._config.model, max_tokens=self._config.max_tokens)


def _load(config: AiConfig, transport: httpx2.AsyncBaseTransport | None) -> MessagesApi:
    from .sdk import MessagesApi

    return MessagesApi(config, transport)


def _pause_before_retry(state: tenacity.RetryCallState) -> float:
    """Exponential, with jitter, from half a second; at least what `retry-after` asks for."""
    error = state.outcome.exception() if state.outcome else None
    return max(_BACKOFF(state), getattr(error, "retry_after_s", None) or 0.0)


@dataclass(slots=True)
class _Call:
    """One `ask`, for the log: how long and how much, never what."""

    clip_id: str
    started: float
    gives_up_at: float = 0.0
    attempts: int = 0
    repeated: bool = False
    outcome: str = "cancelled"
    reason: str | None = None
    model_id: str | None = None
    reading: Reading | None = field(default=None, repr=False)

    def may_not_retry(self, state: tenacity.RetryCallState) -> bool:
        """Whether it was the last attempt, or the pause before the next one would end when the call is given up."""
        return state.attempt_number >= MAX_ATTEMPTS or anyio.current_time() + state.upcoming_sleep >= self.gives_up_at

    def fields(self, now: float) -> dict[str, object]:
        """Return the fields of the log event. Times are in ms from the start of `ask`."""
        known = {
            "clip": self.clip_id,
            "outcome": self.outcome,
            "reason": self.reason,
            "model_id": self.model_id,
            "attempts": self.attempts,
            "total_ms": _milliseconds(now - self.started),
            **self._answer_fields(),
        }
        return {name: value for name, value in known.items() if value is not None}

    def _answer_fields(self) -> dict[str, object]:
        if self.reading is None:
            return {}
        first, tip = self.reading.first_token_at, self.reading.tip_at
        return {
            "reused_connection": self.reading.reused_connection,
            "first_token_ms": None if first is None else _milliseconds(first - self.started),
            "tip_ms": None if tip is None else _milliseconds(tip - self.started),
            "tokens_per_s": _tokens_per_s(self.reading),
            **self.reading.counts,
        }


def _tokens_per_s(reading: Reading) -> float | None:
    first, last = reading.first_token_at, reading.last_token_at
    tokens = reading.counts.get("output_tokens")
    if first is None or last is None or not tokens or last <= first:
        return None
    return round(tokens / (last - first), 1)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
