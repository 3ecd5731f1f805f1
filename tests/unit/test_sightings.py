"""What the intake remembers, the order in which it hands over, and which days a rescan looks at."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.contract import OTA_PREFIX
from sg_hybrid.layout import NEWEST_DAYS, Sighting, in_turn, newest_first
from sg_hybrid.sightings import BATCH, Inbox, Known, Turns

ROOT = "/bundles"
DAY = f"{ROOT}/2026-02-04"


def take(name: str, played_ns: int = 0, signature: int = 1, parent: str = DAY) -> Sighting:
    return Sighting(played_ns, name, parent, signature)


def names(batch: object) -> list[str]:
    assert isinstance(batch, list)
    return [Path(path).name for path in batch]


class TestKnown:
    def test_only_new_and_changed_takes_are_told(self) -> None:
        known = Known()
        assert known.changed(DAY, [take("a"), take("b")]) == [take("a"), take("b")]
        assert known.changed(DAY, [take("a"), take("b", signature=2), take("c")]) == [take("b", signature=2), take("c")]

    def test_what_went_and_came_back_is_new(self) -> None:
        known = Known()
        known.changed(DAY, [take("a")])
        assert known.changed(DAY, []) == []
        assert known.changed(DAY, [take("a")]) == [take("a")]

    def test_of_a_folder_that_was_looked_at_in_part_the_rest_stays_known(self) -> None:
        known = Known()
        known.changed(DAY, [take("a"), take("b"), take("c")])
        assert known.changed(DAY, [take("b", signature=2)], {f"{DAY}/a", f"{DAY}/b"}) == [take("b", signature=2)]
        assert known.changed(DAY, [take("a"), take("b", signature=2), take("c")]) == [take("a")]

    def test_noted_and_forgotten(self) -> None:
        known = Known()
        known.note(take("a"))
        assert not known.is_new(take("a"))
        assert known.is_new(take("a", signature=2))
        known.forget(f"{DAY}/a")
        known.forget("/elsewhere/a")
        assert known.is_new(take("a"))

    def test_folders_that_are_gone_are_forgotten(self) -> None:
        known = Known()
        known.note(take("a"))
        known.note(take("b", parent=ROOT))
        known.retain([ROOT])
        assert dict(known.sizes()) == {ROOT: 1}

    def test_clip_is_found_in_both_layouts_and_in_the_newest_day(self) -> None:
        known = Known()
        for parent in (f"{ROOT}/2026-02-03", DAY, f"{ROOT}/2026-02-01"):
            known.note(take("a", parent=parent))
        known.note(take(OTA_PREFIX + "b", parent=ROOT))
        assert known.find("a") == Path(DAY, "a")
        assert known.find("b") == Path(ROOT, OTA_PREFIX + "b")

    @pytest.mark.parametrize("clip_id", ["", "..", "../a", "a/b", "/etc", "a\n", ".a", "x" * 129])
    def test_what_is_no_clip_id_is_not_looked_for(self, clip_id: str) -> None:
        known = Known()
        known.note(take(clip_id))
        assert known.find(clip_id) is None


class TestTurnsUnderARoot:
    def test_what_came_and_what_went_does_not_wait_for_its_turn(self) -> None:
        turns = Turns()
        assert turns.choose(["a", "b"], 0) == {"a", "b"}
        assert turns.choose(["b", "c"], 0) == {"a", "c"}
        assert turns.choose(["b", "c"], 0) == frozenset()

    @given(st.integers(0, 30), st.integers(1, 10))
    def test_each_comes_before_one_comes_again(self, number: int, budget: int) -> None:
        turns, there = Turns(), [str(name) for name in range(number)]
        turns.choose(there, budget)
        rounds = [turns.choose(there, budget) for _ in range(-(-number // budget))]
        assert all(len(chosen) <= budget for chosen in rounds)
        assert sorted(name for chosen in rounds for name in chosen) == sorted(there)


class TestInbox:
    async def test_batch_is_in_playing_order(self) -> None:
        inbox = Inbox()
        inbox.open()
        inbox.put_live([take("late", 3), take("b", 2), take("a", 2), take("early", 1)])
        assert names(await anext(inbox)) == ["early", "a", "b", "late"]

    async def test_slow_receiver_gets_each_bundle_once(self) -> None:
        inbox = Inbox()
        inbox.open()
        for signature in range(5):
            inbox.put_live([take("a", signature, signature), take("b")])
        assert names(await anext(inbox)) == ["b", "a"]
        with anyio.move_on_after(100) as waiting:
            await anext(inbox)
        assert waiting.cancelled_caught

    async def test_shut_until_the_first_part_of_the_start_up_scan(self) -> None:
        inbox = Inbox()
        inbox.put_live([take("now")])
        inbox.put_scanned([take("missed")])
        with anyio.move_on_after(100) as waiting:
            await anext(inbox)
        assert waiting.cancelled_caught
        inbox.open()
        inbox.put_scanned([take("old")])
        inbox.open()
        assert [names(await anext(inbox)) for _ in range(3)] == [["missed"], ["now"], ["old"]]

    async def test_all_batches_that_were_missed_come_before_what_is_live(self) -> None:
        inbox = Inbox()
        inbox.put_live([take("now")])
        inbox.put_scanned([take(f"{n:04}", n) for n in range(2 * BATCH + 1)])
        inbox.open()
        got = [names(await anext(inbox))[0] for _ in range(4)]
        assert got == ["0000", f"{BATCH:04}", f"{2 * BATCH:04}", "now"]

    async def test_what_looks_coached_keeps_nobody_waiting(self) -> None:
        inbox = Inbox()
        inbox.put_live([take("now", 9)])
        inbox.put_scanned([take("old", 1)._replace(coached=True), take("missed", 2)])
        inbox.open()
        inbox.put_scanned([take("missed, too", 0)])
        got = [names(await anext(inbox)) for _ in range(4)]
        assert got == [["missed"], ["now"], ["missed, too"], ["old"]]

    async def test_live_takes_come_between_the_batches_of_a_scan(self) -> None:
        inbox = Inbox()
        inbox.open()
        inbox.put_scanned([take(f"{n:04}", n) for n in range(BATCH + 1)])
        assert names(await anext(inbox))[0] == "0000"
        inbox.put_live([take("now")])
        assert names(await anext(inbox)) == ["now"]
        assert names(await anext(inbox)) == [f"{BATCH:04}"]

    async def test_idle_when_the_receiver_of_the_last_batch_waits_for_the_next(self) -> None:
        inbox = Inbox()
        seen = [inbox.idle]
        inbox.open()

        async def receive() -> None:
            async for _ in inbox:
                seen.append(inbox.idle)
                await anyio.sleep(10)
                seen.append(inbox.idle)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.sleep(5)
            seen.append(inbox.idle)
            inbox.put_live([take("now")])
            seen.append(inbox.idle)
            await anyio.sleep(15)
            seen.append(inbox.idle)
            tasks.cancel_scope.cancel()
        assert seen == [False, True, False, False, False, True]

    async def test_receiver_is_woken(self) -> None:
        inbox = Inbox()
        inbox.open()
        got: list[list[str]] = []

        async def receive() -> None:
            async for batch in inbox:
                got.append(names(batch))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            for n, put in enumerate([inbox.put_live, inbox.put_live, inbox.put_scanned]):
                await anyio.sleep(60)
                put([take(f"{n}")])
            await anyio.sleep(60)
            tasks.cancel_scope.cancel()
        assert got == [["0"], ["1"], ["2"]]


DATES = st.lists(st.dates().map(lambda day: f"{ROOT}/{day.isoformat()}"), unique=True, max_size=30).map(newest_first)


class TestTurns:
    @given(DATES, st.integers(0, 50), st.integers(0, 20))
    def test_every_day_gets_its_turn(self, days: list[str], budget: int, size: int) -> None:
        sizes, after, seen = dict.fromkeys(days, size), "", set[str]()
        for _ in range(len(days) + 1):
            chosen = in_turn(days, sizes, after, budget)
            assert chosen[:NEWEST_DAYS] == days[:NEWEST_DAYS]
            assert len(chosen) == len(set(chosen))
            assert len(chosen) <= NEWEST_DAYS + -(-budget // (size + 1))
            after = chosen[-1] if len(chosen) > NEWEST_DAYS else ""
            seen.update(chosen)
        assert seen == (set(days) if budget else set(days[:NEWEST_DAYS]))

    def test_all_at_once_if_the_budget_allows(self) -> None:
        days = newest_first(f"{ROOT}/2026-01-{day:02}" for day in range(1, 10))
        assert in_turn(days, {}, "", 100) == days

    def test_a_day_that_went_does_not_stop_the_turns(self) -> None:
        days = newest_first(f"{ROOT}/2026-01-{day:02}" for day in (1, 2, 4, 8, 9))
        assert in_turn(days, {}, f"{ROOT}/2026-01-03", 1)[NEWEST_DAYS:] == [f"{ROOT}/2026-01-02"]

    def test_days_of_several_roots_are_ordered_by_date(self) -> None:
        assert newest_first(["/a/2026-01-01", "/b/2026-01-02", "/a/2026-01-03"]) == [
            "/a/2026-01-03",
            "/b/2026-01-02",
            "/a/2026-01-01",
        ]
