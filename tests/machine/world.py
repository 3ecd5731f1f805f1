"""What survives a crash, as the state machine sees it; and the world that lies in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sg_coach.coach_policy import evaluate_session
from sg_coach.digest import sha256_bytes
from sg_coach.models import CoachingDeterministic, SessionRecord
from sg_hybrid.models import AiAddendum, ReplyContext, program_key
from sg_hybrid.parts import ScoreWriter
from sg_hybrid.ports import Bundles, Spool
from sg_hybrid.sweeper import SweptSpool
from tests.fake_edges import FakeBundle, FakeBundles, FakeScores
from tests.fakes import FakeClock, MemorySpool

SETTLE_S = 0.2
"""How long a hint takes to become durable: an earlier reply waits for that before it is shown."""


class SweptPort(Spool, SweptSpool, Protocol):
    """What worker and sweeper need of a spool."""


@dataclass(frozen=True)
class Edges:
    """The edges of one life."""

    bundles: Bundles
    spool: SweptPort
    scores: ScoreWriter


@dataclass(frozen=True)
class Standing:
    """What a reader sees in one bundle."""

    take_id: str | None
    """The take that its coaching was made from, once that is durable."""
    coaching: CoachingDeterministic | None
    ai: AiAddendum | None
    queued: bytes | None


@dataclass(frozen=True)
class Folders:
    """What `ls` shows in the queue, and what its logs say: documents."""

    pending: list[bytes]
    claimed: list[bytes]
    applied: list[bytes]
    expired: list[bytes]
    rejected: list[bytes]


class World(Protocol):
    """Bundles and queue of one machine."""

    async def open(self, clock: FakeClock) -> Edges:
        """Start a process: open everything, bring in order what the last one left."""
        ...

    def play(self, clip: str, take: int, record: SessionRecord) -> Path:
        """The instrument leaves a take; return its bundle."""
        ...

    def spoil(self, clip: str) -> Path:
        """The instrument leaves what is no take."""
        ...

    def drop(self, clip: str, document: bytes) -> None:
        """Somebody puts a file into `pending/` under the name of a clip's entry."""
        ...

    def fill(self, error: OSError | None) -> None:
        """From now on the queue's disk refuses with `error`, or works again."""
        ...

    def refuse_ai(self, error: OSError | None) -> None:
        """From now on no AI file can be written into a bundle, or again."""
        ...

    def standing(self, clip: str) -> Standing: ...

    def folders(self) -> Folders: ...


def take_id(number: int) -> str:
    return f"sha256:{number:064x}"


@dataclass
class MemoryWorld:
    """Dictionaries."""

    bundles: FakeBundles = field(default_factory=lambda: FakeBundles(settle_takes=SETTLE_S))
    scores: FakeScores = field(default_factory=FakeScores)
    spool: MemorySpool | None = None

    async def open(self, clock: FakeClock) -> Edges:
        if self.spool is None:
            self.spool = MemorySpool(clock, lookup=self._lookup)
        else:
            self.spool = MemorySpool.reopened(self.spool, clock)
        await self.spool.recover(self._settle)
        await self.spool.refresh()
        return Edges(self.bundles, self.spool, self.scores)

    def play(self, clip: str, take: int, record: SessionRecord) -> Path:
        path = Path("bundles") / clip
        here = self.bundles.bundles.setdefault(path, FakeBundle(record))
        here.session, here.take_id = record, take_id(take)
        self.bundles.refuse = {at: why for at, why in self.bundles.refuse.items() if at != path}
        return path

    def spoil(self, clip: str) -> Path:
        path = Path("bundles") / clip
        self.bundles.refuse = {**self.bundles.refuse, path: "session.json: bpm: missing"}
        return path

    def drop(self, clip: str, document: bytes) -> None:
        assert self.spool is not None
        self.spool.drop(clip, document)

    def fill(self, error: OSError | None) -> None:
        assert self.spool is not None
        self.spool.broken = error

    def refuse_ai(self, error: OSError | None) -> None:
        self.bundles.attach_error = error

    def standing(self, clip: str) -> Standing:
        here = self.bundles.bundles[Path("bundles") / clip]
        return Standing(here.settled, here.coaching, here.ai, here.queued)

    def folders(self) -> Folders:
        spool = self.spool
        assert spool is not None
        return Folders(
            pending=[*(entry.document for entry in spool.pending.values()), *spool.arrived.values()],
            claimed=[claim.document for claim in spool.claimed.values()],
            applied=[document for _, document in spool.applied_documents],
            expired=list(spool.expired_documents),
            rejected=[document for _, document in spool.rejected],
        )

    def _settle(self, target: Path, digest: str) -> bool:
        queued = self.bundles.bundles[target].queued
        return queued is not None and sha256_bytes(queued) == digest

    def _lookup(self, clip_id: str) -> ReplyContext | None:
        path = Path("bundles") / clip_id
        here = self.bundles.bundles.get(path)
        if here is None or path in self.bundles.refuse:
            return None
        focus = evaluate_session(here.session).focus_code
        return ReplyContext(clip_id, str(here.session.session_id), program_key(here.session), focus, str(path))
