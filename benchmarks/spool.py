"""The queue of late replies: a durable put against its bare sequence and other queues; finding; expiring."""

from __future__ import annotations

import gc
import os
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio

from sg_coach.digest import sha256_bytes
from sg_coach.timestamps import utc_text
from sg_hybrid.clock import SystemClock
from sg_hybrid.models import AiAddendum, Query, ReplyContext
from sg_hybrid.spool import DiskSpool
from sg_hybrid.spool_state import SpoolOptions

from ._children import write_bare
from ._scratch import scratch
from .table import Row, at_most, known

PUTS: Final = 300
EXPIRIES: Final = 3
"""Times that 10,000 entries expire; the run with the middle ratio is shown."""

SESSION: Final = "550e8400-e29b-41d4-a716-446655440000"


def _addendum(clip_id: str, at: datetime | None = None) -> AiAddendum:
    return AiAddendum(
        schema_id="coaching_ai_addendum",
        schema_version="v1",
        clip_id=clip_id,
        ai_available=True,
        ai_latency_ms=900,
        model_id="anthropic:claude-3-haiku@20240307",
        coaching_tip="Play softer and land on the click.",
        queued=True,
        queued_at_utc=utc_text(at or datetime.now(UTC)),
    )


def _context(clip_id: str, session: str = SESSION) -> ReplyContext:
    return ReplyContext(clip_id, session, "ztprog:salsa_minor_Dm", "TIMING_P95_HIGH", "bundles/x")


def _peers(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """Other queues, each with whether a put is synced to the disk (read off their sources and documentation)."""
    import mailbox

    import diskcache
    import litequeue
    import persistqueue
    from huey.storage import FileStorage

    database = sqlite3.connect(folder / "sqlite.db", isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute("create table entries (id integer primary key, document blob)")
    maildir = mailbox.Maildir(folder / "maildir")
    lite = litequeue.LiteQueue(str(folder / "lite.db"))
    cache = diskcache.Deque(directory=str(folder / "diskcache"))
    files = persistqueue.Queue(str(folder / "persistqueue"))
    huey = FileStorage("bench", str(folder / "huey"))
    return {
        "SQLite WAL FULL (syncs)": lambda data: database.execute("insert into entries (document) values (?)", (data,)),
        "Maildir (syncs the file, not the folder)": maildir.add,
        "persist-queue file (does not sync)": lambda data: files.put(data),
        "huey file (does not sync)": huey.enqueue,
        "litequeue (does not sync)": lambda data: lite.put(data.decode()),
        "diskcache (does not sync)": cache.append,
    }


async def _puts(folder: Path) -> list[Row]:
    spool = await DiskSpool.open(folder / "ours", SystemClock())
    bare = folder / "bare"
    bare.mkdir()
    peers = _peers(folder)
    document = _addendum("clip").model_dump_json(indent=2).encode()
    times: dict[str, list[float]] = {name: [] for name in ("ours", "bare", *peers)}
    for number in range(PUTS):
        write_bare(bare, f"settled_{number}", b"", durable=True)  # what peers left unsynced is nobody's work here
        clip = f"clip_{number:05d}"
        addendum, context = _addendum(clip), _context(clip)
        begin = time.perf_counter()
        await spool.put(addendum, context)
        times["ours"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        write_bare(bare, clip, document, durable=True)
        times["bare"].append(time.perf_counter() - begin)
        for name, put in peers.items():
            begin = time.perf_counter()
            put(document)
            times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(values) * 1e6 for name, values in times.items()}
    claim, ours = "durable put of a late reply, p50", medians["ours"]
    bare_row = at_most(claim, ours, "µs", "open, write, fsync, rename, fsync(dir)", medians["bare"], 1.3)
    return [bare_row, *(known(claim, ours, "µs", name, medians[name]) for name in peers)]


def _fill(root: Path, count: int, session_of: Callable[[int], str], at: datetime) -> None:
    """Put entries in as another program would: by hand, into the folders."""
    from sg_hybrid.queue_entry import StoredContext, context_bytes, entry_bytes

    for name in ("pending", "context"):
        (root / name).mkdir(parents=True, mode=0o700, exist_ok=True)
    root.chmod(0o700)
    for number in range(count):
        clip = f"clip_{number:06d}"
        entry = entry_bytes(_addendum(clip, at))
        stored = StoredContext(_context(clip, session_of(number)), sha256_bytes(entry))
        (root / "context" / f"{clip}.json").write_bytes(context_bytes(stored))
        (root / "pending" / f"{clip}_ai_addendum.json").write_bytes(entry)


async def _claims(folder: Path, count: int) -> float:
    """Return the median time of claiming and giving back a session's entry among `count`, in µs."""
    root = folder / f"claims_{count}"
    root.mkdir(mode=0o700)
    _fill(root, count, lambda number: f"00000000-0000-0000-0000-{number:012d}", datetime.now(UTC))
    spool = await DiskSpool.open(root, SystemClock(), SpoolOptions(ttl_s=86_000))
    await spool.refresh()
    gc.collect()
    gc.freeze()
    query_of = [
        Query(
            "other", f"00000000-0000-0000-0000-{number:012d}", "ztprog:salsa_minor_Dm", frozenset({"TIMING_P95_HIGH"})
        )
        for number in range(0, count, count // 50)
    ]
    times = []
    for query in query_of:
        begin = time.perf_counter()
        claim = await spool.claim(query, folder / "bundle")
        times.append(time.perf_counter() - begin)
        assert claim is not None
        await spool.give_back(claim)
    return statistics.median(times) * 1e6


async def _expiry(folder: Path, count: int) -> tuple[float, float]:
    """Return seconds for expiring `count` entries, and for a plain unlink loop over the same files."""
    past = datetime.now(UTC) - timedelta(seconds=200)
    folder.mkdir()
    root, twin = folder / "ours", folder / "plain"
    for place in (root, twin):
        place.mkdir(mode=0o700)
        _fill(place, count, lambda _number: SESSION, past)
    paths = [path for name in ("pending", "context") for path in (twin / name).iterdir()]
    spool = await DiskSpool.open(root, SystemClock(), SpoolOptions(ttl_s=201))
    await spool.refresh()
    await anyio.sleep(1.5)
    begin = time.perf_counter()
    expired = await spool.expire_due()
    ours = time.perf_counter() - begin
    assert expired == count, expired
    begin = time.perf_counter()
    for path in paths:
        os.unlink(path)
    return ours, time.perf_counter() - begin


async def _all(folder: Path) -> list[Row]:
    rows = await _puts(folder)
    few, many = await _claims(folder, 1_000), await _claims(folder, 100_000)
    rows.append(at_most("a session's entry among 100,000", many, "µs", "among 1,000", few, 2))
    runs = [await _expiry(folder / f"expiry_{number}", 10_000) for number in range(EXPIRIES)]
    ours, plain = sorted(runs, key=lambda run: run[0] / run[1])[EXPIRIES // 2]
    rows.append(at_most("expire 10,000 entries", ours, "s", "unlink loop over the same files", plain, 1))
    return rows


def _run(main: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    return anyio.run(main, *args)


def run() -> list[Row]:
    """All figures of the queue."""
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with scratch("spool") as folder:
        rows: list[Row] = _run(_all, folder)
        return rows
