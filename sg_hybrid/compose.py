"""Puts a worker together from its real edges. The worker's clock enters here."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import structlog

from sg_coach.errors import CoachError
from sg_coach.timestamps import utc_text

from .at_once import AtOnce
from .bundle import settle_queued
from .clock import SystemClock
from .drained import Drained, NotingBundles
from .fs import run_blocking
from .history import ScoreHistory
from .intake import DiskIntake
from .latencies import LatencyNotes
from .ledger import DailyLimits, Ledger, MeteredCoach, MeteredGate
from .models import CycleReport, ReplyContext
from .on_demand import OnDemandCoach, warm_up
from .one_processor import OneProcessor
from .parts import Parts
from .ports import AiCoach, Clock, Gate
from .post import Post
from .preparer import Preparer
from .queue_guard import QueueGuard
from .queue_lock import QueueLock
from .race import CycleLimits
from .service_manager import ServiceManager
from .settings import Settings
from .spool import DiskSpool
from .spool_state import SpoolOptions
from .sweeper import Sweeper
from .switch import Switch
from .take_reader import context_in
from .tip_bank import TipBank
from .worker import Worker

_log = structlog.get_logger(__name__)


class HybridWorker:
    """The worker, for the command line and for a generator that runs it in its own event loop.

    async with HybridWorker(settings) as worker:
        report = await worker.coach_clip(bundle_dir)

    While the block runs, new takes in the bundle roots are noticed and coached (`watch=False` leaves that out), and
    tips are prepared for takes to come (`prepare=False`: those that are there are used, and no others asked for).
    `clock` stands in for the machine's clocks. Leave the block for a clean end: a cancel scope around it cancels open
    calls at once, without the grace period. Raises QueueHeld if another worker owns the queue, UnsafePath if the queue
    cannot be trusted, ConfigError, OSError.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        watch: bool = True,
        prepare: bool = True,
        handle_signals: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._watch = watch
        self._prepare = prepare
        self._handle_signals = handle_signals
        self._guard: QueueGuard | None = None
        limits = DailyLimits(settings.daily_calls, settings.daily_tokens)
        self._ledger = Ledger(settings.queue_dir, self._clock, limits)
        self._coach = OnDemandCoach(settings, self._ledger.spent)
        self._manager = ServiceManager(settings.notify_socket, settings.watchdog_usec)
        self._signals = ExitStack()
        """Signals are caught to the very end: one more must not cut off what the end still writes."""
        self._context: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._context = self._opened()
        try:
            await self._context.__aenter__()
        except BaseException:
            self._signals.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._context is not None
        self._manager.stopping()
        with self._signals:
            return await self._context.__aexit__(kind, error, traceback)

    async def coach_clip(self, bundle: str | os.PathLike[str]) -> CycleReport:
        """Coach one bundle now; return when its race is over and its files are durable.

        The report of a take that this worker coaches at the moment is waited for; one that was coached before gives a
        report with `ai_status` None. Raises OSError or CoachError if not even the coach file could be written.
        """
        return await self._worker.coach_clip(Path(bundle).absolute())  # noqa: ASYNC240 - asks no disk

    async def serve(self) -> None:
        """Wait until somebody asks for the end: `stop`, or SIGTERM, SIGINT or SIGHUP if signals are handled.

        Raises QueueHeld if the queue was removed while it ran and belongs to another worker now.
        """
        await self._worker.life.stop_asked.wait()
        if self._guard is not None and self._guard.lost is not None:
            raise self._guard.lost

    def stop(self) -> None:
        """Ask for a clean end; asked twice, hurry."""
        self._worker.life.stop()

    async def quiet(self) -> None:
        """Wait until no call is open: each one's late reply is in the queue, or it was given up."""
        with anyio.move_on_after(self.settings.give_up_after_s):
            await self._worker.quiet()

    async def ai_ready(self) -> None:
        """Load the AI client now, whether or not the AI is on. Raises ConfigError if the key or the SDK is missing."""
        await self._coach.ready()

    async def drain(self) -> Drained:
        """Coach every waiting take, wait for late replies too, sweep once; return what happened."""
        drained = Drained()
        await run_blocking(drained.look_at_roots, self.settings.bundle_roots)
        batch = await run_blocking(self._intake.scan, drained.note_unreadable)
        drained.looked_at = len(batch)
        with self._bundles.noting(drained):
            if batch:
                await self._worker.dispatch(batch)
            await self._worker.quiet()
        await self._sweeper.sweep_once()
        return drained

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        clock, settings, ledger, post = self._clock, self.settings, self._ledger, Post()
        root = settings.queue_dir
        latencies = LatencyNotes(clock, post.leave, settings.latency_book)
        scores, gate = ScoreHistory(), Switch(root, settings)
        bundles = self._bundles = NotingBundles(clock, post.leave, latencies.analysed, scores.has)
        intake = self._intake = DiskIntake(
            settings.bundle_roots, rescan_interval_s=settings.rescan_interval_s, watcher=settings.watcher
        )
        options = SpoolOptions(ttl_s=settings.spool_ttl_s, lookup=partial(_context_of, intake))
        spool = await DiskSpool.open(root, clock, options)
        with post, QueueLock.acquire(root, _holder(settings, clock)) as lock:
            recovered = asdict(await spool.recover(settle_queued))
            if any(recovered.values()):
                _log.info("queue_recovered", **recovered)
            await spool.refresh()
            await ledger.load()
            metered = MeteredCoach(self._coach, ledger)
            preparer = await self._preparer(metered, MeteredGate(gate, ledger, "prepare"))
            intake.tell_of_clips(preparer.bundle_appeared)
            self._guard = QueueGuard(lock, self.stop)
            sweeper = self._sweeper = Sweeper(
                spool,
                clock,
                interval_s=settings.sweep_interval_s,
                keep_days=settings.applied_keep_days,
                is_ours=self._guard.is_ours,
            )
            parts = Parts(
                bundles=bundles,
                spool=spool,
                coach=metered,
                gate=MeteredGate(gate, ledger, "live"),
                clock=clock,
                scores=scores,
                intake=intake,
                sweeper=sweeper,
                tips=preparer,
                ledger=ledger,
                limits=_limits(settings),
                grace_s=settings.grace_s,
                processor=OneProcessor(ours=self._handle_signals),
            )
            try:
                async with Worker.opened(parts) as worker:
                    self._worker = worker
                    await worker.start(_deliver, post)
                    at_once = _at_once(worker, bundles, post)
                    intake.answer_at_once(at_once, at_once.accept)
                    await worker.start(latencies.run)
                    await self._start(worker, self._coach, gate)
                    yield
            finally:
                with anyio.CancelScope(shield=True):
                    await latencies.flush()
                await self._coach.aclose()
                _log.info("stopped", **asdict(spool.snapshot()))

    async def _preparer(self, coach: AiCoach, gate: Gate) -> Preparer:
        settings, clock = self.settings, self._clock
        return Preparer(
            bank=await TipBank.open(settings.queue_dir, clock, keep_s=settings.prepared_keep_h * 3600),
            coach=coach,
            gate=gate,
            clock=clock,
            model=settings.ai_model,
            tags_of=self._bundles.tags,
            enabled=settings.can_prepare,
            asks=self._prepare,
        )

    async def _start(self, worker: Worker, coach: OnDemandCoach, gate: Switch) -> None:
        if self._handle_signals:
            received = anyio.open_signal_receiver(*_signals_of_the_end())
            await worker.start(_obey_signals, worker, self._signals.enter_context(received))
        await worker.start(warm_up, coach, gate)
        await worker.start(self._stay_alive)
        if self._watch:
            await worker.start(worker.watch)
        if worker.life.stopping:
            return
        state = gate.state()
        roots = [str(root) for root in self.settings.bundle_roots]
        _log.info("ready", bundle_roots=roots, queue=str(self.settings.queue_dir), ai=state.enabled, why=state.why)
        self._manager.ready()

    async def _stay_alive(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        await self._manager.stay_alive()


async def _deliver(post: Post, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Make the calls that threads leave for the event loop."""
    task_status.started()
    await post.run()


def _at_once(worker: Worker, bundles: NotingBundles, post: Post) -> AtOnce:
    return AtOnce(
        coach=bundles.coach_here,
        decide=worker.runner.decide,
        leave=post.leave,
        start=worker.go_on,
        drop=worker.let_go,
        may=worker.takes_lone_takes,
        in_hand=worker.in_hand,
    )


async def _obey_signals(
    worker: Worker, signals: AsyncIterator[signal.Signals], *, task_status: anyio.abc.TaskStatus[None]
) -> None:
    task_status.started()
    async for number in signals:
        _log.info("stopping", signal=signal.Signals(number).name, hurry=worker.life.stopping)
        worker.life.stop()


def _signals_of_the_end() -> list[signal.Signals]:
    """A closed terminal ends the worker like the others, unless somebody (nohup) had it ignored."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hangs_up else [])]


def _limits(settings: Settings) -> CycleLimits:
    return CycleLimits(
        reply_deadline_s=settings.reply_deadline_ms / 1000,
        give_up_after_s=settings.give_up_after_s,
        max_open_calls=settings.max_open_calls,
    )


def _holder(settings: Settings, clock: Clock) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since_utc": utc_text(clock.now()),
        "bundle_roots": [str(root) for root in settings.bundle_roots],
    }


def _context_of(intake: DiskIntake, clip_id: str) -> ReplyContext | None:
    """Find the session of an entry that somebody else put in, by its clip's bundle."""
    bundle = intake.find_bundle(clip_id)
    try:
        return context_in(bundle) if bundle else None
    except (CoachError, OSError):
        return None
