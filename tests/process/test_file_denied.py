"""Files that cannot be used just while a claim is decided: of our own queue, closed; a manifest that others wrote."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sg_coach.digest import sha256_bytes
from sg_coach.files import Folder
from sg_hybrid.bundle import settle_queued
from sg_hybrid.queue_entry import ClaimedFor, StoredContext, entry_bytes
from sg_hybrid.queue_folders import make_queue, was_applied
from sg_hybrid.spool_recovery import recover
from tests.fake_edges import session
from tests.late_replies import context, put_context, put_file, queued
from tests.process.test_disk_refuses import NOW, coach, listed


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "2026-02-04" / "clip_a"
    path.mkdir(parents=True)
    (path / "session.json").write_text(session().model_dump_json())
    return path


def shown_in(bundle: Path, queue: Path, *, applied: bool) -> bytes:
    """A late reply that a dead worker had shown in `bundle` and was moving from `claimed/` to `applied/`."""
    make_queue(queue)
    reply = queued("clip_x", NOW)
    document = entry_bytes(reply)
    put_file(queue, reply, folder="claimed")
    if applied:  # a power cut may leave it in both
        put_file(queue, reply, folder="applied")
    bound = ClaimedFor(str(bundle), sha256_bytes(document))
    put_context(queue, StoredContext(context("clip_x"), sha256_bytes(document), bound))
    (bundle / "clip.ai_coach.queued.json").write_bytes(document)
    return document


def found_in(queue: Path) -> list[str]:
    return sorted(str(path.relative_to(queue)) for path in queue.rglob("clip_x*") if path.parent.name != "context")


@pytest.mark.parametrize(("about", "applied"), [("context", False), ("context", True), ("applied", True)])
async def test_a_claim_waits_for_the_start_that_may_look_at_its_own_files(
    bundle: Path, tmp_path: Path, about: str, applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    await coach(bundle)
    shown_in(bundle, queue, applied=applied)
    with monkeypatch.context() as patch:
        denied = denied_reads(patch, queue / about)
        assert recover(queue, settle_queued).left == 1
    assert denied
    assert recover(queue, settle_queued).finished == 1
    assert found_in(queue) == ["applied/clip_x_ai_addendum.json"]
    assert listed(bundle) == ["clip.coach.json", "clip.ai_coach.queued.json"]


@pytest.mark.parametrize("artifacts", [5, {"a": 1}, "clip.coach.json"])
async def test_a_manifest_that_nobody_can_add_to_keeps_its_claim_and_stops_no_start(
    bundle: Path, tmp_path: Path, artifacts: object
) -> None:
    queue, manifest = tmp_path / "queue", bundle / "manifest.json"
    await coach(bundle)
    shown_in(bundle, queue, applied=False)
    good = manifest.read_text()
    manifest.write_text(json.dumps({"artifacts": artifacts}))
    assert recover(queue, settle_queued).left == 1

    manifest.write_text(good)
    assert recover(queue, settle_queued).finished == 1


async def test_a_manifest_whose_artifacts_are_null_gets_the_reply_that_its_bundle_holds(
    bundle: Path, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    shown_in(bundle, queue, applied=False)
    (bundle / "manifest.json").write_text('{"artifacts": null}')
    assert recover(queue, settle_queued).finished == 1
    assert listed(bundle) == ["clip.ai_coach.queued.json"]


async def test_a_context_that_is_closed_for_good_is_for_a_person(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    shown_in(bundle, queue, applied=False)
    next((queue / "context").iterdir()).chmod(0)
    denied_reads(monkeypatch, queue / "context")
    assert recover(queue, settle_queued).rejected == 1


async def test_a_reply_is_not_applied_while_nobody_can_tell_whether_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "queue"
    make_queue(queue)
    reply = queued("clip_x", NOW)
    put_file(queue, reply, folder="applied")
    denied_reads(monkeypatch, queue / "applied")
    with Folder.open(queue / "applied") as applied, pytest.raises(PermissionError):
        was_applied(applied, reply)


def denied_reads(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Let each opening of a file in `folder` be denied; return which were."""
    real, denied = os.open, list[str]()

    def opened(path: Any, *args: Any, dir_fd: int | None = None, **keywords: Any) -> int:
        within = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else ""
        if within == str(folder) and str(path).endswith(".json"):
            denied.append(str(path))
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *args, dir_fd=dir_fd, **keywords)

    monkeypatch.setattr(os, "open", opened)
    return denied
