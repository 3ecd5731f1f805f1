"""The bundle edge on a real disk: what stands in the folder after each step, and after a step that never came."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from sg_coach.coach_policy import evaluate_session
from sg_coach.digest import sha256_bytes
from sg_coach.errors import UnsafePath
from sg_coach.files import Folder
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import apply_progression_policy
from sg_coach.timestamps import utc_text
from sg_hybrid.bundle import DiskBundles
from sg_hybrid.errors import BundleRefused, StaleTake
from sg_hybrid.manifest import check_manifest
from sg_hybrid.models import AiAddendum, Coached, Take
from sg_hybrid.post import Post
from tests.fake_edges import session


class FrozenClock:
    """A wall clock that tests set (threads ask it too)."""

    wall = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return 0.0

    def boottime(self) -> float:
        return 0.0


CLOCK = FrozenClock()


def decide(take: Take) -> Coached:
    evaluation = evaluate_session(take.session)
    now = utc_text(CLOCK.now())
    return Coached(
        take, evaluation, apply_progression_policy(evaluation, clip_id=take.clip_id, created_at_utc=now), 0.0
    )


def addendum(**changes: Any) -> AiAddendum:
    facts: dict[str, Any] = {"clip_id": "clip_a", "ai_available": True, "ai_latency_ms": 300, "model_id": "a:b@c"}
    facts |= {"schema_id": "coaching_ai_addendum", "schema_version": "v1"}
    return AiAddendum.model_validate(facts | {"coaching_tip": "Play softer."} | changes)


@pytest.fixture
def bundles() -> DiskBundles:
    return DiskBundles(CLOCK, lambda call: None)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "2026-02-04" / "clip_a")


def make_bundle(path: Path, **changes: Any) -> Path:
    path.mkdir(parents=True)
    put_take(path, **changes)
    return path


def put_take(path: Path, **changes: Any) -> None:
    (path / "session.json").write_text(session(**changes).model_dump_json())


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def check_invariants(bundle: Path) -> None:
    """Each listed file is there with its hash and size; hybrid if and only if an AI artifact is listed."""
    manifest = read(bundle / "manifest.json")
    for entry in manifest.get("artifacts", []):
        data = (bundle / entry["path"]).read_bytes()
        assert (sha256_bytes(data), len(data)) == (entry["sha256"], entry["bytes"])
    kinds = {entry["kind"] for entry in manifest.get("artifacts", [])}
    assert manifest.get("coaching_source", "deterministic") == ("hybrid" if "ai_coach" in kinds else "deterministic")


async def coach(bundles: DiskBundles, bundle: Path) -> Coached:
    return await bundles.coach(bundle, decide, lambda _coached: None)


class PowerCut(BaseException):
    """The process ends here, as far as the disk is concerned."""


async def coach_until_visible(bundles: DiskBundles, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coach, and die between the hint and its manifest."""

    def die(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "settle", die)
        with pytest.raises(PowerCut):
            await coach(bundles, bundle)


async def test_a_take_becomes_a_coach_file_and_a_manifest(bundles: DiskBundles, bundle: Path) -> None:
    seen: list[tuple[object, bool]] = []

    def visible(coached: Coached) -> None:
        document = read(bundle / "clip.coach.json")
        seen.append((document["score"], (bundle / "manifest.json").exists()))

    coached = bundles.coach_here(bundle, decide, visible)
    assert coached is not None
    assert CoachingDeterministic.model_validate(read(bundle / "clip.coach.json")) == coached.coaching
    assert seen == [(coached.coaching.score, False)], "the manifest names a file only when it is durable"
    manifest = read(bundle / "manifest.json")
    assert check_manifest(manifest) == []
    assert manifest["coaching_source"] == "deterministic"
    assert sorted(path.name for path in bundle.iterdir()) == ["clip.coach.json", "manifest.json", "session.json"]
    check_invariants(bundle)


@pytest.mark.parametrize("delivered", [True, False])
async def test_the_event_loop_hears_of_a_hint_once(bundle: Path, delivered: bool) -> None:
    """Early, by the post; or, where the post is late, when its cycle goes on."""
    heard: list[int] = []
    with Post() as post:
        bundles = DiskBundles(CLOCK, post.leave if delivered else lambda call: None)
        async with anyio.create_task_group() as group:
            group.start_soon(post.run)
            await bundles.coach(bundle, decide, lambda _coached: heard.append(threading.get_ident()))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert heard == [threading.get_ident()]


def test_a_bundle_without_an_up_to_date_record_is_for_the_long_way(bundles: DiskBundles, tmp_path: Path) -> None:
    bundle = tmp_path / "clip"
    bundle.mkdir()
    (bundle / "take.mid").write_bytes(b"MThd")
    assert bundles.coach_here(bundle, decide, lambda _coached: None) is None
    assert [path.name for path in bundle.iterdir()] == ["take.mid"]


