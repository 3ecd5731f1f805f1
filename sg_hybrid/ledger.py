"""What the AI did today: calls, tokens, cost, and where tips came from; and the limit that it may not pass.

Kept in `usage.json` under the queue root, a month back. Live calls may use half of a day's limit, so that there is
always room to prepare tips: those are what is in time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import structlog

from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import PRIVATE, Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes

from .errors import AiError, AiUsedUp
from .fs import read_bytes, run_blocking
from .models import AiReply, AiState, CoachRequest, TipSource, Usage
from .ports import AiCoach, Clock, Gate
from .prices import cost_usd
from .queue_folders import USAGE_FILE

MAX_USAGE_BYTES: Final = 256 * 1024
KEPT_DAYS: Final = 31
LIVE_SHARE: Final = 0.5
"""Part of a day's limit that live calls may use."""

SAVE_PAUSE_S: Final = 1.0
"""News are saved together, so often at most."""

Purpose = Literal["live", "prepare"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DailyLimits:
    """How many calls may be made, and how many tokens spent (all kinds), a day (UTC)."""

    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day of use. `live`, `prepared`, `none`: takes with the AI on, by where their tip in time came from."""

    live_calls: int = 0
    prepare_calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    """By the price table; calls of a model without a known price add nothing and count in `unpriced_calls`."""
    unpriced_calls: int = 0
    live: int = 0
    prepared: int = 0
    none: int = 0

    @property
    def calls(self) -> int:
        return self.live_calls + self.prepare_calls

    def with_calls(self, purpose: Purpose, more: int) -> Day:
        name = f"{purpose}_calls"
        return replace(self, **{name: max(getattr(self, name) + more, 0)})

    def with_reply(self, model: str, usage: Usage) -> Day:
        cost = cost_usd(model, usage)
        return replace(
            self,
            tokens=self.tokens + usage.total,
            cost_usd=round(self.cost_usd + (cost or 0.0), 8),
            unpriced_calls=self.unpriced_calls + (cost is None),
        )

    def with_take(self, source: TipSource) -> Day:
        return replace(self, **{source: getattr(self, source) + 1})


def may_call(day: Day, limits: DailyLimits, purpose: Purpose) -> bool:
    """Whether one more call fits into the day."""
    if day.calls >= limits.calls or day.tokens >= limits.tokens:
        return False
    return purpose == "prepare" or day.live_calls < max(limits.calls * LIVE_SHARE, 1)


class Ledger:
    """The days of one queue. Call `load` first, while the queue's lock is held."""

    def __init__(self, root: Path, clock: Clock, limits: DailyLimits) -> None:
        self._root = root
        self._clock = clock
        self._limits = limits
        self._days: dict[str, Day] = {}
        self._news = anyio.Event()
        self._saved: dict[str, Day] = {}
        self._said: dict[Purpose, str] = {}
        """The last day whose limit was said."""

    async def load(self) -> None:
        """Read what is there; a file that cannot be read counts as empty, and is said."""
        try:
            self._days = _days_in(await read_bytes(self._root / USAGE_FILE, MAX_USAGE_BYTES))
            self._saved = dict(self._days)
        except FileNotFoundError:
            pass
        except (CoachError, OSError) as error:
            _say_unreadable(error)

    @property
    def today(self) -> Day:
        return self._days.get(self._date(), Day())

    def may_ask(self, purpose: Purpose) -> bool:
        """Whether a call may be made; the first refusal of a day is logged, for each purpose."""
        allowed = may_call(self.today, self._limits, purpose)
        if not allowed and self._said.get(purpose) != self._date():
            self._said[purpose] = self._date()
            _log.warning("ai_daily_limit", purpose=purpose, calls=self.today.calls, tokens=self.today.tokens)
        return allowed

    def change(self, how: Callable[[Day], Day]) -> None:
        """Note something about today; it is saved soon."""
        self._days[self._date()] = how(self.today)
        self._news.set()

    def count(self, source: TipSource) -> None:
        """Note where a take's tip came from."""
        self.change(lambda day: day.with_take(source))

    def spent(self, model: str, usage: Usage) -> None:
        """Note what an answer cost, whatever became of it."""
        self.change(lambda day: day.with_reply(model, usage))

    async def run(self) -> None:
        """Save what is new, until cancelled; call `save` afterwards."""
        while True:
            await self._news.wait()
            await anyio.sleep(SAVE_PAUSE_S)
            self._news = anyio.Event()
            await self.save()

    async def save(self) -> None:
        """Save the last month if it is another than before. A disk that refuses is logged; the figures stay here."""
        self._days = dict(sorted(self._days.items())[-KEPT_DAYS:])
        days = {date: day for date, day in self._days.items() if day != Day()}
        if days == self._saved:
            return
        try:
            await run_blocking(_write_usage, self._root, days)
            self._saved = days
        except (OSError, CoachError) as error:
            _log.warning("usage_not_saved", error=str(error))

    def _date(self) -> str:
        return self._clock.now().date().isoformat()


class MeteredGate:
    """The switch, with the day's limit (implements ports.Gate)."""

    def __init__(self, gate: Gate, ledger: Ledger, purpose: Purpose) -> None:
        self._gate, self._ledger, self._purpose = gate, ledger, purpose

    def state(self) -> AiState:
        """See ports.Gate."""
        state = self._gate.state()
        if not state.may_ask or self._ledger.may_ask(self._purpose):
            return state
        return replace(state, within_limits=False, why=state.why + " The day's limit is used up.")


class MeteredCoach:
    """An AI whose calls are counted, but for those that never went out (implements ports.AiCoach)."""

    def __init__(self, coach: AiCoach, ledger: Ledger) -> None:
        self._coach, self._ledger = coach, ledger

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        """See ports.AiCoach. Raises AiUsedUp if others used up the limit since the gate was asked."""
        if not self._ledger.may_ask(request.purpose):
            raise AiUsedUp
        self._count(request, 1)  # before it goes out: others look at the limit meanwhile
        try:
            return await self._coach.ask(request, on_tip=on_tip)
        except AiError as error:
            if not error.was_sent:
                self._count(request, -1)
            raise

    def _count(self, request: CoachRequest, more: int) -> None:
        self._ledger.change(lambda day: day.with_calls(request.purpose, more))


def read_usage(root: Path) -> dict[str, Day]:
    """Return the days that a queue root's `usage.json` holds, by date (UTC). Blocking; never raises for bad content."""
    try:
        with Folder.open(root) as folder:
            return _days_in(folder.read(USAGE_FILE, MAX_USAGE_BYTES))
    except FileNotFoundError:
        return {}
    except (CoachError, OSError) as error:
        _say_unreadable(error)
        return {}


def _days_in(raw: bytes) -> dict[str, Day]:
    try:
        days = parse_json_object(raw).get("days", {})
        return {str(date): _day_from(figures) for date, figures in days.items()}
    except (InvalidInput, AttributeError, TypeError, ValueError) as error:
        _say_unreadable(error)
        return {}


def _day_from(figures: Mapping[str, Any]) -> Day:
    """Return a day. Raises AttributeError, TypeError or ValueError if a figure is unknown, or no number from 0 on."""
    for name, figure in figures.items():
        is_number = isinstance(figure, int | float if name == "cost_usd" else int) and not isinstance(figure, bool)
        if not is_number or figure < 0:
            raise ValueError(f"{name[:40]}: not a number from 0 on")
    return Day(**figures)


def _say_unreadable(error: Exception) -> None:
    _log.warning("usage_unreadable", file=USAGE_FILE, error=str(error))


def _write_usage(root: Path, days: dict[str, Day]) -> None:
    document = {"days": {date: asdict(day) for date, day in days.items()}}
    with Folder.open(root) as folder:
        folder.write(USAGE_FILE, to_json_bytes(document), mode=PRIVATE)
