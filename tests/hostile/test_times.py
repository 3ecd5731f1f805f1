"""TIME: what `queued_at_utc` may say, and what clocks may do meanwhile."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sg_coach.digest import sha256_bytes
from sg_coach.jsontext import to_json_bytes
from sg_coach.timestamps import utc_text
from sg_hybrid.queue_entry import StoredContext, entry_name
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import BUNDLE, context, names, put_context, query, queued
from tests.process.spools import opened, why_of

CLIP = "clip_a"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(frozen=True)


def left_there(root: Path, queued_at: Any) -> None:
    """An entry with its context, as an earlier worker left it; `queued_at` may be no time at all."""
    (root / "pending").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    document = queued(CLIP, EPOCH).model_dump(mode="json") | {"queued_at_utc": queued_at}
    if queued_at is ...:
        del document["queued_at_utc"]
    raw = to_json_bytes(document)
    path = root / "pending" / entry_name(CLIP)
    path.write_bytes(raw)
    os.utime(path, (1, 1))
    put_context(root, StoredContext(context(CLIP), sha256_bytes(raw)))


IMPOSSIBLE = {
    "TIME-01-missing": ...,
    "TIME-01-null": None,
    "TIME-02-30-february": "2026-02-30T12:34:56Z",
    "TIME-03-without-zone": "2026-02-04T12:34:56",
    "TIME-04-zone-of-99-99": "2026-02-04T12:34:56+99:99",
    "TIME-10-leap-second": "2026-12-31T23:59:60Z",
}


@pytest.mark.parametrize("text", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
async def test_a_time_that_is_none_is_put_aside_with_its_reason(text: Any, tmp_path: Path, clock: FakeClock) -> None:
    left_there(tmp_path / "queue", text)

    spool = await opened(tmp_path / "queue", clock)

    assert why_of(tmp_path / "queue").startswith(f"{entry_name(CLIP)}: queued_at_utc: ")
    assert spool.waiting == 0


@pytest.mark.parametrize(
    ("text", "lives"),
    [("0001-01-01T00:00:00Z", False), ("9999-12-31T23:59:59Z", True), (utc_text(EPOCH + timedelta(hours=1)), True)],
    ids=["TIME-05-year-1", "TIME-06-year-9999", "TIME-07-an-hour-ahead"],
)
async def test_a_time_far_away_makes_nothing_immortal(text: str, lives: bool, tmp_path: Path, clock: FakeClock) -> None:
    left_there(tmp_path / "queue", text)

    spool = await opened(tmp_path / "queue", clock)

    assert await spool.expire_due() == (0 if lives else 1)
    clock.advance(300.001)
    assert await spool.claim(query(), BUNDLE) is None
    await spool.expire_due()
    assert names(tmp_path / "queue", "pending") == []


@pytest.mark.parametrize(
    ("age_s", "applied"), [(300.0, True), (300.001, False)], ids=["TIME-08-300.000-s", "TIME-09-300.001-s"]
)
async def test_the_last_moment(age_s: float, applied: bool, tmp_path: Path, clock: FakeClock) -> None:
    left_there(tmp_path / "queue", utc_text(EPOCH - timedelta(seconds=age_s)))

    spool = await opened(tmp_path / "queue", clock)

    assert (await spool.claim(query(), BUNDLE) is not None) is applied


async def test_time_11_1970_and_then_a_step(tmp_path: Path, clock: FakeClock) -> None:
    """A machine without a clock chip: nothing is applied until it knows the time, and then by its true age."""
    left_there(tmp_path / "queue", utc_text(EPOCH - timedelta(seconds=100)))
    clock.set_wall(datetime(1970, 1, 1, tzinfo=UTC))
    spool = await opened(tmp_path / "queue", clock)
    assert await spool.claim(query(), BUNDLE) is None

    clock.set_wall(EPOCH)

    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None
    clock.advance(200.0)
    assert claim.is_fresh()
    clock.advance(0.001)
    assert not claim.is_fresh()


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0], ids=["TIME-12-an-hour-back", "TIME-12-an-hour-forth"])
async def test_a_step_while_it_waits_changes_no_age(step_s: float, tmp_path: Path, clock: FakeClock) -> None:
    left_there(tmp_path / "queue", utc_text(EPOCH))
    spool = await opened(tmp_path / "queue", clock)

    clock.step(step_s)
    clock.advance(300.0)
    assert await spool.expire_due() == 0
    clock.advance(0.001)

    assert await spool.expire_due() == 1


@pytest.mark.parametrize("how", ["advance", "suspend"], ids=["TIME-13-frozen", "TIME-13-suspended"])
async def test_ten_minutes_asleep_with_a_claim_in_hand(how: str, tmp_path: Path, clock: FakeClock) -> None:
    left_there(tmp_path / "queue", utc_text(EPOCH))
    spool = await opened(tmp_path / "queue", clock)
    claim = await spool.claim(query(), BUNDLE)
    assert claim is not None

    getattr(clock, how)(600.0)

    assert not claim.is_fresh()
    await spool.give_back(claim)
    assert await spool.claim(query(), BUNDLE) is None
    assert await spool.expire_due() == 1