async def test_foreign_keys_and_entries_of_the_manifest_stay(bundles: DiskBundles, bundle: Path) -> None:
    foreign = {"artifact_id": "mid", "kind": "midi", "path": "clip.mid", "sha256": "0" * 64, "bytes": 3, "note": "x"}
    (bundle / "manifest.json").write_text(json.dumps({"clip_id": "clip_a", "engine": "e", "artifacts": [foreign]}))
    await coach(bundles, bundle)
    manifest = read(bundle / "manifest.json")
    assert manifest["engine"] == "e"
    assert manifest["artifacts"][0] == foreign


async def test_the_same_take_again_touches_no_file(bundles: DiskBundles, bundle: Path) -> None:
    await coach(bundles, bundle)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in bundle.iterdir()}
    again = await coach(DiskBundles(CLOCK, lambda call: None), bundle)
    assert not again.new
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in bundle.iterdir()} == before


async def test_two_events_for_one_take_are_one_cycle(bundles: DiskBundles, bundle: Path) -> None:
    found: list[bool] = []

    async def once() -> None:
        found.append((await coach(bundles, bundle)).new)

    async with anyio.create_task_group() as group:
        group.start_soon(once)
        group.start_soon(once)
    assert sorted(found) == [False, True]
    check_invariants(bundle)


