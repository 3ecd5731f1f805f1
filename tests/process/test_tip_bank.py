"""Prepared tips and the day's figures on a real disk."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx2
import pytest
from structlog.testing import capture_logs

from sg_coach.files import Folder
from sg_coach.timestamps import utc_text
from sg_hybrid import ledger as ledger_module
from sg_hybrid import tip_bank
from sg_hybrid.ai_client.http import network_error
from sg_hybrid.errors import (
    AiBusy,
    AiError,
    AiInvalid,
    AiNotReached,
    AiNotUsable,
    AiPaused,
    AiRefused,
    AiTimeout,
    AiUsedUp,
)
from sg_hybrid.ledger import (
    KEPT_DAYS,
    MAX_USAGE_BYTES,
    DailyLimits,
    Day,
    Ledger,
    MeteredCoach,
    MeteredGate,
    may_call,
    read_usage,
)
from sg_hybrid.models import AiReply, CoachRequest, Usage
from sg_hybrid.prepared import PreparedTip, TipClass, TipKey
from sg_hybrid.tip_bank import TipBank, document_from_tip, file_name
from tests.fake_edges import FakeGate

NOW = datetime(2026, 2, 4, 12, tzinfo=UTC)
LIMITS = DailyLimits(calls=60, tokens=90_000)


class WallClock:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.wall = NOW

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return 0.0

    def boottime(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "queue"
    folder.mkdir(mode=0o700)
    return folder


KEY = TipKey("salsa_minor_Dm", TipClass.TIMING_WARN, "prepare_v1", "m")
TIP = PreparedTip(KEY, ("Play softer.", "Within {timing_p95_ms} ms."), "a:b@c", "2026-02-04T12:00:00.000Z")


async def test_a_tip_is_there_after_a_restart_and_private(root: Path, clock: WallClock) -> None:
    await (await TipBank.open(root, clock)).put(TIP)
    assert (await TipBank.open(root, clock)).peek(KEY) == TIP
    file = root / "prepared" / file_name(KEY)
    assert file.name.startswith("salsa-minor-dm__timing_warn__")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_text_is_taken_once_also_across_a_restart(root: Path, clock: WallClock) -> None:
    bank = await TipBank.open(root, clock)
    await bank.put(TIP)
    assert bank.take(KEY) == TIP
    await bank.save_used()
    bank = await TipBank.open(root, clock)
    taken = bank.take(KEY)
    assert taken is not None
    assert taken.texts == ("Within {timing_p95_ms} ms.",)
    assert bank.take(KEY) is None
    await bank.save_used()
    assert list((root / "prepared").iterdir()) == []


async def test_new_texts_come_before_what_is_left(root: Path, clock: WallClock) -> None:
    bank = await TipBank.open(root, clock)
    await bank.put(TIP)
    bank.take(KEY)
    assert bank.wanted([KEY]) == [KEY]
    await bank.put(replace(TIP, texts=("New.", "Newer.")))
    assert bank.wanted([KEY]) == []
    found = bank.peek(KEY)
    assert found is not None
    assert found.texts == ("New.", "Newer.", "Within {timing_p95_ms} ms.")


async def test_what_a_disk_refused_is_saved_with_the_next(
    root: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = await TipBank.open(root, clock)
    await bank.put(TIP)
    bank.take(KEY)
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", refuse)
        with pytest.raises(OSError, match="full"):
            await bank.save_used()
    await bank.save_used()
    found = (await TipBank.open(root, clock)).peek(KEY)
    assert found is not None
    assert found.texts == TIP.texts[1:]


def refuse(*_arguments: object, **_more: object) -> None:
    raise OSError(errno.ENOSPC, "the disk is full")


async def test_of_too_many_tips_the_oldest_goes(root: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tip_bank, "MAX_TIPS", 2)
    bank = await TipBank.open(root, clock)
    keys = [replace(KEY, program=name) for name in ("one", "two", "three")]
    for number, key in enumerate(keys):
        await bank.put(replace(TIP, key=key, prepared_at_utc=utc_text(clock.wall + timedelta(seconds=number))))
    for there in (bank, await TipBank.open(root, clock)):
        assert [there.peek(key) is not None for key in keys] == [False, True, True]
    assert len(list((root / "prepared").iterdir())) == 2


async def test_a_tip_of_yesterday_is_not_shown(root: Path, clock: WallClock) -> None:
    bank = await TipBank.open(root, clock, keep_s=86_400)
    await bank.put(TIP)
    clock.wall += timedelta(hours=24, seconds=1)
    assert bank.take(KEY) is None
    assert (await TipBank.open(root, clock)).peek(KEY) is None
    assert list((root / "prepared").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"class": "timing_warn", "texts": ["Within 35 ms."], "model_id": "a:b@c"}',
        b'{"class": "sorcery"}',
        json.dumps(document_from_tip(replace(TIP, model_id="no model"))).encode(),
        json.dumps(document_from_tip(replace(TIP, texts=()))).encode(),
    ],
)
async def test_what_is_no_tip_is_no_tip(root: Path, clock: WallClock, content: bytes) -> None:
    (root / "prepared").mkdir(mode=0o700)
    (root / "prepared" / file_name(KEY)).write_bytes(content)
    bank = await TipBank.open(root, clock)
    assert len(bank) == 0


async def test_a_start_removes_what_a_crash_left_and_nothing_of_others(root: Path, clock: WallClock) -> None:
    await (await TipBank.open(root, clock)).put(TIP)
    file = root / "prepared" / file_name(KEY)
    for name in (f".{file.name}.4711-1.tmp", "notes.txt", ".hidden.json"):
        (file.parent / name).write_text("x")
    assert (await TipBank.open(root, clock)).peek(KEY) == TIP
    assert {path.name for path in file.parent.iterdir()} == {file.name, "notes.txt", ".hidden.json"}


async def test_a_folder_among_the_tips_stays_and_keeps_no_other_from_being_read(root: Path, clock: WallClock) -> None:
    await (await TipBank.open(root, clock)).put(TIP)
    strange = root / "prepared" / "x.json"
    strange.mkdir()
    with capture_logs() as logs:
        bank = await TipBank.open(root, clock)
    assert bank.peek(KEY) == TIP
    assert strange.is_dir()
    assert [line["event"] for line in logs] == ["prepared_tip_unreadable", "prepared_tip_stays"]
    assert logs[1]["path"] == str(strange)


async def test_a_tip_of_a_clock_that_was_ahead_is_not_kept_for_years(root: Path, clock: WallClock) -> None:
    bank = await TipBank.open(root, clock, keep_s=3600.0)
    await bank.put(TIP)
    clock.wall = NOW - timedelta(minutes=59)
    assert bank.peek(KEY) == TIP
    clock.wall = NOW - timedelta(minutes=61)
    assert bank.peek(KEY) is None
    assert len(await TipBank.open(root, clock, keep_s=3600.0)) == 0
    assert list((root / "prepared").glob("*.json")) == []


async def test_figures_that_did_not_change_are_not_written(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, LIMITS)
    ledger.change(lambda day: day.with_calls("prepare", 1))
    ledger.change(lambda day: day.with_calls("prepare", -1))
    await ledger.save()
    assert not (root / "usage.json").exists()
    ledger.count("none")
    await ledger.save()
    before = (root / "usage.json").stat()
    await ledger.save()
    again = Ledger(root, clock, LIMITS)
    await again.load()
    await again.save()
    assert (root / "usage.json").stat().st_ino == before.st_ino


async def test_figures_are_on_the_disk_soon_and_not_only_at_the_end(
    root: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "SAVE_PAUSE_S", 0.01)
    ledger = Ledger(root, clock, LIMITS)
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.run)
        for takes in (1, 2):
            ledger.count("none")
            with anyio.fail_after(10):
                while read_usage(root).get("2026-02-04") != Day(none=takes):
                    await anyio.sleep(0.01)
        group.cancel_scope.cancel()


async def test_figures_are_kept_for_a_month(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, LIMITS)
    for _ in range(KEPT_DAYS + 1):
        ledger.count("none")
        clock.wall += timedelta(days=1)
    await ledger.save()
    assert list(read_usage(root)) == [str((NOW + timedelta(days=1 + day)).date()) for day in range(KEPT_DAYS)]


async def test_beyond_the_days_limit_the_switch_says_so_and_stays_on(root: Path, clock: WallClock) -> None:
    gate = MeteredGate(FakeGate(), Ledger(root, clock, DailyLimits(calls=0, tokens=1000)), "live")
    state = gate.state()
    assert (state.enabled, state.key_present, state.may_ask) == (True, True, False)
    assert state.why == "set by the test The day's limit is used up."


class Says:
    """An AI that raises an error, or gives its reply."""

    def __init__(self, error: AiError | None) -> None:
        self.error = error

    async def ask(self, request: CoachRequest, *, on_tip: Callable[[AiReply], None] | None = None) -> AiReply:
        if self.error is not None:
            raise self.error
        return AiReply("a:b@c", coaching_tip="Play softer.")


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (None, 1),
        (AiTimeout(), 1),
        (AiBusy(), 1),
        (AiInvalid(), 1),
        (AiRefused(), 1),
        (AiPaused(), 0),
        (AiNotReached(), 0),
        (AiNotUsable(), 0),
        (network_error(httpx2.ConnectError("no route"), answered=False), 0),
        (network_error(httpx2.ConnectTimeout("no route"), answered=False), 0),
        (network_error(httpx2.ReadError("reset"), answered=False), 1),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_only_calls_that_went_out_count(
    root: Path, clock: WallClock, error: AiError | None, counted: int
) -> None:
    ledger = Ledger(root, clock, LIMITS)
    coach = MeteredCoach(Says(error), ledger)
    for purpose in ("live", "prepare"):
        with suppress(AiError):
            await coach.ask(CoachRequest("a", "b", {}, purpose=purpose))
    assert (ledger.today.live_calls, ledger.today.prepare_calls) == (counted, counted)


async def test_calls_that_begin_at_the_same_moment_stay_within_the_limit(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, DailyLimits(calls=2, tokens=1000))
    gate, coach, refused = MeteredGate(FakeGate(), ledger, "prepare"), MeteredCoach(Says(None), ledger), list[AiError]()

    async def ask() -> None:
        try:
            await coach.ask(CoachRequest("a", "b", {}, purpose="prepare"))
        except AiUsedUp as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            assert gate.state().may_ask  # nobody has begun yet
            group.start_soon(ask)
    assert ledger.today.calls == 2
    assert len(refused) == 1


async def test_the_day_is_counted_and_survives_a_restart(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, LIMITS)
    ledger.change(lambda day: day.with_calls("live", 1))
    ledger.change(lambda day: day.with_reply("anthropic:claude-haiku-5-5@latest", Usage(1000, 100, 0, 0)))
    ledger.change(lambda day: day.with_reply("simulator:x@latest", Usage(10, 10)))
    ledger.count("prepared")
    await ledger.save()
    again = Ledger(root, clock, LIMITS)
    await again.load()
    assert again.today == Day(live_calls=1, tokens=1120, cost_usd=0.0015, unpriced_calls=1, prepared=1)
    clock.wall += timedelta(days=1)
    assert again.today == Day()
    assert set(json.loads((root / "usage.json").read_text())["days"]) == {"2026-02-04"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"days": 7}',
        b'{"days": {"2026-02-04": 7}}',
        b'{"days": {"2026-02-04": {"witchcraft": 1}}}',
        b'{"days": {"2026-02-04": {"live_calls": null}}}',
        b'{"days": {"2026-02-04": {"live_calls": "x"}}}',
        b'{"days": {"2026-02-04": {"live_calls": -1}}}',
        b'{"days": {"2026-02-04": {"live_calls": 1.5}}}',
        b'{"days": {"2026-02-04": {"none": true}}}',
        b'{"days": {"2026-02-04": {"tokens": []}}}',
        b'{"days": {"2026-02-04": {"cost_usd": "1"}}}',
        b" " * (MAX_USAGE_BYTES + 1),
        None,
    ],
)
async def test_a_broken_usage_file_is_an_empty_one(root: Path, clock: WallClock, content: bytes | None) -> None:
    if content is None:
        (root / "usage.json").mkdir()
    else:
        (root / "usage.json").write_bytes(content)
    ledger = Ledger(root, clock, LIMITS)
    with capture_logs() as logs:
        await ledger.load()
        assert read_usage(root) == {}
    assert ledger.today == Day()
    assert ledger.may_ask("live")
    assert [line["event"] for line in logs] == ["usage_unreadable"] * 2


async def test_without_a_usage_file_nothing_was_used(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, LIMITS)
    with capture_logs() as logs:
        await ledger.load()
    assert (ledger.today, read_usage(root), logs) == (Day(), {}, [])


def test_live_calls_leave_half_of_the_day_to_preparing() -> None:
    limits = DailyLimits(calls=10, tokens=1000)
    assert may_call(Day(live_calls=4), limits, "live")
    assert not may_call(Day(live_calls=5), limits, "live")
    assert may_call(Day(live_calls=5), limits, "prepare")
    assert not may_call(Day(live_calls=5, prepare_calls=5), limits, "prepare")
    assert not may_call(Day(tokens=1000), limits, "prepare")
    assert not may_call(Day(), DailyLimits(calls=0, tokens=1000), "live")


async def test_the_limit_is_said_once_a_day_for_each_purpose(root: Path, clock: WallClock) -> None:
    ledger = Ledger(root, clock, DailyLimits(calls=0, tokens=1000))
    with capture_logs() as logs:
        for _ in range(3):
            assert not ledger.may_ask("live")
            assert not ledger.may_ask("prepare")
        clock.wall += timedelta(days=1)
        assert not ledger.may_ask("live")
    assert [(line["event"], line["purpose"]) for line in logs] == [
        ("ai_daily_limit", "live"),
        ("ai_daily_limit", "prepare"),
        ("ai_daily_limit", "live"),
    ]
