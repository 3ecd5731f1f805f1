"""The worker: the one long-lived task group of the process, from readiness to a clean end.

    intake ─▶ dispatch ─▶ cycles ─▶ calls      sweeper · session index writer

An end has three steps: no new takes; running cycles finish their writes and open calls get the grace period, in which
a late reply still reaches the spool; then everything is cancelled. A second request to stop skips the waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from sg_coach.errors import CoachError

from .at_once import Begun
from .cycle import CycleRunner, RulesSide
from .models import CycleReport
from .one_processor import MANY, MOST_S
from .parts import Parts

MAX_AT_ONCE: Final = 512
"""So many cycles and calls may run when another session's takes are begun; the rest waits its turn."""

LONE_TAKE_S: Final = 0.05
"""How long takes wait for one that a thread has in hand: a hint takes a millisecond, unless its disk is slow."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Life:
    """How far the end has come."""

    stop_asked: anyio.Event = field(default_factory=anyio.Event)
    hurry: anyio.Event = field(default_factory=anyio.Event)

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for, or has come."""
        return self.stop_asked.is_set()

    def stop(self) -> None:
        """Ask for a clean end; asked twice, hurry."""
        if self.stopping:
            self.hurry.set()
        self.begin_to_end()

    def begin_to_end(self) -> None:
        """The end has come, whether or not it was asked for."""
        self.stop_asked.set()


