"""What a person may do with a queue from outside, with and without a worker."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import Folder
from sg_coach.timestamps import utc_text
from sg_hybrid.queue_entry import clip_of_copy, entry_bytes
from sg_hybrid.queue_tools import QueueChange, count_entries, expire_ids, list_queue, requeue
from sg_hybrid.spool import DiskSpool
from tests.fakes import EPOCH, FakeClock
from tests.late_replies import BUNDLE, SESSION, addendum, context, names, put_file, query, queued

ENTRY = "clip_a_ai_addendum.json"


def ago(seconds: float) -> str:
    return utc_text(EPOCH - timedelta(seconds=seconds))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A queue in which one reply is in each state."""
    root = tmp_path / "queue"
    root.mkdir(mode=0o700)
    put_file(root, queued("clip_p", ago(60)), context("clip_p"))
    put_file(root, queued("clip_o", ago(400), coaching_tip=None, exercise_hint="Count aloud."))
    put_file(root, queued("clip_c", ago(30)), context("clip_c"), folder="claimed")
    put_file(root, queued("clip_d", ago(3600)), folder="applied")
    reject(root, "clip_r", entry_bytes(addendum("clip_r", queued_at_utc="2026-02-04T12:00:00Z")))
    return root


def reject(root: Path, clip_id: str, document: bytes) -> Path:
    path = root / "rejected" / f"{clip_id}_ai_addendum.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(document)
    path.with_name(f"{path.name}.why").write_text("queued: false contradicts its place\n")
    return path


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that a change of the tree would change."""
    found = {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in [root, *root.rglob("*")]}
    return {path: (*seen, Path(path).read_bytes() if Path(path).is_file() else b"") for path, seen in found.items()}


# Looking


def test_every_reply_is_listed_with_what_is_known_about_it(root: Path) -> None:
    rows = {row.clip_id: row for row in list_queue(root, EPOCH, 300)}

    waiting = rows["clip_p"]
    assert (waiting.state, waiting.session_id, waiting.queued_at_utc) == ("pending", SESSION, ago(60))
    assert (waiting.age_s, waiting.left_s) == (60.0, 240.0)
    assert waiting.tip == "Land on the click (clip_p)."
    assert waiting.path == root / "pending" / "clip_p_ai_addendum.json"
    assert (rows["clip_o"].session_id, rows["clip_o"].left_s, rows["clip_o"].tip) == (None, 0.0, "Count aloud.")
    assert (rows["clip_c"].state, rows["clip_c"].left_s) == ("claimed", None)
    assert (rows["clip_d"].state, rows["clip_d"].age_s) == ("applied", 3600.0)
    assert (rows["clip_r"].state, rows["clip_r"].problem) == ("rejected", "queued: false contradicts its place")


def test_the_states_come_in_the_order_of_a_replys_life_oldest_first(root: Path) -> None:
    rows = list_queue(root, EPOCH, 300)

    assert [row.clip_id for row in rows] == ["clip_o", "clip_p", "clip_c", "clip_d", "clip_r"]
    assert [row.clip_id for row in list_queue(root, EPOCH, 300, states=["applied"])] == ["clip_d"]


@pytest.mark.parametrize("target", ["claimed", "applied", "rejected"])
@pytest.mark.parametrize("step", range(16))
def test_a_reply_that_moves_on_while_we_look_is_listed_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int, target: str
) -> None:
    """Whenever it moves: before the first look, or after any of them."""
    path = root / "pending" / "clip_p_ai_addendum.json"
    moves = {step: lambda: path.rename(root / target / path.name)}
    between_looks(monkeypatch, moves)

    rows = list_queue(root, EPOCH, 300)

    assert Counter(row.clip_id for row in rows) == Counter(["clip_o", "clip_p", "clip_c", "clip_d", "clip_r"])


@pytest.mark.parametrize("there", range(12))
@pytest.mark.parametrize("looks", range(1, 6))
def test_a_reply_that_moves_there_and_back_is_not_listed_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch, there: int, looks: int
) -> None:
    path = root / "pending" / "clip_p_ai_addendum.json"
    away = root / "claimed" / path.name
    between_looks(monkeypatch, {there: lambda: path.rename(away), there + looks: lambda: away.rename(path)})

    rows = list_queue(root, EPOCH, 300)

    assert max(Counter(row.clip_id for row in rows).values()) == 1


def between_looks(monkeypatch: pytest.MonkeyPatch, moves: Mapping[int, Callable[[], object]]) -> None:
    """Do something before the look of that number: a listing of a folder or a reading of a file."""
    looks = itertools.count()

    def moving(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(*arguments: Any) -> Any:
            moves.get(next(looks), lambda: None)()
            return real(*arguments)

        return look

    for name in ("names", "read"):
        monkeypatch.setattr(Folder, name, moving(getattr(Folder, name)))


def test_two_files_of_one_reply_are_two_rows(root: Path) -> None:
    """As somebody leaves them who copies an applied reply back."""
    (root / "pending" / "clip_d_ai_addendum.json").write_bytes((root / "applied/clip_d_ai_addendum.json").read_bytes())

    states = [row.state for row in list_queue(root, EPOCH, 300) if row.clip_id == "clip_d"]

    assert states == ["pending", "applied"]


def test_looking_changes_nothing_and_makes_nothing(root: Path) -> None:
    before = everything(root)

    list_queue(root, EPOCH, 300)

    assert everything(root) == before
    assert list_queue(root / "nowhere", EPOCH, 300) == []
    assert not (root / "nowhere").exists()


def test_what_cannot_be_read_is_a_row_with_its_problem(root: Path) -> None:
    (root / "pending" / ENTRY).symlink_to("elsewhere")
    os.mkfifo(root / "pending" / "clip_f_ai_addendum.json")
    (root / "pending" / "notes.txt").write_text("not ours")

    problems = {row.clip_id: row.problem for row in list_queue(root, EPOCH, 300, states=["pending"]) if row.problem}

    assert set(problems) == {"clip_a", "clip_f"}


def test_a_clock_that_was_never_set_tells_no_age(root: Path) -> None:
    row = list_queue(root, datetime(1970, 1, 1, tzinfo=UTC), 300)[0]

    assert (row.age_s, row.left_s) == (None, None)


def test_a_time_in_the_future_counts_as_now(root: Path) -> None:
    rows = list_queue(root, EPOCH - timedelta(hours=1), 300, states=["pending"])

    assert {(row.age_s, row.left_s) for row in rows} == {(0.0, 300.0)}


def test_of_a_time_in_the_future_the_file_tells_how_long_it_waits(root: Path) -> None:
    path = put_file(root, queued("clip_f", ago(-3600)))
    written_at = (EPOCH - timedelta(seconds=200)).timestamp()
    os.utime(path, (written_at, written_at))

    row = next(row for row in list_queue(root, EPOCH, 300) if row.clip_id == "clip_f")

    assert (row.age_s, row.left_s) == (200.0, 100.0)


def test_entries_are_counted_by_folder(root: Path) -> None:
    assert count_entries(root) == {"pending": 2, "claimed": 1, "applied": 1, "rejected": 1}
    assert count_entries(root / "nowhere") == {"pending": 0, "claimed": 0, "applied": 0, "rejected": 0}


# Expiring


def test_a_waiting_reply_is_discarded_with_its_context(root: Path) -> None:
    assert expire_ids(root, ["clip_p"]) == [QueueChange("clip_p")]

    assert names(root, "pending") == ["clip_o_ai_addendum.json"]
    assert names(root, "context") == ["clip_c.json"]


@pytest.mark.parametrize(
    ("clip_id", "why"),
    [("clip_c", "being applied"), ("clip_d", "no reply"), ("clip_x", "no reply"), ("../../etc/passwd", "clip_id")],
)
def test_what_does_not_wait_is_not_discarded(clip_id: str, why: str, root: Path) -> None:
    before = everything(root)

    change, other = expire_ids(root, [clip_id, "clip_o"])

    assert why in change.problem
    assert not change.done
    assert other.done
    gone = {path for path in before if path not in everything(root)}
    assert gone == {str(root / "pending" / "clip_o_ai_addendum.json")}


def test_commands_that_change_need_a_queue(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        expire_ids(tmp_path / "no", ["clip_a"])
    with pytest.raises(FileNotFoundError):
        requeue(tmp_path / "no", ["clip_a"], EPOCH)
    assert list(tmp_path.iterdir()) == []


# Requeueing


def test_a_rejected_reply_that_is_usable_after_all_waits_again_from_now(root: Path) -> None:
    assert requeue(root, ["clip_r"], EPOCH) == [QueueChange("clip_r")]

    document = json.loads((root / "pending" / "clip_r_ai_addendum.json").read_text())
    assert (document["queued"], document["queued_at_utc"]) == (True, utc_text(EPOCH))
    assert names(root, "rejected") == []


def test_the_newest_of_several_rejected_replies_of_a_clip_is_taken(root: Path) -> None:
    newest = root / "rejected" / "clip_r_ai_addendum.10.json"
    newest.write_bytes(entry_bytes(addendum("clip_r", coaching_tip="Newest.")))
    newest.with_name("clip_r_ai_addendum.2.json").write_bytes(b"{}")

    assert requeue(root, ["clip_r"], EPOCH)[0].done

    assert "Newest." in (root / "pending" / "clip_r_ai_addendum.json").read_text()
    assert not newest.exists()


def is_unreadable(root: Path) -> None:
    reject(root, "clip_a", b'{"clip_id": ')


def is_of_another_clip(root: Path) -> None:
    reject(root, "clip_a", entry_bytes(addendum("clip_b")))


def is_a_symlink(root: Path) -> None:
    reject(root, "clip_a", b"").unlink()
    (root / "rejected" / ENTRY).symlink_to(root / "applied" / "clip_d_ai_addendum.json")


def was_applied(root: Path) -> None:
    put_file(root, queued("clip_a", ago(3600)), folder="applied")


def was_applied_and_put_in_again(root: Path) -> None:
    was_applied(root)
    reject(root, "clip_a", entry_bytes(queued("clip_a", ago(10))))


def has_a_newer_one_waiting(root: Path) -> None:
    reject(root, "clip_a", entry_bytes(addendum("clip_a")))
    put_file(root, queued("clip_a", ago(5), coaching_tip="Newer."))


def is_being_applied(root: Path) -> None:
    reject(root, "clip_a", entry_bytes(addendum("clip_a")))
    put_file(root, queued("clip_a", ago(5), coaching_tip="Newer."), folder="claimed")


def is_not_there(root: Path) -> None:
    """Nobody heard of it."""


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (is_unreadable, "not JSON"),
        (is_of_another_clip, "contradicts"),
        (is_a_symlink, "not a plain file"),
        (was_applied, "never shown twice"),
        (was_applied_and_put_in_again, "never shown twice"),
        (has_a_newer_one_waiting, "waits"),
        (is_being_applied, "being applied"),
        (is_not_there, "no reply"),
    ],
)
def test_what_must_not_wait_again_is_refused_and_stays_as_it_is(
    make: Callable[[Path], None], why: str, root: Path
) -> None:
    make(root)
    reject(root, "clip_z", entry_bytes(addendum("clip_z")))
    before = {path: data[2] for path, data in everything(root).items()}

    change, other = requeue(root, ["clip_a", "clip_z"], EPOCH)

    assert why in change.problem
    assert other.done
    after = {path: data[2] for path, data in everything(root).items()}
    assert {path: data for path, data in after.items() if "clip_z" not in path} == {
        path: data for path, data in before.items() if "clip_z" not in path
    }


def test_a_clock_that_was_never_set_requeues_nothing(root: Path) -> None:
    with pytest.raises(InvalidInput, match="wall clock"):
        requeue(root, ["clip_r"], datetime(1970, 1, 1, tzinfo=UTC))


# Beside a worker


async def test_a_worker_notices_what_the_commands_did(root: Path) -> None:
    spool = await DiskSpool.open(root, FakeClock(frozen=True))
    await spool.refresh()
    await spool.put(addendum("clip_a"), context("clip_a"))

    await anyio.to_thread.run_sync(expire_ids, root, ["clip_a", "clip_p", "clip_o"])

    assert await spool.claim(query(), BUNDLE) is None
    assert spool.waiting == 0


async def test_a_reply_that_is_requeued_and_discarded_while_a_worker_runs_is_in_one_place(root: Path) -> None:
    """The worker puts, claims and finishes the very clips that the commands work on."""
    spool = await DiskSpool.open(root, FakeClock(frozen=True))
    clips = [f"clip_{number}" for number in range(30)]
    for clip_id in clips:
        reject(root, clip_id, entry_bytes(addendum(clip_id, coaching_tip="Rejected.")))
    changes: list[QueueChange] = []
    finished: list[str] = []

    async def work() -> None:
        for clip_id in clips:
            await spool.put(addendum(clip_id), context(clip_id))
            claim = await spool.claim(query(), BUNDLE)
            if claim is not None:
                await spool.finish(claim)
                finished.append(claim.context.clip_id)

    async def interfere() -> None:
        for clip_id in reversed(clips):
            try:
                changes.extend(await anyio.to_thread.run_sync(requeue, root, [clip_id], EPOCH))
                await anyio.to_thread.run_sync(expire_ids, root, [clip_id])
            except CoachError as error:
                pytest.fail(f"the commands and the worker stood in each other's way: {error}")

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        group.start_soon(interfere)

    await spool.refresh()
    assert len(changes) == len(clips)
    copies = [clip_of_copy(name) for name in names(root, "applied")]
    assert Counter(finished) == Counter(copy[0] for copy in copies if copy and copy[0] != "clip_d")
    assert spool.waiting == len(names(root, "pending"))
    assert set(names(root, "claimed")) == {"clip_c_ai_addendum.json"}
