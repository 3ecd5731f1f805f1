"""The queue in memory and the queue on disk, led through the same steps: each answer and what `ls` shows are equal."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sg_coach.timestamps import utc_text
from sg_hybrid.models import Query, ReplyContext
from sg_hybrid.ports import Claim
from sg_hybrid.queue_entry import clip_of_copy, entry_bytes, entry_name
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_state import SpoolOptions
from tests.deep import examples
from tests.fakes import FakeClock, MemorySpool
from tests.late_replies import FOCUS, OTHER_SESSION, SESSION, addendum, context, names, query, queued

T = TypeVar("T")
CLIPS = ("clip_a", "clip_b", "clip_c")
clips = st.sampled_from(CLIPS)
sessions = st.sampled_from((SESSION, SESSION, OTHER_SESSION))
BUNDLE = Path("/music/bundles/clip_now")


def lookup(clip_id: str) -> ReplyContext | None:
    """One clip's bundle can be found, the others' cannot."""
    return context(clip_id) if clip_id == "clip_a" else None


@pytest.fixture(autouse=True)
def _quiet_logs() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class Twins(RuleBasedStateMachine):
    """What is done to one queue is done to the other."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name) / "queue"
        self._context = start_blocking_portal("asyncio")
        self.portal = self._context.__enter__()
        self.clock = FakeClock(frozen=True)
        self.memory = MemorySpool(self.clock, lookup=lookup)
        self.disk = self._opened()
        self.claims: list[tuple[Claim, Claim]] = []
        self.serial = 0

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)
        self._folder.cleanup()

    def _opened(self) -> DiskSpool:
        options = SpoolOptions(lookup=lookup)
        return self.portal.call(DiskSpool.open, self.root, self.clock, options)

    def _both(self, step: Callable[[MemorySpool | DiskSpool], Awaitable[T]]) -> tuple[T, T]:
        return self.portal.call(step, self.memory), self.portal.call(step, self.disk)

    # Steps of the worker

    @rule(clip=clips, of=sessions, focus=st.sampled_from((FOCUS, "PANIC_USED")))
    def put(self, clip: str, of: str, focus: str) -> None:
        self.serial += 1
        reply = addendum(clip, coaching_tip=f"Tip {self.serial}.")
        self._both(lambda spool: spool.put(reply, context(clip, session_id=of, focus=focus)))

    @rule(clip=st.sampled_from(("clip_now", *CLIPS)), of=sessions)
    def claim(self, clip: str, of: str) -> None:
        wanted: Query = query(clip, session_id=of)
        mine, disks = self._both(lambda spool: spool.claim(wanted, BUNDLE))
        assert (mine is None) == (disks is None), (mine, disks)
        if mine is not None and disks is not None:
            assert (mine.context, mine.document, mine.is_fresh()) == (disks.context, disks.document, disks.is_fresh())
            self.claims.append((mine, disks))

    @rule(applied=st.booleans())
    def end_a_claim(self, applied: bool) -> None:
        if not self.claims:
            return
        mine, disks = self.claims.pop()
        assert mine.is_fresh() == disks.is_fresh()
        if applied:
            self.portal.call(self.memory.finish, mine)
            self.portal.call(self.disk.finish, disks)
        else:
            self.portal.call(self.memory.give_back, mine)
            self.portal.call(self.disk.give_back, disks)

    @rule()
    def sweep(self) -> None:
        self._both(lambda spool: spool.refresh())
        mine, disks = self._both(lambda spool: spool.expire_due())
        assert mine == disks

    # Clocks

    @rule(seconds=st.sampled_from([0.001, 1.0, 100.0, 199.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([100.0, 600.0]))
    def the_lid_is_closed(self, seconds: float) -> None:
        self.clock.suspend(seconds)

    @rule(by=st.sampled_from([-3600.0, 3600.0]))
    def the_clock_is_set(self, by: float) -> None:
        self.clock.step(by)

    # Other people's hands

    @rule(clip=clips, age=st.sampled_from([-60.0, 0.0, 250.0, 400.0]))
    def somebody_puts_an_entry_in(self, clip: str, age: float) -> None:
        self.serial += 1
        written = utc_text(self.clock.now() - timedelta(seconds=age))
        self._drop(clip, entry_bytes(queued(clip, written, coaching_tip=f"Tip {self.serial}.")))

    @rule(junk=st.sampled_from([b"", b"{", b"[]", b"\xff\xfe", b'{"clip_id": "clip_a"}']))
    def somebody_puts_junk_in(self, junk: bytes) -> None:
        self.serial += 1
        self._drop(f"junk_{self.serial}", junk)

    @rule(clip=clips)
    def somebody_takes_an_entry_out(self, clip: str) -> None:
        self.memory.remove(clip)
        (self.root / "pending" / entry_name(clip)).unlink(missing_ok=True)
        self._noticed()

    @rule(clip=clips)
    def somebody_puts_an_applied_reply_in_again(self, clip: str) -> None:
        applied = self.root / "applied" / entry_name(clip)
        if applied.exists():
            document = json.loads(applied.read_bytes()) | {"queued_at_utc": utc_text(self.clock.now())}
            self._drop(clip, json.dumps(document).encode())

    def _drop(self, clip: str, document: bytes) -> None:
        self.memory.drop(clip, document)
        spare = self.root.parent / "spare"
        spare.write_bytes(document)
        os.utime(spare, (1, 1 + self.serial))
        spare.rename(self.root / "pending" / entry_name(clip))  # a number of its own: the old file was still there
        self._noticed()

    def _noticed(self) -> None:
        """Both look at once: on disk a change within the same tick of the file system's clock shows a while later."""
        for _ in range(2):
            self.clock.advance(3)
            self._both(lambda spool: spool.refresh())

    # A new process

    @rule(shown=st.booleans(), unset=st.sampled_from([False, False, True]))
    def it_starts_again(self, shown: bool, unset: bool) -> None:
        """`shown`: the bundles hold what was being applied."""
        wall = datetime(1970, 1, 1, tzinfo=UTC) if unset else self.clock.now()
        self.clock = FakeClock(wall, frozen=True)
        self.memory, self.claims = MemorySpool.reopened(self.memory, self.clock), []
        self.disk = self._opened()
        self._both(lambda spool: spool.recover(lambda _bundle, _digest: shown))
        self._both(lambda spool: spool.refresh())

    # What is equal

    @invariant()
    def the_same_stands_in_every_folder(self) -> None:
        memory = self.memory
        assert self._standing("pending") == sorted(entry.document for entry in memory.pending.values())
        assert self._standing("claimed") == sorted(claim.document for claim in memory.claimed.values())
        assert self._standing("applied") == sorted(document for _, document in memory.applied_documents)
        assert self._standing("rejected") == sorted(document for _, document in memory.rejected)
        assert self.disk.waiting == memory.waiting

    @invariant()
    def each_context_has_its_entry(self) -> None:
        entries = {clip_of_copy(name) for folder in ("pending", "claimed") for name in names(self.root, folder)}
        known = {clip[0] for clip in entries if clip is not None}
        contexts = {name.removesuffix(".json") for name in names(self.root, "context")}
        assert contexts <= known | self._taken_out()

    def _taken_out(self) -> set[str]:
        """Somebody who takes an entry out leaves its context; the next start removes it."""
        return set(self.memory.contexts)

    def _standing(self, folder: str) -> list[bytes]:
        entries = self.root / folder
        return sorted((entries / name).read_bytes() for name in names(self.root, folder) if not name.endswith(".why"))


TestTwins = Twins.TestCase
TestTwins.settings = examples(25, steps=20)
