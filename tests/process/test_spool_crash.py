"""Exactly once: every tree that a kill or a power cut can leave, and what the next start makes of it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from sg_coach.contract import QUEUED_FILE
from sg_coach.digest import sha256_bytes
from sg_coach.files import Folder
from sg_hybrid.folder_watch import FileMark
from sg_hybrid.models import AiAddendum
from sg_hybrid.policy import Age
from sg_hybrid.queue_entry import entry_bytes, parse_context, parse_entry
from sg_hybrid.queue_folders import make_queue
from sg_hybrid.spool_index import Waiting
from sg_hybrid.spool_moves import ClaimOutcome, complete, place, put_back, take
from sg_hybrid.spool_recovery import recover
from sg_hybrid.spool_removal import discard, settle_removals
from tests.late_replies import context, names, queued
from tests.process.power_cut import Crash, Recorder

ENTRY = "clip_a_ai_addendum.json"
WHEN = "2026-02-04T12:34:56.789Z"
OLD = queued("clip_a", WHEN, coaching_tip="Old.")
NEW = queued("clip_a", WHEN, coaching_tip="New.")
BUNDLE = Path("bundle")
"""Where the tip goes, relative to the test's folder: it moves with the tree."""


class Queue:
    """A queue and one bundle below one root, moved by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.queue = root / "queue"
        self.bundle = root / BUNDLE
        self._files: dict[bytes, FileMark] = {}

    def make(self) -> None:
        make_queue(self.queue)
        self.bundle.mkdir()

    def put(self, reply: AiAddendum) -> None:
        document = entry_bytes(reply)
        self._files[document], _ = place(self.queue, "clip_a", document, context(), lambda: None)

    def claim(self, reply: AiAddendum) -> None:
        outcome, _, _ = take(self.queue, self.waiting(reply), context(), BUNDLE)
        assert outcome is ClaimOutcome.TAKEN

    def apply(self, reply: AiAddendum) -> None:
        with Folder.open(self.bundle) as folder:
            folder.write(QUEUED_FILE, entry_bytes(reply))

    def finish(self, reply: AiAddendum) -> None:
        complete(self.queue, "clip_a", entry_bytes(reply))

    def give_back(self) -> None:
        put_back(self.queue, "clip_a", lambda: None)

    def expire(self, reply: AiAddendum) -> None:
        discard(self.queue, (), [self.waiting(reply)])
        settle_removals(self.queue)

    def start(self) -> None:
        """What the next worker does first."""
        recover(self.queue, lambda bundle, digest: self._shown() is not None and self._digest() == digest)

    def standing(self, folder: str) -> list[str]:
        """The tips that stand in a folder, each file whole and valid."""
        paths = [self.queue / folder / name for name in names(self.queue, folder)]
        return [str(parse_entry(path.read_bytes(), "clip_a").addendum.coaching_tip) for path in paths]

    def shown(self) -> list[str]:
        raw = self._shown()
        return [] if raw is None else [str(parse_entry(raw, "clip_a").addendum.coaching_tip)]

    def waiting(self, reply: AiAddendum) -> Waiting:
        document = entry_bytes(reply)
        entry = parse_entry(document, "clip_a")
        return Waiting("clip_a", entry.queued_at, Age(0.0), self._files[document], entry.digest, context())

    def _shown(self) -> bytes | None:
        path = self.bundle / QUEUED_FILE
        return path.read_bytes() if path.exists() else None

    def _digest(self) -> str:
        return sha256_bytes(self._shown() or b"")


def crashes_of(tmp_path: Path, story: Callable[[Queue, Callable[[str], None]], None]) -> list[tuple[Crash, Queue]]:
    """Tell the story once; return every tree that a crash in it can leave, after the next start."""
    told = Queue(tmp_path / "told")
    told.root.mkdir()
    told.make()
    recorder = Recorder(told.root)
    with recorder.recording():
        story(told, recorder.acknowledge)
    found = []
    for number, crash in enumerate(recorder.crashes()):
        queue = Queue(tmp_path / f"crash-{number}")
        crash.build(queue.root, told.root)
        queue.start()
        found.append((crash, queue))
    return found


def put_claim_apply_finish(queue: Queue, acknowledge: Callable[[str], None]) -> None:
    queue.put(OLD)
    acknowledge("put")
    queue.claim(OLD)
    acknowledge("claimed")
    queue.apply(OLD)
    acknowledge("applied")
    queue.finish(OLD)
    acknowledge("finished")


def test_a_reply_is_applied_exactly_once_wherever_the_crash_comes(tmp_path: Path) -> None:
    crashes = crashes_of(tmp_path, put_claim_apply_finish)

    for crash, queue in crashes:
        pending, applied, shown = queue.standing("pending"), queue.standing("applied"), queue.shown()
        assert names(queue.queue, "claimed") == []
        assert names(queue.queue, "rejected") == []
        assert applied == shown, f"applied and shown are one thing: {crash}"
        assert len(pending + applied) <= 1, f"never in two places: {crash}"
        if "put" in crash.acknowledged:
            assert pending + applied == ["Old."], f"lost: {crash}"
        if "applied" in crash.acknowledged:
            assert applied == ["Old."], f"it would be shown twice: {crash}"
    assert len(crashes) > 20


def test_an_entry_never_waits_without_its_context_and_no_context_stays_without_its_entry(tmp_path: Path) -> None:
    for crash, queue in crashes_of(tmp_path, put_claim_apply_finish):
        contexts = [path.read_bytes() for path in sorted((queue.queue / "context").iterdir())]
        stored = [parse_context(raw, "clip_a") for raw in contexts]
        entries = [path.read_bytes() for path in sorted((queue.queue / "pending").iterdir())]
        assert [found.entry_sha256 for found in stored if found] == [sha256_bytes(raw) for raw in entries], crash


def test_no_temporary_stays(tmp_path: Path) -> None:
    for _, queue in crashes_of(tmp_path, put_claim_apply_finish):
        left = [path for path in queue.queue.rglob("*") if path.name.endswith(".tmp")]
        assert left == []


def test_a_reply_that_is_given_back_is_in_one_place(tmp_path: Path) -> None:
    def story(queue: Queue, acknowledge: Callable[[str], None]) -> None:
        queue.put(OLD)
        acknowledge("put")
        queue.claim(OLD)
        queue.give_back()
        acknowledge("given back")

    for crash, queue in crashes_of(tmp_path, story):
        assert queue.standing("applied") == []
        if "put" in crash.acknowledged:
            assert queue.standing("pending") == ["Old."], crash


def test_an_expired_reply_waits_or_is_gone(tmp_path: Path) -> None:
    def story(queue: Queue, acknowledge: Callable[[str], None]) -> None:
        queue.put(OLD)
        queue.expire(OLD)
        acknowledge("expired")

    for crash, queue in crashes_of(tmp_path, story):
        expected = [[]] if "expired" in crash.acknowledged else [[], ["Old."]]
        assert queue.standing("pending") in expected, crash


def test_of_two_replies_of_a_clip_one_waits(tmp_path: Path) -> None:
    def story(queue: Queue, acknowledge: Callable[[str], None]) -> None:
        queue.put(OLD)
        acknowledge("old")
        queue.put(NEW)
        acknowledge("new")

    for crash, queue in crashes_of(tmp_path, story):
        if "new" in crash.acknowledged:
            assert queue.standing("pending") == ["New."], crash
        elif "old" in crash.acknowledged:
            assert queue.standing("pending") in (["Old."], ["New."]), crash


def test_a_second_reply_of_a_clip_that_is_being_applied_takes_nothing_from_the_first(tmp_path: Path) -> None:
    def story(queue: Queue, acknowledge: Callable[[str], None]) -> None:
        queue.put(OLD)
        queue.claim(OLD)
        queue.apply(OLD)
        acknowledge("applied")
        queue.put(NEW)
        acknowledge("new")
        queue.finish(OLD)
        acknowledge("finished")

    for crash, queue in crashes_of(tmp_path, story):
        assert names(queue.queue, "rejected") == []
        if "applied" in crash.acknowledged:
            assert queue.standing("applied") == ["Old."], crash
            assert queue.standing("pending") in ([], ["New."]), crash
        if "new" in crash.acknowledged:
            assert queue.standing("pending") == ["New."], crash
            stored = parse_context((queue.queue / "context" / "clip_a.json").read_bytes(), "clip_a")
            assert stored is not None
            assert stored.entry_sha256 == sha256_bytes(entry_bytes(NEW)), f"its context is gone: {crash}"


def test_an_older_copy_of_the_audit_stays(tmp_path: Path) -> None:
    def story(queue: Queue, acknowledge: Callable[[str], None]) -> None:
        queue.put(OLD)
        queue.claim(OLD)
        queue.apply(OLD)
        queue.finish(OLD)
        acknowledge("old")
        queue.put(NEW)
        queue.claim(NEW)
        queue.apply(NEW)
        acknowledge("new")
        queue.finish(NEW)

    for crash, queue in crashes_of(tmp_path, story):
        if "new" in crash.acknowledged:
            assert queue.standing("applied") == ["Old.", "New."], crash
            assert names(queue.queue, "applied") == ["clip_a_ai_addendum.1.json", ENTRY]
        elif "old" in crash.acknowledged:
            assert "Old." in queue.standing("applied"), crash


def test_a_bundle_that_cannot_be_looked_at_leaves_its_claim_for_the_next_start(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.make()
    queue.put(OLD)
    queue.claim(OLD)

    def not_mounted(bundle: Path, digest: str) -> bool:
        raise OSError(errno.EIO, "not mounted", str(bundle))

    assert recover(queue.queue, not_mounted).left == 1
    queue.put(NEW)
    assert take(queue.queue, queue.waiting(NEW), context(), BUNDLE)[0] is ClaimOutcome.BUSY
    assert (queue.standing("claimed"), queue.standing("pending")) == (["Old."], ["New."])


def test_an_entry_that_a_power_cut_left_in_both_folders_is_one_entry(tmp_path: Path) -> None:
    """Only between two devices, where a move is a copy and a removal."""
    queue = Queue(tmp_path)
    queue.make()
    queue.put(OLD)
    document = (queue.queue / "pending" / ENTRY).read_bytes()
    queue.claim(OLD)
    (queue.queue / "pending" / ENTRY).write_bytes(document)

    recovered = recover(queue.queue, lambda bundle, digest: False)

    assert (recovered.returned, recovered.superseded) == (1, 0)
    assert (queue.standing("claimed"), queue.standing("pending")) == ([], ["Old."])


def test_an_applied_reply_that_a_power_cut_left_in_both_folders_is_one_copy(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.make()
    queue.put(OLD)
    queue.claim(OLD)
    (queue.queue / "applied" / ENTRY).write_bytes((queue.queue / "claimed" / ENTRY).read_bytes())

    assert recover(queue.queue, lambda bundle, digest: True).finished == 1

    assert [names(queue.queue, folder) for folder in ("claimed", "applied", "context")] == [[], [ENTRY], []]


def test_what_stands_in_the_folders_and_is_not_ours_survives_a_start(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.make()
    strange = ["claimed/notes.txt", "context/notes.txt", "context/.hidden.json", "pending/.vim.swp", "applied/x.tmp"]
    for path in strange:
        (queue.queue / path).write_text("not ours")
    (queue.queue / "context" / "clip_x.json").mkdir()
    (queue.queue / "context" / "clip_y.json").write_text("an orphan")
    (queue.queue / "pending" / ".clip_y_ai_addendum.json.1-1.tmp").write_text("of a dead process")

    queue.start()

    left = {str(path.relative_to(queue.queue)) for path in queue.queue.glob("*/*")}
    assert left == {*strange, "context/clip_x.json"}


@pytest.mark.parametrize("broken", [b"", b"{", b'{"clip_id": "clip_a"}'], ids=["empty", "cut", "without fields"])
def test_a_claim_whose_context_is_lost_is_kept_for_a_person_to_decide(tmp_path: Path, broken: bytes) -> None:
    queue = Queue(tmp_path)
    queue.make()
    queue.put(OLD)
    queue.claim(OLD)
    (queue.queue / "context" / "clip_a.json").write_bytes(broken)

    queue.start()

    assert_kept_for_a_person(queue)


@pytest.mark.parametrize("path", ["/music/a\\u0000b", "file:///music/a%00b"], ids=["plain", "quoted"])
def test_a_claim_for_a_bundle_that_can_be_nowhere_is_kept_for_a_person_to_decide(tmp_path: Path, path: str) -> None:
    queue = Queue(tmp_path)
    queue.make()
    queue.put(OLD)
    queue.claim(OLD)
    file = queue.queue / "context" / "clip_a.json"
    file.write_text(file.read_text().replace(f': "{BUNDLE}"', f': "{path}"'))

    queue.start()

    assert_kept_for_a_person(queue)


def assert_kept_for_a_person(queue: Queue) -> None:
    assert queue.standing("pending") == queue.standing("applied") == []
    assert names(queue.queue, "rejected") == [ENTRY, ENTRY + ".why"]
    assert "look whether it was shown" in (queue.queue / "rejected" / (ENTRY + ".why")).read_text()
