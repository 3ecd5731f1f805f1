"""The edges of the worker as it sees them. Policy and races know only these; `compose` brings the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing

from .models import AiAddendum, AiReply, AiState, Coached, CoachRequest, Origin, Query, ReplyContext, Take


class Clock(Protocol):
    """Three clocks, because they fail in different ways."""

    def monotonic(self) -> float:
        """Seconds; for races and deadlines."""
        ...

    def boottime(self) -> float:
        """Seconds that also pass while the machine is suspended; for the age of waiting replies."""
        ...

    def now(self) -> datetime:
        """Wall clock, UTC; for what people read. May step, may start in 1970."""
        ...


class AiCoach(Protocol):
    """One provider of AI coaching."""

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        """Return a valid reply, after retries if need be. Raises AiError. Bounded by the caller's scope.

        `on_tip` is called at most once, before the end, with a reply that holds only the tip: as soon as the tip is
        complete and fit to be shown by itself. Not every provider can. It must not raise and must not wait. The whole
        reply may still turn out to be unusable (AiInvalid): then the tip is not to be shown either.
        """
        ...


class Bundles(Protocol):
    """Bundle folders. Every method is one thread hop; a symlink, a vanished folder, a full disk raise."""

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        """Read the take, let `decide` decide (in the thread), write `clip.coach.json` and list it in the manifest.

        `visible` is called on the event loop as soon as readers can see the new hint; when this returns, hint and
        manifest are durable. A take that was coached before comes back with `new` False and calls nothing. Raises
        BundleRefused (after writing `clip.error.json`), UnsafePath, LockTimeout, OSError; also after `visible`.
        """
        ...

    async def attach(self, coached: Coached, addendum: AiAddendum, origin: Origin) -> None:
        """Add an in-time reply: file, then manifest, durable. Raises StaleTake if a newer take is there."""
        ...

    async def attach_queued(self, coached: Coached, addendum: bytes) -> None:
        """Add an earlier clip's reply: file, then manifest, durable. Raises StaleTake if a newer take is there."""
        ...

    async def unsettled_by_session(self, bundles: Sequence[Path]) -> list[list[Path]]:
        """Split a batch by the session that its takes belong to, keeping the order within each.

        Takes that stand as a finished cycle leaves them may be left out.
        """
        ...


class Claim(Protocol):
    """A waiting reply that is ours: it is in `claimed/` and nobody else can apply it."""

    @property
    def context(self) -> ReplyContext: ...

    @property
    def document(self) -> bytes:
        """The entry's bytes."""
        ...

    def is_fresh(self) -> bool:
        """Whether its time has not run out (a frozen process may wake up late)."""
        ...


class Spool(Protocol):
    """Late replies. Every state is a folder."""

    async def put(self, addendum: AiAddendum, context: ReplyContext) -> None:
        """Keep a late reply, durably. Raises OSError if it could not."""
        ...

    async def claim(self, query: Query, target: Path) -> Claim | None:
        """Take the newest relevant reply out of `pending/` for the bundle `target`, or None."""
        ...

    async def finish(self, claim: Claim) -> None:
        """The claimed reply stands in its bundle: move it to `applied/`."""
        ...

    async def give_back(self, claim: Claim) -> None:
        """The claimed reply could not be applied: it waits again (and expires as if nothing had happened)."""
        ...


class Tips(Protocol):
    """Tips that were prepared before the take ended."""

    def take(self, coached: Coached, latency_ms: int) -> AiAddendum | None:
        """Use it up: the next text for this take's class, filled from its facts; None if there is none (any more)."""
        ...


class Scores(Protocol):
    """The sessions' scores: what a trend is measured against."""

    def place(self, take: Take, coach: Callable[[Standing | None], CoachingDeterministic]) -> CoachingDeterministic:
        """Admit a take's score once; `coach` gets where the session stood before it and decides.

        May block; runs in a thread.
        """
        ...

    def kick(self) -> None:
        """Entries of the session index may wait to be written."""
        ...


class Intake(Protocol):
    """Where new takes come from."""

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Path]]]:
        """Batches of bundle folders that hold a take (`session.json` or `take.mid`) to look at, in playing order.

        Batches of a start-up scan come first; a folder may come again although nothing in it is new.
        """
        ...

    def forget(self, bundle: Path) -> None:
        """The take could not be coached: bring it again at the next rescan."""
        ...

    def refused(self, bundle: Path) -> None:
        """The take cannot be coached as its bundle is: bring it again when a file beside it changes, too."""
        ...


class Gate(Protocol):
    """Whether the AI may be used at this moment."""

    def state(self) -> AiState:
        """What is in force now. Cheap enough to be asked at every decision."""
        ...
