"""What only the kernel's events know: overflow, limits, watches that follow folders; and the rescans behind them."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
from inotify_simple import Event, INotify, flags

from sg_hybrid import intake, scanner
from sg_hybrid.errors import ConfigError
from sg_hybrid.inotify_watch import _MASKS, READERS, InotifyWatch, Watched
from sg_hybrid.intake import DiskIntake
from sg_hybrid.layout import Kind, Root, Sighting, Walk
from tests.conformance.test_intake import DAY, Receiver, put, watching


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "bundles"
    folder.mkdir()
    return folder


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


def named(events: list[Any], name: str) -> list[Any]:
    return [event for event in events if event["event"] == name]


def refuse_watches(monkeypatch: pytest.MonkeyPatch, code: int, kind: str) -> None:
    """Let the kernel refuse to watch folders whose path holds `kind`."""
    add_watch = INotify.add_watch

    def limited(self: INotify, path: str, mask: int) -> int:
        if kind in path:
            raise OSError(code, os.strerror(code))
        return int(add_watch(self, path, mask))

    monkeypatch.setattr(INotify, "add_watch", limited)


async def test_lost_events_make_it_look_at_everything(
    root: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    bundle = root / DAY / "clip_1"
    bundle.mkdir(parents=True)
    overflow = [Event(-1, flags.Q_OVERFLOW, 0, "")]
    monkeypatch.setattr("sg_hybrid.inotify_watch.parse_events", lambda _data: overflow)
    async with watching(root, "inotify") as receiver:
        put(bundle)
        put(root / DAY / "clip_2")
        await receiver.until(bundle, root / DAY / "clip_2")
    assert named(logged, "events_lost")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM])
async def test_without_watches_left_rescans_are_frequent(
    root: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any], code: int
) -> None:
    monkeypatch.setattr(intake, "BLIND_RESCAN_S", 0.02)
    refuse_watches(monkeypatch, code, "clip_")
    bundles = [root / DAY / f"clip_{n}" for n in range(3)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    async with watching(root, "inotify") as receiver:
        for bundle in bundles:
            put(bundle)
        await receiver.until(*bundles)
    (event,) = named(logged, "watches_exhausted")
    assert "max_user_watches" in event["remedy"]


async def test_folder_that_may_not_be_watched_is_reported_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    refuse_watches(monkeypatch, errno.EACCES, "clip_1")
    put(root / DAY / "clip_1")
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(root / DAY / "clip_1")
        await receiver.rest()
    assert [event["why"] for event in named(logged, "folder_skipped")] == ["not watched: Permission denied"]


async def test_machine_without_folder_events_is_rescanned(
    root: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    def none_left(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(intake, "BLIND_RESCAN_S", 0.02)
    monkeypatch.setattr("sg_hybrid.inotify_watch.INotify", lambda **_: none_left(None))
    async with watching(root, "inotify") as receiver:
        await receiver.until(put(root / DAY / "clip_1"))
    assert named(logged, "no_folder_events")


class Answers:
    """Answers lone takes, in the thread that noticed them, as long as `free` is set."""

    def __init__(self) -> None:
        self.begun: list[Path] = []
        self.threads: set[int] = set()
        self.free = threading.Event()
        self.free.set()
        self.willing = True

    def __call__(self, bundle: Path) -> bool:
        self.begun.append(bundle)
        self.threads.add(threading.get_ident())
        assert self.free.wait(10)
        return self.willing

    async def until(self, number: int) -> None:
        with anyio.fail_after(5):
            while len(self.begun) < number:
                await anyio.sleep(0.001)


async def test_a_lone_take_is_answered_where_it_is_noticed(root: Path) -> None:
    bundles = [root / DAY / f"clip_{n}" for n in range(3)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    async with watching(root, "inotify") as receiver:
        answers = Answers()
        receiver.intake.answer_at_once(answers)
        put(bundles[0])
        await answers.until(1)
        assert threading.get_ident() not in answers.threads
        assert await receiver.rest() == []
        answers.willing = False
        put(bundles[1])
        await receiver.until(bundles[1])
        assert answers.begun == bundles[:2]


async def test_while_slow_answers_are_given_somebody_listens(root: Path) -> None:
    bundles = [root / DAY / f"clip_{n}" for n in range(READERS + 2)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    async with watching(root, "inotify") as receiver:
        answers = Answers()
        answers.free.clear()
        receiver.intake.answer_at_once(answers)
        try:
            for number, bundle in enumerate(bundles[: READERS - 1], 1):
                put(bundle)
                await answers.until(number)
            for bundle in bundles[READERS - 1 :]:
                put(bundle)
                await receiver.until(bundle)
        finally:
            answers.free.set()
    assert sorted(answers.begun) == bundles[: READERS - 1]


def test_folders_are_entered_while_others_are_let_go(root: Path) -> None:
    """In threads, at once; others come in wherever memory is asked for, which the collector of garbage notices."""
    root.joinpath("clip").mkdir()

    def others_come_in(_phase: str, _info: object) -> None:
        time.sleep(0)

    def let_go(watch: InotifyWatch) -> None:
        for _ in range(8):
            watch.keep([])

    def enter(watch: InotifyWatch, ended: threading.Event) -> None:
        while not ended.is_set():
            watch.enter(str(root / "clip"), Kind.BUNDLE)

    ended, thresholds = threading.Event(), gc.get_threshold()
    gc.callbacks.append(others_come_in)
    gc.set_threshold(100)
    try:
        with InotifyWatch(lambda _folder, _why: None) as watch, ThreadPoolExecutor() as threads:
            watch._watched.update((-number, Watched("days", Kind.DAY)) for number in range(1, 5000))
            entering = threads.submit(enter, watch, ended)
            try:
                threads.submit(let_go, watch).result(60)
            finally:
                ended.set()
            entering.result(60)
            assert sum(watched.kind is Kind.DAY for watched in watch._watched.values()) == 4999
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(others_come_in)


async def test_missing_library_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ModuleNotFoundError("No module named 'watchfiles'")

    monkeypatch.setattr(intake, "_portable", absent)
    with pytest.raises(ConfigError, match="SG_WATCHER=portable needs the package watchfiles"):
        async with watching(root, "portable"):
            pass


async def test_what_no_event_tells_a_rescan_finds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old days are not watched bundle by bundle; they take turns."""
    monkeypatch.setattr(scanner, "WATCHED_DAYS", 1)
    monkeypatch.setattr("sg_hybrid.layout.NEWEST_DAYS", 1)
    monkeypatch.setattr(scanner, "NEWEST_DAYS", 1)
    monkeypatch.setattr(scanner, "RESCAN_BUDGET", 1)
    bundles = [root / f"2026-01-{day:02}" / "clip" for day in range(1, 8)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        for bundle in bundles:
            put(bundle)
        await receiver.until(*bundles)
        assert sorted(await receiver.rest()) == []
        put(bundles[0], "{ }")
        await receiver.until(bundles[0])


async def test_a_rescan_looks_at_few_of_the_bundles_directly_under_a_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take turns; what is new does not wait for its turn."""
    monkeypatch.setattr(scanner, "RESCAN_BUDGET", 2)
    monkeypatch.setitem(_MASKS, Kind.ROOT, flags.DELETE_SELF)
    monkeypatch.setitem(_MASKS, Kind.BUNDLE, flags.DELETE_SELF)
    bundles = [put(root / f"ota_bundle__clip_{n}") for n in range(7)]
    look, looks = Walk.among, []

    def looked(walk: Walk, root: Root, bundles: Iterable[str]) -> list[Sighting]:
        looks.append(sorted(bundles))
        return look(walk, root, bundles)

    monkeypatch.setattr(Walk, "among", looked)
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(*bundles)
        for bundle in bundles:
            put(bundle, "{ }")
        await receiver.until(*bundles)
        assert await receiver.rest() == []
        assert {len(bundles) for bundles in looks[1:]} == {1, 2}
        bundles[0].rename(root / "ota_bundle__clip_8")
        await receiver.until(root / "ota_bundle__clip_8")
        await receiver.rest()
        assert receiver.intake.find_bundle("clip_0") is None
        assert receiver.intake.find_bundle("clip_6") == bundles[6]


async def test_moved_folder_is_known_by_its_new_name(root: Path) -> None:
    bundle = put(root / DAY / "clip_1")
    async with watching(root, "inotify") as receiver:
        await receiver.until(bundle)
        moved = root / "ota_bundle__clip_1"
        bundle.rename(moved)
        await receiver.until(moved)
        put(moved, "{ }")
        await receiver.until(moved)
        put(bundle, "{ }")
        await receiver.until(bundle)
        assert await receiver.rest() == []


async def test_symlinks_and_missing_roots_are_reported_once(root: Path, tmp_path: Path, logged: list[Any]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "ota_bundle__link").symlink_to(tmp_path / "elsewhere")
    (root / "file_link").symlink_to(tmp_path / "none")
    intake = DiskIntake([root, tmp_path / "missing"], rescan_interval_s=0.02)
    async with intake.watch() as batches:
        await Receiver(intake, batches, 0.3).rest()
    assert [(Path(event["folder"]).name, event["why"]) for event in named(logged, "folder_skipped")] == [
        ("ota_bundle__link", "a symlink")
    ]
    assert [event["root"] for event in named(logged, "bundle_root_missing")] == [str(tmp_path / "missing")]


def test_a_symlink_that_leads_round_in_a_circle_hides_no_take(root: Path, logged: list[Any]) -> None:
    bundles = [put(root / DAY / "clip_1"), put(root / "ota_bundle__clip_2")]
    for folder in (root, root / DAY):
        (folder / "circle").symlink_to("circle")
    assert sorted(DiskIntake([root]).scan()) == sorted(bundles)
    assert logged == []


async def test_a_lone_take_never_overtakes_takes_that_are_being_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = [root / DAY / f"clip_{n}" for n in range(2)]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    stuck, free = threading.Event(), threading.Event()
    takes_in = scanner.Scanner.takes_in

    def slow(self: scanner.Scanner, looked_at: Iterable[str]) -> list[Sighting]:
        stuck.set()
        assert free.wait(10)
        return takes_in(self, looked_at)

    async with watching(root, "inotify") as receiver:
        answers = Answers()
        answers.willing = False
        receiver.intake.answer_at_once(answers)
        monkeypatch.setattr(scanner.Scanner, "takes_in", slow)
        put(bundles[0])
        while not stuck.is_set():
            await anyio.sleep(0.001)
        answers.willing = True
        put(bundles[1])
        await anyio.sleep(0.05)
        free.set()
        await receiver.until(*bundles)
    assert answers.begun == bundles[:1]


async def test_slow_disk_in_one_folder_does_not_delay_a_take_in_another(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = root / DAY / "clip_1"
    bundle.mkdir(parents=True)
    stuck, free = threading.Event(), threading.Event()
    scandir = os.scandir

    def slow(path: str) -> Any:
        if path.endswith("2026-02-05"):
            stuck.set()
            free.wait(20)
        return scandir(path)

    async with watching(root, "inotify") as receiver:
        monkeypatch.setattr(os, "scandir", slow)
        (root / "2026-02-05").mkdir()
        while not stuck.is_set():
            await anyio.sleep(0.001)
        put(bundle)
        assert await receiver.batch() == [bundle]
        put(root / "2026-02-05" / "clip_2")
        free.set()
        await receiver.until(root / "2026-02-05" / "clip_2")


async def test_descriptors_are_given_back(root: Path) -> None:
    put(root / DAY / "clip_1")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with watching(root, "inotify") as receiver:
            await receiver.until(root / DAY / "clip_1")
    assert len(os.listdir("/proc/self/fd")) == before


def bundle_watches() -> int:
    """How many folders this process watches."""
    descriptors = [Path("/proc/self/fdinfo", name) for name in os.listdir("/proc/self/fdinfo")]
    return sum(path.read_text().count("inotify wd:") for path in descriptors if path.exists())


async def test_watches_of_old_days_are_given_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "WATCHED_DAYS", 1)
    old, new = put(root / "2026-01-01" / "clip"), root / "2026-01-02" / "clip"
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(old)
        assert bundle_watches() == 3  # root, day, bundle
        await receiver.until(put(new))
        await until_watched(4)  # root, two days, the new bundle
        put(new, "{ }")
        await receiver.until(new)


async def test_day_that_is_among_the_newest_again_is_watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "WATCHED_DAYS", 1)
    monkeypatch.setattr("sg_hybrid.layout.NEWEST_DAYS", 0)
    monkeypatch.setattr(scanner, "RESCAN_BUDGET", 0)
    old, new = put(root / "2026-01-01" / "clip"), put(root / "2026-01-02" / "clip")
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(old, new)
        shutil.rmtree(new.parent)
        await until_watched(3)  # root, the old day, its bundle
        put(old, "{ }")
        await receiver.until(old)


async def test_days_of_another_folder_that_a_root_leads_to_now_are_watched(root: Path, tmp_path: Path) -> None:
    played = put(root / DAY / "clip_1")
    other = tmp_path / "other"
    (other / DAY / "clip_2").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(root)
    async with watching(link, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(link / DAY / played.name)
        (tmp_path / "next").symlink_to(other)
        (tmp_path / "next").rename(link)  # no event tells of it
        await until_watched(6)  # root, day and bundle of both


async def until_watched(number: int) -> None:
    with anyio.fail_after(10):
        while bundle_watches() != number:
            await anyio.sleep(0.01)


async def test_watches_of_folders_that_moved_away_are_given_back(root: Path, tmp_path: Path) -> None:
    bundles = [put(root / f"ota_bundle__clip_{n}") for n in range(3)]
    in_day = put(root / DAY / "clip_3")
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(*bundles, in_day)
        assert bundle_watches() == 6  # root, day, bundles
        for bundle in bundles[:2]:
            bundle.rename(tmp_path / bundle.name)
        in_day.parent.rename(tmp_path / DAY)
        await until_watched(2)
        put(bundles[2], "{ }")
        await receiver.until(bundles[2])
        (tmp_path / bundles[0].name).rename(bundles[0])
        await until_watched(3)
        put(bundles[0], "{ }")
        await receiver.until(bundles[0])


async def test_watches_of_folders_that_others_took_the_place_of_are_given_back(root: Path, tmp_path: Path) -> None:
    bundle, in_day = put(root / "ota_bundle__clip_1"), put(root / DAY / "clip_2")
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(bundle, in_day)
        for folder in (bundle, in_day.parent):
            folder.rename(tmp_path / folder.name)
        put(bundle)
        put(in_day)
        await receiver.until(bundle, in_day)
        await until_watched(4)
        put(tmp_path / bundle.name, "{ }")
        await receiver.rest()
        put(bundle, "{ }")
        put(in_day, "{ }")
        await receiver.until(bundle, in_day)


async def test_watches_are_given_back_though_the_events_were_lost(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = [put(root / f"ota_bundle__clip_{n}") for n in range(3)]
    async with watching(root, "inotify", rescan_interval_s=0.02) as receiver:
        await receiver.until(*bundles)
        overflow = [Event(-1, flags.Q_OVERFLOW, 0, "")]
        monkeypatch.setattr("sg_hybrid.inotify_watch.parse_events", lambda _data: overflow)
        for bundle in bundles[:2]:
            bundle.rename(tmp_path / bundle.name)
        await until_watched(2)
