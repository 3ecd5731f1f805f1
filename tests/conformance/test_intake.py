"""What every way of noticing takes must do: the kernel's events, and the portable library."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from sg_coach.contract import MANIFEST_FILE, SESSION_FILE, TAGS_FILE
from sg_hybrid.intake import DiskIntake, WatcherName
from sg_hybrid.layout import Root
from sg_hybrid.portable_watch import PortableWatch

PATIENCE_S = 20.0
QUIET_S = {"inotify": 0.1, "portable": 0.3}
DAY = "2026-02-04"


@pytest.fixture(params=["inotify", "portable"])
def watcher(request: pytest.FixtureRequest) -> WatcherName:
    name: WatcherName = request.param
    return name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


class Receiver:
    """Takes what an intake brings, with patience."""

    def __init__(self, intake: DiskIntake, batches: AsyncIterator[Any], quiet_s: float) -> None:
        self.intake = intake
        self.quiet_s = quiet_s
        self.batches = batches
        self.seen: list[Path] = []

    async def batch(self) -> list[Path]:
        with anyio.fail_after(PATIENCE_S):
            batch = list(await anext(self.batches))
        self.seen += batch
        return batch

    async def until(self, *bundles: Path) -> None:
        waiting = set(bundles)
        while waiting:
            waiting.difference_update(await self.batch())

    async def rest(self) -> list[Path]:
        """What comes until nothing comes for a moment."""
        before = len(self.seen)
        with anyio.move_on_after(PATIENCE_S):
            while True:
                with anyio.move_on_after(self.quiet_s) as pause:
                    self.seen += await anext(self.batches)
                if pause.cancelled_caught:
                    break
        return self.seen[before:]


@asynccontextmanager
async def watching(root: Path, watcher: WatcherName, rescan_interval_s: float = 3600.0) -> AsyncIterator[Receiver]:
    intake = DiskIntake([root], rescan_interval_s=rescan_interval_s, watcher=watcher)
    async with intake.watch() as batches:
        receiver = Receiver(intake, batches, QUIET_S[watcher])
        if watcher == "portable":
            await anyio.sleep(0.3)  # the library starts its watch after the first look
        yield receiver


def put(bundle: Path, content: str = "{}") -> Path:
    """Rename a whole session.json into a bundle."""
    bundle.mkdir(parents=True, exist_ok=True)
    temporary = bundle / ".session.json.tmp"
    temporary.write_text(content)
    temporary.rename(bundle / SESSION_FILE)
    return bundle


def put_back(file: Path) -> None:
    """Write a file as it was: equal content, inode and time of modification."""
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock has steps of some milliseconds
        file.write_text(file.read_text())
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)


def playing_order(bundles: list[Path]) -> list[Path]:
    return sorted(bundles, key=lambda bundle: ((bundle / SESSION_FILE).stat().st_mtime_ns, bundle.name))


async def test_take_renamed_into_a_bundle_that_is_there(root: Path, watcher: WatcherName) -> None:
    bundle = root / DAY / "clip_1"
    bundle.mkdir(parents=True)
    async with watching(root, watcher) as receiver:
        assert await receiver.rest() == []
        put(bundle)
        assert await receiver.batch() == [bundle]


async def test_it_tells_of_the_newest_clips_that_nobody_played(root: Path, watcher: WatcherName) -> None:
    there = [root / DAY / f"clip_{number}" for number in range(5)] + [root / "ota_bundle__clip_5"]
    for number, bundle in enumerate(there):
        bundle.mkdir(parents=True)
        (bundle / TAGS_FILE).write_text("{}")
        os.utime(bundle / TAGS_FILE, (number, number))
    put(there[4])
    (root / DAY / "no_clip").mkdir()
    told: list[Path] = []
    intake = DiskIntake([root], watcher=watcher)
    intake.tell_of_clips(told.append)
    async with intake.watch():
        with anyio.fail_after(10):
            while len(told) < 3:
                await anyio.sleep(0.01)
        assert told[:3] == [there[2], there[3], there[5]]


async def test_take_written_in_place_counts_when_it_is_whole(root: Path, watcher: WatcherName) -> None:
    bundle = root / DAY / "clip_1"
    bundle.mkdir(parents=True)
    async with watching(root, watcher) as receiver:
        with (bundle / SESSION_FILE).open("w") as file:
            for _ in range(20):
                file.write("x" * 1000)
                file.flush()
                await anyio.sleep(0.002)
        await receiver.until(bundle)
        assert (bundle / SESSION_FILE).stat().st_size == 20_000


async def test_take_that_is_being_written_delays_no_other(
    root: Path, watcher: WatcherName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_hybrid.portable_watch.MAX_SETTLING_S", 3600.0)
    growing, others = root / DAY / "clip_1", [root / DAY / f"clip_{n}" for n in range(2, 5)]
    for bundle in (growing, *others):
        bundle.mkdir(parents=True)

    async def grow() -> None:
        with (growing / SESSION_FILE).open("w") as file:
            while True:
                file.write("x")
                file.flush()
                await anyio.sleep(0.002)

    async with watching(root, watcher) as receiver, anyio.create_task_group() as tasks:
        tasks.start_soon(grow)
        await anyio.sleep(0.1)
        for bundle in others:
            await receiver.until(put(bundle))
        tasks.cancel_scope.cancel()


async def test_take_that_is_being_written_for_long_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_hybrid.portable_watch.SETTLED_S", 0.01)
    monkeypatch.setattr("sg_hybrid.portable_watch.MAX_SETTLING_S", 0.1)
    bundle = root / DAY / "clip_1"
    bundle.mkdir(parents=True)
    async with watching(root, "portable") as receiver:
        with (bundle / SESSION_FILE).open("w") as file:
            while bundle not in receiver.seen:
                file.write("x")
                file.flush()
                with anyio.move_on_after(0.002):
                    await receiver.batch()


async def test_new_day_with_a_bundle_renamed_in(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    outside = put(tmp_path / "outside" / "clip_1")
    async with watching(root, watcher) as receiver:
        (root / DAY).mkdir()
        outside.rename(root / DAY / "clip_1")
        await receiver.until(root / DAY / "clip_1")
        put(root / DAY / "clip_2")
        await receiver.until(root / DAY / "clip_2")


async def test_whole_day_renamed_in(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    put(tmp_path / DAY / "clip_1")
    put(tmp_path / DAY / "clip_2")
    async with watching(root, watcher) as receiver:
        (tmp_path / DAY).rename(root / DAY)
        await receiver.until(root / DAY / "clip_1", root / DAY / "clip_2")
        put(root / DAY / "clip_1", "{ }")
        await receiver.until(root / DAY / "clip_1")


async def test_ota_bundle_with_its_take_inside(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    outside = put(tmp_path / "ota_bundle__clip_1")
    async with watching(root, watcher) as receiver:
        bundle = root / outside.name
        outside.rename(bundle)
        await receiver.until(bundle)
        put(bundle, "{ }")
        await receiver.until(bundle)


@pytest.mark.parametrize("marker", [SESSION_FILE, MANIFEST_FILE, TAGS_FILE])
@pytest.mark.parametrize("name", ["my practice", "2026-01-01"])
async def test_folder_directly_under_a_root_is_a_bundle_by_what_it_holds(
    root: Path, watcher: WatcherName, marker: str, name: str
) -> None:
    bundle = root / name
    bundle.mkdir()
    (bundle / marker).write_text("{}")
    put(bundle / "inner")
    async with watching(root, watcher) as receiver:
        put(bundle)
        await receiver.until(bundle)
        assert bundle / "inner" not in [*receiver.seen, *await receiver.rest()]


async def test_folders_of_other_names_are_not_descended(root: Path, watcher: WatcherName) -> None:
    put(root / "other" / "clip_1")
    put(root / DAY / "clip_1" / "deeper")
    put(root / DAY / ".hidden")
    put(root / ".hidden")
    async with watching(root, watcher) as receiver:
        put(root / "other" / "clip_2")
        put(root / DAY / "clip_1" / "deeper")
        put(root / ".hidden")
        put(root / DAY / ".hidden")
        assert await receiver.rest() == []
    assert DiskIntake([root]).scan() == []


async def test_start_brings_what_is_there_in_playing_order(root: Path, watcher: WatcherName) -> None:
    bundles = [put(root / f"2026-02-{day:02}" / f"clip_{n}") for day in (3, 1, 2) for n in (2, 1)]
    for age, bundle in enumerate(bundles):
        os.utime(bundle / SESSION_FILE, ns=(age, age))
    os.utime(bundles[1] / SESSION_FILE, ns=(0, 0))
    async with watching(root, watcher) as receiver:
        assert await receiver.batch() == playing_order(bundles)
        assert await receiver.rest() == []
    assert DiskIntake([root]).scan() == playing_order(bundles)
    assert playing_order(bundles)[0] == bundles[1]


def test_a_scan_says_which_roots_are_not_there(root: Path) -> None:
    bundle, file = put(root / DAY / "clip_1"), root / "a_file"
    file.touch()
    with structlog.testing.capture_logs() as events:
        assert DiskIntake([root / "nope", root, file]).scan() == [bundle]
    assert [(event["event"], event["root"]) for event in events] == [
        ("bundle_root_missing", str(root / "nope")),
        ("bundle_root_missing", str(file)),
    ]


async def test_long_start_brings_the_newest_days_first(
    root: Path, watcher: WatcherName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_hybrid.scanner.SLICE", 2)
    days = [[put(root / f"2026-02-{day:02}" / f"clip_{n}") for n in range(2)] for day in (3, 1, 2)]
    ota = put(root / "ota_bundle__clip")
    async with watching(root, watcher) as receiver:
        assert await receiver.rest() == [*days[0], ota, *days[2], *days[1]]


async def test_what_came_while_down_comes_before_what_comes_now(root: Path, watcher: WatcherName) -> None:
    missed = [put(root / DAY / f"clip_{n}") for n in range(3)]
    async with watching(root, watcher) as receiver:
        now = put(root / DAY / "clip_now")
        await receiver.until(*missed, now)
        first = list(dict.fromkeys(receiver.seen))
        assert first == [*missed, now]


async def test_corrected_file_comes_again(root: Path, watcher: WatcherName) -> None:
    bundle = put(root / DAY / "clip_1", "not json")
    async with watching(root, watcher) as receiver:
        await receiver.until(bundle)
        put(bundle, "{}")
        await receiver.until(bundle)
        (bundle / SESSION_FILE).write_text("{  }")
        await receiver.until(bundle)


async def test_take_put_back_with_its_old_time_size_and_inode_comes_again(
    root: Path, tmp_path: Path, watcher: WatcherName
) -> None:
    bundle, away = put(root / DAY / "clip_1"), tmp_path / "away"
    async with watching(root, watcher) as receiver:
        await receiver.until(bundle)
        bundle.rename(away)
        put_back(away / SESSION_FILE)
        await receiver.rest()
        away.rename(bundle)
        await receiver.until(bundle)


async def test_take_whose_file_got_another_name_comes_again(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    """No event tells; a take that was refused for its second name is right as soon as that is gone."""
    bundle = put(root / DAY / "clip_1")
    async with watching(root, watcher, rescan_interval_s=0.05) as receiver:
        await receiver.until(bundle)
        await receiver.rest()
        (tmp_path / "name").hardlink_to(bundle / SESSION_FILE)
        await receiver.until(bundle)


async def test_other_files_of_a_bundle_are_nobodys_business(root: Path, watcher: WatcherName) -> None:
    bundle = put(root / DAY / "clip_1")
    async with watching(root, watcher) as receiver:
        await receiver.until(bundle)
        await receiver.rest()
        for name in ("clip.coach.json", MANIFEST_FILE, "session.json.bak", "xsession.json"):
            (bundle / name).write_text("{}")
        (root / DAY / "session.index.json").write_text("{}")
        (root / SESSION_FILE).write_text("{}")
        assert await receiver.rest() == []


async def test_thousands_at_once(root: Path, watcher: WatcherName) -> None:
    bundles = [root / f"2026-02-{n % 4 + 1:02}" / f"clip_{n:04}" for n in range(2000)]
    for bundle in bundles[:1000]:
        bundle.mkdir(parents=True)
    async with watching(root, watcher) as receiver:
        for bundle in bundles:
            put(bundle)
        await receiver.until(*bundles)
        await receiver.rest()
        assert set(receiver.seen) == set(bundles)


async def test_a_burst_comes_in_batches_in_playing_order(root: Path, watcher: WatcherName) -> None:
    bundles = [root / DAY / f"clip_{n}" for n in (3, 1, 2)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    async with watching(root, watcher) as receiver:
        for bundle in bundles:  # without a pause of the event loop in between
            put(bundle)
            os.utime(bundle / SESSION_FILE, ns=(1_000_000_000, 1_000_000_000))
        batches = [await receiver.batch()]
        while len({bundle for batch in batches for bundle in batch}) < len(bundles):
            batches.append(await receiver.batch())
        assert batches == [sorted(batch) for batch in batches]


async def test_bundle_deleted_in_the_middle(root: Path, watcher: WatcherName) -> None:
    async with watching(root, watcher) as receiver:
        for _ in range(20):
            put(root / DAY / "gone")
            shutil.rmtree(root / DAY)
        bundle = put(root / DAY / "clip_1")
        await receiver.until(bundle)
        shutil.rmtree(bundle)
        await receiver.rest()
        put(bundle)
        await receiver.until(bundle)


async def test_symlinked_folders_are_left_alone(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    put(tmp_path / "elsewhere" / "clip_1")
    (root / DAY).mkdir()
    (root / "2026-02-05").symlink_to(tmp_path / "elsewhere")
    (root / "ota_bundle__link").symlink_to(tmp_path / "elsewhere" / "clip_1")
    (root / DAY / "link").symlink_to(tmp_path / "elsewhere" / "clip_1")
    async with watching(root, watcher) as receiver:
        put(tmp_path / "elsewhere" / "clip_1")
        (root / "ota_bundle__later").symlink_to(tmp_path / "elsewhere" / "clip_1")
        put(tmp_path / "elsewhere" / "clip_1")
        bundle = put(root / DAY / "clip_1")
        await receiver.until(bundle)
        await receiver.rest()
        assert set(receiver.seen) == {bundle}
    assert DiskIntake([root]).scan() == [bundle]


async def test_symlink_in_place_of_a_bundle_is_left_alone(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    bundle, elsewhere = put(root / "ota_bundle__clip_1"), put(tmp_path / "elsewhere", "{ }")
    async with watching(root, watcher, rescan_interval_s=0.05) as receiver:
        await receiver.until(bundle)
        await receiver.rest()
        shutil.rmtree(bundle)
        bundle.symlink_to(elsewhere)
        assert await receiver.rest() == []


async def test_root_that_appears_later_and_one_that_comes_back(root: Path, watcher: WatcherName) -> None:
    root.rmdir()
    async with watching(root, watcher, rescan_interval_s=0.05) as receiver:
        assert await receiver.rest() == []
        bundle = put(root / DAY / "clip_1")
        await receiver.until(bundle)
        shutil.rmtree(root)
        await receiver.rest()
        put(bundle)
        await receiver.until(bundle)
        await receiver.rest()
        put(root / DAY / "clip_2")
        await receiver.until(root / DAY / "clip_2")


async def test_root_that_goes_just_before_it_is_watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow = PortableWatch.follow

    def too_late(watch: PortableWatch, roots: Sequence[Root]) -> None:
        if roots and not moved.exists():
            root.rename(moved)
        follow(watch, roots)

    moved = root.with_name("moved")
    bundle = put(root / DAY / "clip_1")
    monkeypatch.setattr(PortableWatch, "follow", too_late)
    async with watching(root, "portable", rescan_interval_s=0.2) as receiver:
        moved.rename(root)
        moved.mkdir()
        await receiver.until(bundle)
        put(bundle, "{ }")
        await receiver.until(bundle)


async def test_root_that_moves_away_and_another_in_its_place(root: Path, tmp_path: Path, watcher: WatcherName) -> None:
    bundle = put(root / DAY / "clip_1")
    async with watching(root, watcher, rescan_interval_s=0.2) as receiver:
        await receiver.until(bundle)
        root.rename(tmp_path / "moved")
        other = put(root / DAY / "clip_2")
        await receiver.until(other)
        put(other, "{ }")
        await receiver.until(other)


async def test_forgotten_take_comes_again_at_the_next_rescan(root: Path, watcher: WatcherName) -> None:
    bundle, other = put(root / DAY / "clip_1"), put(root / DAY / "clip_2")
    async with watching(root, watcher, rescan_interval_s=0.05) as receiver:
        await receiver.until(bundle, other)
        assert await receiver.rest() == []
        receiver.intake.forget(bundle)
        assert await receiver.rest() == [bundle]


@pytest.mark.parametrize("name", ["manifest.json", "clip.tags.json", "clip.comp.mid"])
async def test_refused_take_comes_again_once_when_a_file_beside_it_changes(
    root: Path, watcher: WatcherName, name: str
) -> None:
    bundle, other = put(root / DAY / "clip_1"), put(root / DAY / "clip_2")
    (bundle / name).write_text("{")
    async with watching(root, watcher, rescan_interval_s=0.05) as receiver:
        await receiver.until(bundle, other)
        await receiver.rest()
        receiver.intake.refused(bundle)
        assert await receiver.rest() == [bundle], "a correction may have come while it was refused"
        receiver.intake.refused(bundle)
        assert await receiver.rest() == []
        (bundle / name).write_text("{}")
        assert await receiver.rest() == [bundle]
        (bundle / name).write_text("{ }")
        assert await receiver.rest() == []


async def test_bundle_is_found_by_its_clip(root: Path, watcher: WatcherName) -> None:
    old, new = put(root / "2026-02-01" / "clip_1"), put(root / "2026-02-02" / "clip_1")
    ota, other = put(root / "ota_bundle__clip_2"), root / DAY / "clip_3"
    async with watching(root, watcher) as receiver:
        await receiver.until(old, new, ota)
        find = receiver.intake.find_bundle
        assert (find("clip_1"), find("clip_2"), find("clip_3"), find("../clip_1")) == (new, ota, None, None)
        await receiver.until(put(other))
        assert find("clip_3") == other


async def test_several_roots_also_one_inside_another(root: Path, watcher: WatcherName) -> None:
    inner = root / "inner"
    inner.mkdir()
    intake = DiskIntake([root, inner, root], rescan_interval_s=3600, watcher=watcher)
    bundles = [put(root / DAY / "clip_1"), put(inner / DAY / "clip_2"), put(inner / "ota_bundle__clip_3")]
    async with intake.watch() as batches:
        receiver = Receiver(intake, batches, QUIET_S[watcher])
        await receiver.until(*bundles)
        await receiver.rest()
        receiver.seen.clear()
        for bundle in bundles:
            put(bundle, "{ }")
        await receiver.until(*bundles)
        assert set(receiver.seen) == set(bundles)
    assert set(DiskIntake([root, inner]).scan()) == set(bundles)