class Worker:
    """Runs cycles for the takes that its intake brings. Make it with `opened`."""

    def __init__(self, parts: Parts, tasks: TaskGroup) -> None:
        self.parts = parts
        self.life = Life()
        self._tasks = tasks
        self._unwatched = anyio.Event()
        self._unwatched.set()
        self._under_way: dict[Path, anyio.Event] = {}
        """The last bundle of each group of takes that is not through; set when its hint is out."""
        self.in_hand: dict[Path, None] = {}
        """Lone takes that a thread is coaching, until their hint is out."""
        self._waited_for: dict[Path, anyio.Event] = {}
        """Those of them that others waited for; set when their hint is out."""
        self._all_through = anyio.Event()
        """Set when no group of takes is under way; of the many that are coached on one processor now."""
        self.runner = CycleRunner(
            bundles=parts.bundles,
            spool=parts.spool,
            coach=parts.coach,
            gate=parts.gate,
            clock=parts.clock,
            scores=parts.scores,
            tips=parts.tips,
            limits=parts.limits,
            calls=tasks,
            stop_asked=self.life.stop_asked,
            count=parts.ledger.count,
        )

    @classmethod
    @asynccontextmanager
    async def opened(cls, parts: Parts) -> AsyncIterator[Self]:
        """Run the worker's background parts around the body; end cleanly after it, also when it is cancelled.

        An error of the body comes out as it is, not in a group.
        """
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            worker = cls(parts, tasks)
            tasks.start_soon(parts.sweeper.run, name="sweeper")
            tasks.start_soon(parts.scores.run, name="session index writer")
            tasks.start_soon(parts.tips.run, name="preparer")
            tasks.start_soon(parts.ledger.run, name="ledger")
            try:
                yield worker
            except Exception as error:  # noqa: BLE001 - raised again, below
                failed = error
            finally:
                with anyio.CancelScope(shield=True):
                    await worker._end()
        if failed is not None:
            raise failed

    async def start(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: object) -> None:
        """Start a background task and wait until it is ready. It is cancelled at the end."""
        await self._tasks.start(function, *args, name=getattr(function, "__name__", None))

    async def quiet(self) -> None:
        """Wait until no cycle and no call runs."""
        await self.runner.active.quiet()

    async def watch(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Coach what the intake brings, until `life.stop()`. Started once the folders are watched, or never will be."""
        watched = False
        self._unwatched = anyio.Event()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_watching, group, name="stop watching")
                async with self.parts.intake.watch() as batches:
                    watched = True
                    task_status.started()
                    async for batch in batches:
                        await self.dispatch(batch)
            if not watched:
                task_status.started()
        finally:
            self._unwatched.set()

    def takes_lone_takes(self) -> bool:
        """Whether a take that comes now has no predecessor that is still to be coached. Safe in any thread."""
        return not (self.life.stopping or self._under_way or self._waited_for)

    def let_go(self, bundle: Path) -> None:
        """A lone take is out of hand: its hint is out, or it comes the long way."""
        if (event := self._waited_for.pop(bundle, None)) is not None:
            event.set()

    def go_on(self, begun: Begun) -> None:
        """Run the rest of a cycle whose hint was written at once."""
        self.let_go(begun.bundle)
        self.runner.active.enter()
        self._tasks.start_soon(self._rest_of_cycle, begun, name=f"cycle of {begun.bundle.name}")

    async def _rest_of_cycle(self, begun: Begun) -> None:
        with self.runner.active.leaving():
            await self._cycle(begun.bundle, lambda: None, begun.coach)

    async def _stop_watching(self, watching: TaskGroup) -> None:
        await self.life.stop_asked.wait()
        watching.cancel_scope.cancel()

    async def dispatch(self, batch: Sequence[Path]) -> None:
        """Start the cycles of a batch: takes of one session one after the other, sessions side by side.

        While an earlier batch is not through, takes of its sessions come after it: the trend of a take is measured
        against those that were played before it. A single take with nothing under way is nobody's successor.
        Waits while too many run.
        """
        await self._lone_takes_first()
        if len(batch) == 1 and not self._under_way:
            self._start_group(batch, [])
            return
        ahead, new = dict(self._under_way), set(batch)
        known = [bundle for bundle in ahead if bundle not in new]
        for group in await self.parts.bundles.unsettled_by_session([*known, *batch]):
            mine = [bundle for bundle in group if bundle in new]
            if mine:
                await self.runner.active.below(MAX_AT_ONCE)
                if len(batch) >= MANY and self.parts.processor.gather():
                    self._all_through = anyio.Event()
                    self._tasks.start_soon(self._let_processors_go, name="one processor")
                self._start_group(mine, [ahead[bundle] for bundle in group if bundle in ahead])

    async def _lone_takes_first(self) -> None:
        """Let takes that threads have in hand be coached before those that came after them; not for long, and once."""
        late = [bundle for bundle in list(self.in_hand) if bundle not in self._waited_for]
        events = [self._waited_for.setdefault(bundle, anyio.Event()) for bundle in late]
        with anyio.move_on_after(LONE_TAKE_S):
            for event in events:
                await event.wait()

    def _start_group(self, group: Sequence[Path], before: Sequence[anyio.Event]) -> None:
        hinted = self._under_way[group[-1]] = anyio.Event()
        through = partial(self._is_through, group[-1], hinted)
        self.runner.active.enter()
        self._tasks.start_soon(self._coach_in_order, group, before, through, name=f"takes from {group[0].name}")

    def _is_through(self, last: Path, hinted: anyio.Event) -> None:
        hinted.set()
        if self._under_way.get(last) is hinted:
            del self._under_way[last]
        if not self._under_way:
            self._all_through.set()

    async def _let_processors_go(self) -> None:
        """Give the threads their processors back when all hints are out, or when the disk takes too long for that."""
        try:
            with anyio.move_on_after(MOST_S):
                await self._all_through.wait()
        finally:
            self.parts.processor.let_go()

    async def _coach_in_order(
        self, bundles: Sequence[Path], before: Sequence[anyio.Event], through: Callable[[], None]
    ) -> None:
        """Run the cycles, each from when the hint of the one before it is out; this task runs the last one itself."""
        try:
            with self.runner.active.leaving():
                for event in before:
                    await event.wait()
                for bundle in bundles[:-1]:
                    hinted = anyio.Event()
                    self._tasks.start_soon(self._cycle, bundle, hinted.set, name=f"cycle of {bundle.name}")
                    await hinted.wait()
                await self._cycle(bundles[-1], through)
        finally:
            through()

    async def _cycle(self, bundle: Path, hinted: Callable[[], None], rules: RulesSide | None = None) -> None:
        """One cycle, whatever happens in it: the worker never stops for one bundle."""
        try:
            if rules or not self.life.stopping:
                report = await self.runner.run(bundle, hinted=hinted, rules=rules)
                if report.refused:
                    self.parts.intake.refused(bundle)
                elif report.error:
                    self.parts.intake.forget(bundle)
        except FileNotFoundError:
            _log.info("take_gone", bundle=str(bundle))
        except (OSError, CoachError) as error:
            _log.error("cycle_failed", bundle=str(bundle), error=str(error), again="at the next rescan")
            self.parts.intake.forget(bundle)
        except Exception:  # noqa: BLE001 - logged whole; other takes must not suffer
            _log.exception("cycle_failed", bundle=str(bundle))
        finally:
            hinted()

    async def coach_clip(self, bundle: Path) -> CycleReport:
        """Coach one bundle now; return when its race is over and its files are durable.

        Raises OSError or CoachError if not even the coach file could be written.
        """
        return await self.runner.run(bundle)

    async def _end(self) -> None:
        self.life.begin_to_end()
        with anyio.move_on_after(self.parts.grace_s):
            await self._quiet_or_hurried()
        if self.runner.active.count:
            _log.warning("stopped_before_all_was_done", running=self.runner.active.count)
        self._tasks.cancel_scope.cancel()
        await self.parts.scores.flush()
        await self.parts.ledger.save()

    async def _quiet_or_hurried(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_when_hurried, group, name="hurry")
            await self.parts.tips.finish()
            await self._unwatched.wait()
            await self.runner.active.quiet()
            group.cancel_scope.cancel()

    async def _cancel_when_hurried(self, group: TaskGroup) -> None:
        await self.life.hurry.wait()
        group.cancel_scope.cancel()
