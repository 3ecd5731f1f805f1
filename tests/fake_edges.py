"""In-memory edges of the worker: bundles, scores, gate, AI. Real rules run over them, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio

from sg_coach.models import CoachingDeterministic, ProgramRef, ProgramType, SessionRecord
from sg_coach.progression import Standing, next_standing
from sg_coach.uncertainty import score_se
from sg_hybrid.errors import AiError, BundleRefused, StaleTake
from sg_hybrid.models import (
    AiAddendum,
    AiReply,
    AiState,
    Coached,
    CoachRequest,
    Origin,
    Take,
    TipSource,
    program_key,
)

SESSION_ID = UUID("550e8400-e29b-41d4-a716-446655440000")


def session(**changes: Any) -> SessionRecord:
    """A take with a timing finding; `changes` replace fields."""
    facts: dict[str, Any] = {
        "session_id": SESSION_ID,
        "program": ProgramRef(kind=ProgramType.ZTPROG, name="salsa_minor_Dm"),
        "bpm": 108,
        "bars": 8,
        "timing_mean_error_ms": 13.5,
        "timing_p95_error_ms": 41.0,
        "late_events": 3,
        "total_events": 124,
        "notes_on_grid_ratio": 0.9,
    }
    return SessionRecord.model_validate(facts | changes)


@dataclass
class FakeBundle:
    """One bundle as a reader would see it."""

    session: SessionRecord
    take_id: str = "sha256:" + "0" * 64
    coaching: CoachingDeterministic | None = None
    coached_from: str | None = None
    """The take that `coaching` was made from."""
    settled: str | None = None
    ai: AiAddendum | None = None
    origin: Origin | None = None
    queued: bytes | None = None
    lock: anyio.Lock = field(default_factory=anyio.Lock)


@dataclass
class FakeBundles:
    """Bundles in memory. `emit_takes`, `settle_takes`: seconds; `refuse`: bundles whose input is bad."""

    bundles: dict[Path, FakeBundle] = field(default_factory=dict)
    refuse: Mapping[Path, str] = field(default_factory=dict)
    emit_takes: float = 0.0
    settle_takes: float = 0.0
    attach_error: Exception | None = None
    settle_error: Exception | None = None
    emitted_at: dict[Path, float] = field(default_factory=dict)

    def add(self, name: str, record: SessionRecord | None = None) -> Path:
        path = Path("bundles") / name
        self.bundles[path] = FakeBundle(record or session())
        return path

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        await anyio.sleep(self.emit_takes)
        if bundle in self.refuse:
            raise BundleRefused(self.refuse[bundle])
        if bundle not in self.bundles:
            raise FileNotFoundError(bundle)
        async with self.bundles[bundle].lock:
            return await self._coach(bundle, self.bundles[bundle], decide, visible)

    async def _coach(
        self, bundle: Path, here: FakeBundle, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        coached = decide(Take(bundle, bundle.name, here.take_id, here.session))
        if here.coaching is not None and here.settled == here.take_id:
            return Coached(coached.take, coached.evaluation, here.coaching, coached.t0, new=False)
        if here.coaching is not None and here.coached_from == here.take_id:
            coached = replace(coached, coaching=here.coaching)  # a crash came before its manifest
        here.coaching, here.coached_from = coached.coaching, here.take_id
        here.ai, here.queued, here.settled = None, None, None
        self.emitted_at[bundle] = anyio.current_time()
        visible(coached)
        with anyio.CancelScope(shield=True):  # a thread hop is never ended half-way
            await anyio.sleep(self.settle_takes)
        if self.settle_error:
            raise self.settle_error
        here.settled = coached.take.take_id
        return coached

    async def attach(self, coached: Coached, addendum: AiAddendum, origin: Origin) -> None:
        if self.attach_error:
            raise self.attach_error
        here = self._current(coached)
        here.ai, here.origin = addendum, origin

    async def attach_queued(self, coached: Coached, addendum: bytes) -> None:
        if self.attach_error:
            raise self.attach_error
        self._current(coached).queued = addendum

    async def unsettled_by_session(self, bundles: Sequence[Path]) -> list[list[Path]]:
        groups: dict[object, list[Path]] = {}
        for bundle in bundles:
            groups.setdefault(self.bundles[bundle].session.session_id, []).append(bundle)
        return list(groups.values())

    def _current(self, coached: Coached) -> FakeBundle:
        here = self.bundles[coached.take.bundle]
        if here.take_id != coached.take.take_id:
            raise StaleTake
        return here


@dataclass
class FakeScores:
    """Averages in memory."""

    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    seen: dict[tuple[str, str], Standing | None] = field(default_factory=dict)

    def place(self, take: Take, coach: Callable[[Standing | None], CoachingDeterministic]) -> CoachingDeterministic:
        this = take.clip_id, take.take_id
        key = str(take.session.session_id), program_key(take.session)
        if this in self.seen:
            return coach(self.seen[this])
        before = self.seen[this] = self.standings.get(key)
        coaching = coach(before)
        if (after := next_standing(before, coaching.score, score_se(take.session))) is not None:
            self.standings[key] = after
        return coaching

    def kick(self) -> None:
        """Nobody writes here."""

    async def run(self) -> None:
        await anyio.sleep_forever()

    async def flush(self) -> bool:
        return True


@dataclass
class FakeGate:
    """The switch."""

    enabled: bool = True
    key_present: bool = True
    within_limits: bool = True

    def state(self) -> AiState:
        return AiState(self.enabled, self.key_present, "set by the test", self.within_limits)


@dataclass
class ScriptedCoach:
    """Answers by clip id: (delay in seconds, reply or error). Counts how calls ended.

    `tip_after` (s, by clip id): when the reply's tip is handed out ahead of the whole, or of the error.
    """

    script: dict[str, tuple[float, AiReply | AiError | Exception]] = field(default_factory=dict)
    default: tuple[float, AiReply | AiError | Exception] | None = None
    tip_after: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cancelled: int = 0

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        self.asked.append(request.clip_id)
        delay, answer = self.script.get(request.clip_id) or self.default or (0.1, reply())
        done_at = anyio.current_time() + delay
        try:
            if on_tip is not None and request.clip_id in self.tip_after:
                await anyio.sleep(self.tip_after[request.clip_id])
                begun = answer if isinstance(answer, AiReply) else reply()
                on_tip(AiReply(begun.model_id, coaching_tip=begun.coaching_tip))
            await anyio.sleep_until(done_at)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer


def reply(tip: str | None = "Play softer and land on the click.") -> AiReply:
    return AiReply(model_id="simulator:test@latest", coaching_tip=tip, confidence=0.5)


@dataclass
class FakeIntake:
    """Brings what the test sends."""

    batches: list[list[Path]] = field(default_factory=list)
    forgotten: list[Path] = field(default_factory=list)
    put_aside: list[Path] = field(default_factory=list)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Sequence[Path]]]:
        async def bring() -> AsyncIterator[Sequence[Path]]:
            for batch in self.batches:
                yield batch
            await anyio.sleep_forever()

        yield bring()

    def forget(self, bundle: Path) -> None:
        self.forgotten.append(bundle)

    def refused(self, bundle: Path) -> None:
        self.put_aside.append(bundle)


@dataclass
class FakeTips:
    """Prepared tips: as many as `left`."""

    left: int = 0

    def take(self, coached: Coached, latency_ms: int) -> AiAddendum | None:
        if not self.left:
            return None
        self.left -= 1
        return AiAddendum(
            schema_id="coaching_ai_addendum",
            schema_version="v1",
            clip_id=coached.take.clip_id,
            ai_available=True,
            ai_latency_ms=latency_ms,
            model_id="simulator:test@latest",
            coaching_tip="Prepared.",
        )

    async def run(self) -> None:
        await anyio.sleep_forever()

    async def finish(self) -> None:
        return


@dataclass
class FakeLedger:
    """Counts sources."""

    sources: list[TipSource] = field(default_factory=list)

    def count(self, source: TipSource) -> None:
        self.sources.append(source)

    async def run(self) -> None:
        await anyio.sleep_forever()

    async def save(self) -> None:
        return


class NoSweeper:
    """A sweeper with nothing to do."""

    async def run(self) -> None:
        await anyio.sleep_forever()