async def test_a_crash_before_the_manifest_is_finished_with_the_same_bytes(
    bundles: DiskBundles, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await coach_until_visible(bundles, bundle, monkeypatch)
    standing = (bundle / "clip.coach.json").read_bytes()
    monkeypatch.setattr(FrozenClock, "wall", FrozenClock.wall + timedelta(minutes=1))
    coached = await coach(DiskBundles(CLOCK, lambda call: None), bundle)
    assert coached.new
    assert (bundle / "clip.coach.json").read_bytes() == standing
    check_invariants(bundle)


@pytest.mark.parametrize("torn", [b"", b"\0" * 400, b'{"schema_id": "coaching_det'])
async def test_a_torn_coach_file_is_written_anew(bundles: DiskBundles, bundle: Path, torn: bytes) -> None:
    (bundle / "clip.coach.json").write_bytes(torn)
    await coach(bundles, bundle)
    CoachingDeterministic.model_validate(read(bundle / "clip.coach.json"))
    check_invariants(bundle)


async def test_a_damaged_coach_file_under_a_manifest_is_written_anew(bundles: DiskBundles, bundle: Path) -> None:
    await coach(bundles, bundle)
    (bundle / "clip.coach.json").write_bytes(b"\0" * 400)
    assert (await coach(DiskBundles(CLOCK, lambda call: None), bundle)).new
    check_invariants(bundle)


async def test_an_in_time_reply_makes_a_hybrid_bundle(bundles: DiskBundles, bundle: Path) -> None:
    coached = await coach(bundles, bundle)
    await bundles.attach(coached, addendum(), "live")
    assert AiAddendum.model_validate(read(bundle / "clip.ai_coach.json")).coaching_tip == "Play softer."
    manifest = read(bundle / "manifest.json")
    assert manifest["coaching_source"] == "hybrid"
    assert [entry["origin"] for entry in manifest["artifacts"] if entry["artifact_id"] == "ai_coach"] == ["live"]
    assert check_manifest(manifest) == []
    check_invariants(bundle)


async def test_a_tip_that_a_crash_left_unlisted_is_not_said_to_be_live(bundles: DiskBundles, bundle: Path) -> None:
    coached = await coach(bundles, bundle)
    manifest = (bundle / "manifest.json").read_bytes()
    await bundles.attach(coached, addendum(), "prepared")
    (bundle / "manifest.json").write_bytes(manifest)
    await coach(bundles, bundle)
    (entry,) = (one for one in read(bundle / "manifest.json")["artifacts"] if one["artifact_id"] == "ai_coach")
    assert "origin" not in entry
    check_invariants(bundle)


async def test_an_earlier_reply_stands_beside_the_live_one(bundles: DiskBundles, bundle: Path) -> None:
    coached = await coach(bundles, bundle)
    await bundles.attach(coached, addendum(), "live")
    data = addendum(clip_id="clip_0", queued=True, queued_at_utc="2026-02-04T12:00:00.000Z").model_dump_json().encode()
    await bundles.attach_queued(coached, data)
    assert (bundle / "clip.ai_coach.queued.json").read_bytes() == data
    assert check_manifest(read(bundle / "manifest.json")) == []
    check_invariants(bundle)


async def test_a_new_take_replaces_the_coaching_and_its_ai(bundles: DiskBundles, bundle: Path) -> None:
    coached = await coach(bundles, bundle)
    await bundles.attach(coached, addendum(), "live")
    await bundles.attach_queued(coached, b"{}")
    put_take(bundle, timing_p95_error_ms=60.0)
    new = await coach(bundles, bundle)
    assert new.coaching.score < coached.coaching.score
    assert sorted(path.name for path in bundle.iterdir()) == ["clip.coach.json", "manifest.json", "session.json"]
    check_invariants(bundle)


async def test_the_reply_to_a_replaced_take_is_not_attached(bundles: DiskBundles, bundle: Path) -> None:
    old = await coach(bundles, bundle)
    put_take(bundle, timing_p95_error_ms=60.0)
    await coach(bundles, bundle)
    with pytest.raises(StaleTake):
        await bundles.attach(old, addendum(), "live")
    assert not (bundle / "clip.ai_coach.json").exists()


async def test_a_take_replaced_by_a_crash_and_a_newer_one_leaves_the_newer_one(
    bundles: DiskBundles, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await coach_until_visible(bundles, bundle, monkeypatch)
    put_take(bundle, timing_p95_error_ms=60.0)
    newer = await coach(DiskBundles(CLOCK, lambda call: None), bundle)
    assert read(bundle / "clip.coach.json")["score"] == newer.coaching.score == 70
    check_invariants(bundle)


async def test_every_instant_of_a_new_take_keeps_the_manifest_true(
    bundles: DiskBundles, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each rename and unlink, what a reader sees matches its manifest."""
    coached = await coach(bundles, bundle)
    await bundles.attach(coached, addendum(), "live")
    steps = 0

    def checked(call: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any, **kwargs: Any) -> None:
            nonlocal steps
            call(*args, **kwargs)
            steps += 1
            check_invariants(bundle)

        return run

    monkeypatch.setattr(os, "rename", checked(os.rename))
    monkeypatch.setattr(os, "unlink", checked(os.unlink))
    put_take(bundle, timing_p95_error_ms=60.0)
    new = await coach(bundles, bundle)
    await bundles.attach(new, addendum(), "live")
    assert steps >= 6


async def test_a_reply_left_between_file_and_manifest_is_listed_at_the_next_start(
    bundles: DiskBundles, bundle: Path
) -> None:
    await coach(bundles, bundle)
    (bundle / "clip.ai_coach.json").write_text(addendum().model_dump_json())
    await coach(DiskBundles(CLOCK, lambda call: None), bundle)
    assert read(bundle / "manifest.json")["coaching_source"] == "hybrid"
    check_invariants(bundle)


async def test_a_manifest_that_cannot_be_written_takes_its_file_back(
    bundles: DiskBundles, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coached = await coach(bundles, bundle)
    write = Folder.write

    def no_room(self: Folder, name: str, data: bytes, **options: Any) -> None:
        if name == "manifest.json":
            raise OSError(28, "No space left on device")
        write(self, name, data, **options)

    monkeypatch.setattr(Folder, "write", no_room)
    with pytest.raises(OSError, match="No space"):
        await bundles.attach(coached, addendum(), "live")
    assert not (bundle / "clip.ai_coach.json").exists()
    check_invariants(bundle)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"not json", "not JSON"),
        (b'{"bpm": NaN}', "NaN"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"bpm": 1, "bpm": 2}', "bpm"),
        (b'{"session_id": "\\ud800"}', "surrogate"),
        (b"\xff\xfe{}", "byte order mark"),
        (b"x" * (2 * 1024 * 1024), "too large"),
        (b"{}", "session_id"),
    ],
    ids=lambda value: str(value[:12]) if isinstance(value, bytes) else "",
)
async def test_bad_input_leaves_an_error_file_and_the_input(
    bundles: DiskBundles, bundle: Path, content: bytes, named: str
) -> None:
    (bundle / "session.json").write_bytes(content)
    with pytest.raises(BundleRefused, match=r"session\.json"):
        await coach(bundles, bundle)
    error = read(bundle / "clip.error.json")
    assert error["error_code"] == "VALIDATION_ERROR"
    assert error["clip_id"] == "clip_a"
    assert named in error["message"]
    assert (bundle / "session.json").read_bytes() == content
    assert not (bundle / "clip.coach.json").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bpm", -1),
        ("bpm", "100"),
        ("bars", 0),
        ("meter", "7/8"),
        ("notes_on_grid_ratio", 1.5),
        ("late_events", 1000),
        ("program", None),
    ],
)
async def test_impossible_facts_are_named(bundles: DiskBundles, bundle: Path, field: str, value: object) -> None:
    document = read(bundle / "session.json") | {field: value}
    (bundle / "session.json").write_text(json.dumps(document))
    with pytest.raises(BundleRefused, match=field):
        await coach(bundles, bundle)


async def test_the_same_error_again_writes_nothing_and_a_corrected_take_clears_it(
    bundles: DiskBundles, bundle: Path
) -> None:
    (bundle / "session.json").write_bytes(b"{")
    for _ in range(2):
        with pytest.raises(BundleRefused):
            await coach(bundles, bundle)
    first = (bundle / "clip.error.json").stat().st_ino
    with pytest.raises(BundleRefused):
        await coach(bundles, bundle)
    assert (bundle / "clip.error.json").stat().st_ino == first
    put_take(bundle)
    await coach(bundles, bundle)
    assert not (bundle / "clip.error.json").exists()


async def test_a_generators_own_error_stays(bundles: DiskBundles, bundle: Path) -> None:
    (bundle / "clip.error.json").write_text('{"error_code": "GENERATION_ERROR"}')
    await coach(bundles, bundle)
    assert read(bundle / "clip.error.json") == {"error_code": "GENERATION_ERROR"}


async def test_ids_that_disagree_are_refused(bundles: DiskBundles, bundle: Path) -> None:
    (bundle / "clip.tags.json").write_text('{"clip_id": "clip_a"}')
    (bundle / "manifest.json").write_text('{"clip_id": "clip_b"}')
    with pytest.raises(BundleRefused, match="disagrees"):
        await coach(bundles, bundle)


@pytest.mark.parametrize("manifest", [b"{", b"[]", b'{"artifacts": 5}', b"x" * (5 * 1024 * 1024)])
async def test_a_broken_manifest_costs_the_listing_and_not_the_hint(
    bundles: DiskBundles, bundle: Path, manifest: bytes
) -> None:
    (bundle / "manifest.json").write_bytes(manifest)
    with pytest.raises(BundleRefused, match=r"manifest\.json"):
        await coach(bundles, bundle)
    assert read(bundle / "clip.coach.json")["clip_id"] == "clip_a"
    assert (bundle / "manifest.json").read_bytes() == manifest
    assert "manifest.json" in read(bundle / "clip.error.json")["message"]


async def test_a_symlink_is_followed_nowhere(bundles: DiskBundles, bundle: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(bundle)
    with pytest.raises(UnsafePath):
        await coach(bundles, link)
    secret = tmp_path / "secret.json"
    secret.write_text(session().model_dump_json())
    (bundle / "session.json").unlink()
    (bundle / "session.json").symlink_to(secret)
    with pytest.raises(BundleRefused, match="symlink"):
        await coach(bundles, bundle)


async def test_a_coach_file_that_is_a_symlink_is_replaced_and_not_written_through(
    bundles: DiskBundles, bundle: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (bundle / "clip.coach.json").symlink_to(target)
    await coach(bundles, bundle)
    assert target.read_text() == "mine"
    assert not (bundle / "clip.coach.json").is_symlink()


async def test_a_folder_where_the_take_should_be_is_refused(bundles: DiskBundles, bundle: Path) -> None:
    (bundle / "session.json").unlink()
    (bundle / "session.json").mkdir()
    with pytest.raises(BundleRefused, match="not a plain file"):
        await coach(bundles, bundle)


async def test_a_bundle_that_vanishes_between_hint_and_manifest_leaks_nothing(
    bundles: DiskBundles, bundle: Path
) -> None:
    def vanish(_coached: Coached) -> None:
        shutil.rmtree(bundle)

    await coach(bundles, make_bundle(bundle.parent / "warm_up"))
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        bundles._coach(bundle, decide, vanish)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_batch_is_split_by_session_in_order(bundles: DiskBundles, tmp_path: Path) -> None:
    other = "00000000-0000-0000-0000-00000000f001"
    paths = [
        make_bundle(tmp_path / "a"),
        make_bundle(tmp_path / "b", session_id=other),
        make_bundle(tmp_path / "c"),
    ]
    broken = tmp_path / "broken"
    broken.mkdir()
    assert await bundles.unsettled_by_session([*paths, broken]) == [[paths[0], paths[2]], [paths[1]], [broken]]


@pytest.mark.parametrize("lone", [True, False])
async def test_a_bundle_that_vanishes_under_its_hint_is_an_error_and_no_other_take(bundle: Path, lone: bool) -> None:
    post, seen = Post(), list[Coached]()
    bundles = DiskBundles(CLOCK, post.leave)

    def visible(coached: Coached) -> None:
        seen.append(coached)

    async def coach() -> object:
        return bundles.coach_here(bundle, decide, visible) if lone else await bundles.coach(bundle, decide, visible)

    with pytest.MonkeyPatch.context() as patch:
        settle = Folder.settle

        def gone(folder: Folder, file: Any) -> None:
            shutil.rmtree(bundle)
            settle(folder, file)
            make_bundle(bundle)  # a new take of the clip comes at once

        patch.setattr(Folder, "settle", gone)
        with pytest.raises(FileNotFoundError):
            await coach()
    assert len(seen) == 1
