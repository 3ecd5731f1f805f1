"""`sg-hybrid show`, and reading bundles: the hint decides, AI tips stand apart, what does not belong is not shown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sg_coach.errors import InvalidInput
from sg_coach.files import Folder
from sg_coach.jsontext import to_json_bytes
from sg_hybrid.bundle_reader import read_bundle
from sg_hybrid.manifest import artifact, manifest_without_ours
from tests.contracts.test_schemas import schema_accepts

from .cli import HOSTILE, Cli, document, fixture_bundle, is_one_line, rewrite

COACHED = {
    "deterministic": "clip_deterministic",
    "hybrid": "clip_hybrid",
    "queued": "clip_waltz_02",
    "legacy_v1_0": "clip_legacy",
    "old_style": "clip_old_style",
    "broken_hash": "clip_hash",
    "broken_path": "clip_path",
}
AI = {"hybrid": "clip.ai_coach.json", "queued": "clip.ai_coach.queued.json"}


def bundle_of(kind: str, folder: Path) -> Path:
    return fixture_bundle(kind, COACHED[kind], folder)


@pytest.mark.parametrize("kind", COACHED)
def test_every_coached_bundle_can_be_read(cli: Cli, tmp_path: Path, kind: str) -> None:
    bundle = bundle_of(kind, tmp_path)
    shown = cli("show", bundle)
    assert shown.exit_code == 0
    envelope = cli.json("show", bundle)
    assert envelope["deterministic"]["coach_hint"] in shown.stdout
    assert schema_accepts("coaching_envelope_v1", envelope)
    assert envelope["source"] == ("hybrid" if kind in AI else "deterministic")


def test_tips_stand_after_the_hint_and_apart(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    addendum = document(bundle / "clip.ai_coach.json")
    hint, tips = cli("show", bundle).stdout.split("\n\n")
    assert document(bundle / "clip.coach.json")["coach_hint"] in hint
    title, *lines = tips.splitlines()
    assert title.startswith("AI tip (")
    assert lines == [
        f"  Tip: {addendum['coaching_tip']}",
        f"  Timing: {addendum['timing_insight']}",
        f"  Exercise: {addendum['exercise_hint']}",
    ]


def test_an_earlier_takes_tip_says_so(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("queued", tmp_path)
    assert "\nAI tip from your last take, clip_waltz_01 (" in cli("show", bundle).stdout
    assert cli.json("show", bundle)["ai"]["clip_id"] == "clip_waltz_01"


def test_the_reply_to_this_take_goes_before_an_earlier_one(tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    data = to_json_bytes(
        document(bundle / "clip.ai_coach.json")
        | {"clip_id": "earlier", "queued": True, "queued_at_utc": "2026-02-04T12:34:56.789Z"}
    )
    (bundle / "clip.ai_coach.queued.json").write_bytes(data)
    add_entry(bundle, "ai_coach_queued", "clip.ai_coach.queued.json", data)
    view = read_bundle(bundle)
    assert view.ai is not None
    assert view.queued is not None
    assert view.envelope().ai == view.ai
    assert view.envelope().ai_request_status == "success"


def add_entry(bundle: Path, artifact_id: str, name: str, data: bytes) -> None:
    manifest = document(bundle / "manifest.json")
    manifest["artifacts"].append(artifact(artifact_id, "ai_coach", name, data))
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest))


def unlist(bundle: Path, name: str) -> None:
    manifest = document(bundle / "manifest.json")
    manifest["artifacts"] = [entry for entry in manifest["artifacts"] if entry["path"] != name]
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest))


def change_bytes(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes((bundle / name).read_bytes() + b" ")


def not_json(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"{")
    data = (bundle / name).read_bytes()
    unlist(bundle, name)
    add_entry(bundle, "ai_coach" if name == "clip.ai_coach.json" else "ai_coach_queued", name, data)


def make_symlink(bundle: Path, name: str) -> None:
    (bundle / name).rename(bundle.parent / "elsewhere.json")
    (bundle / name).symlink_to(bundle.parent / "elsewhere.json")


def make_fifo(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    os.mkfifo(bundle / name)


def make_folder(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    (bundle / name).mkdir()


def remove(bundle: Path, name: str) -> None:
    (bundle / name).unlink()


@pytest.mark.parametrize(
    "spoil", [unlist, change_bytes, not_json, make_symlink, make_fifo, make_folder, remove], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(("kind", "name"), AI.items())
def test_an_ai_file_that_does_not_belong_is_said_and_not_shown(
    cli: Cli, tmp_path: Path, kind: str, name: str, spoil: Any
) -> None:
    bundle = bundle_of(kind, tmp_path)
    spoil(bundle, name)
    shown = cli("show", bundle)
    assert shown.exit_code == 0
    assert "AI tip" not in shown.stdout
    assert document(bundle / "clip.coach.json")["coach_hint"] in shown.stdout
    assert shown.stderr.startswith("NOTE: ")
    assert name in shown.stderr
    assert cli.json("show", bundle)["source"] == "deterministic"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("hybrid", {"clip_id": "another"}),
        ("hybrid", {"queued": True}),
        ("hybrid", {"schema_version": "v2"}),
        ("queued", {"clip_id": "clip_waltz_02"}),
        ("queued", {"queued": False}),
        ("queued", {"confidence": 1.5}),
    ],
)
def test_an_addendum_that_contradicts_its_place_is_not_shown(
    cli: Cli, tmp_path: Path, kind: str, changes: dict[str, object]
) -> None:
    bundle = bundle_of(kind, tmp_path)
    rewrite(bundle, AI[kind], **changes)
    shown = cli("show", bundle)
    assert "AI tip" not in shown.stdout
    assert AI[kind] in shown.stderr


def test_an_addendum_that_says_nothing_is_not_shown(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    rewrite(bundle, "clip.ai_coach.json", coaching_tip=None, timing_insight=None, exercise_hint=None)
    assert "AI" not in cli("show", bundle).stdout


def test_a_hint_without_any_manifest_is_shown(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    (bundle / "manifest.json").unlink()
    assert "AI tip" in cli("show", bundle).stdout


def test_a_broken_manifest_hides_the_ai_and_not_the_hint(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    (bundle / "manifest.json").write_text("{")
    shown = cli("show", bundle)
    assert document(bundle / "clip.coach.json")["coach_hint"] in shown.stdout
    assert "AI tip" not in shown.stdout
    assert "manifest.json: not JSON" in shown.stderr


def test_a_changed_coach_file_is_shown_and_said(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("deterministic", tmp_path)
    change_bytes(bundle, "clip.coach.json")
    shown = cli("show", bundle)
    assert document(bundle / "clip.coach.json")["coach_hint"] in shown.stdout
    assert "clip.coach.json: not the file that manifest.json lists" in shown.stderr


@pytest.mark.parametrize("key", ["coach", "coaching"])
def test_the_manifest_fills_in_what_an_old_coaching_lacks(tmp_path: Path, key: str) -> None:
    bundle = bundle_of("legacy_v1_0", tmp_path)
    manifest = document(bundle / "manifest.json")
    coaching = manifest.pop("coach")
    del coaching["clip_id"], coaching["schema_id"], coaching["schema_version"]
    coaching["created_at_utc"] = "2026-02-04T13:34:56+01:00"
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest | {key: coaching}))
    view = read_bundle(bundle)
    assert view.legacy
    assert view.clip_id == "clip_legacy"
    assert view.coaching.created_at_utc == "2026-02-04T12:34:56.000Z"


def test_what_an_old_coaching_cannot_do_without_is_named(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("legacy_v1_0", tmp_path)
    manifest = document(bundle / "manifest.json")
    del manifest["coach"]["decision"]
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest))
    shown = cli("show", bundle)
    assert shown.exit_code == 1
    assert is_one_line(shown)
    assert "manifest.json: decision" in shown.stderr


def test_texts_do_not_reach_the_terminal_as_they_are(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    rewrite(bundle, "clip.ai_coach.json", coaching_tip=HOSTILE)
    rewrite(bundle, "clip.coach.json", coach_hint=HOSTILE)
    shown = cli("show", bundle)
    assert "  Tip: ared turned round next\n" in shown.stdout
    assert all(char.isprintable() or char == "\n" for char in shown.stdout)
    printed = cli("show", bundle, "--json").stdout
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert json.loads(printed)["ai"]["coaching_tip"] == HOSTILE


@pytest.mark.parametrize(
    ("kind", "clip_id", "code", "says"),
    [
        ("minimal", "clip_minimal", 1, "no coaching yet; coach it with `sg-hybrid coach DIR`"),
        ("no_take", "clip_no_take", 1, "no coaching yet"),
        ("error", "clip_error", 5, "clip.error.json says: the engine stopped"),
    ],
)
def test_without_coaching_it_says_why(cli: Cli, tmp_path: Path, kind: str, clip_id: str, code: int, says: str) -> None:
    shown = cli("show", fixture_bundle(kind, clip_id, tmp_path))
    assert shown.exit_code == code
    assert is_one_line(shown)
    assert says in shown.stderr


def test_the_newest_takes_refusal_is_said_beside_the_older_coaching(cli: Cli, tmp_path: Path) -> None:
    bundle = bundle_of("deterministic", tmp_path)
    (bundle / "clip.error.json").write_bytes(to_json_bytes({"message": "session.json: bpm: not a number"}))
    shown = cli("show", bundle)
    assert shown.exit_code == 0
    assert shown.stderr == "NOTE: clip.error.json says: session.json: bpm: not a number\n"


def test_a_folder_that_is_none(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(bundle_of("hybrid", tmp_path))
    for name, code in (("missing", 2), ("file", 1), ("link", 1)):
        shown = cli("show", tmp_path / name)
        assert shown.exit_code == code
        assert is_one_line(shown)
        assert str(tmp_path / name) in shown.stderr


def test_the_current_folder_is_a_bundle_too(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle_of("hybrid", tmp_path))
    assert cli("show", ".").stdout.startswith("clip_hybrid: ")
    assert cli("check", ".").exit_code == 0


def test_a_take_that_begins_while_it_is_read_sends_the_reader_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coach file of the old take, AI file of the new one: that pair is never returned."""
    old, new = bundle_of("hybrid", tmp_path), bundle_of("queued", tmp_path)
    read = Folder.read_if_there

    def read_and_be_overtaken(folder: Folder, name: str, max_bytes: int) -> bytes | None:
        data = read(folder, name, max_bytes)
        if name == "clip.coach.json" and (new / "session.json").exists():
            manifest = manifest_without_ours(document(old / "manifest.json"))
            (old / "manifest.json").write_bytes(to_json_bytes(manifest))
            (old / "clip.ai_coach.json").unlink()
            for path in new.iterdir():
                path.rename(old / path.name)
        return data

    monkeypatch.setattr(Folder, "read_if_there", read_and_be_overtaken)
    view = read_bundle(old)
    assert view.clip_id == "clip_waltz_02"
    assert view.ai is None
    assert view.queued is not None


def test_nothing_is_written(tmp_path: Path) -> None:
    bundle = bundle_of("hybrid", tmp_path)
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in bundle.iterdir()}
    bundle.chmod(0o555)
    read_bundle(bundle)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in bundle.iterdir()} == before
    bundle.chmod(0o755)


def test_an_unreadable_coach_file_is_named(tmp_path: Path) -> None:
    bundle = bundle_of("deterministic", tmp_path)
    rewrite(bundle, "clip.coach.json", score=101)
    with pytest.raises(InvalidInput, match=r"clip\.coach\.json: score"):
        read_bundle(bundle)


@pytest.mark.parametrize("command", ["show", "check", "coach"])
def test_an_empty_folder_name_is_wrong_usage(cli: Cli, command: str) -> None:
    done = cli(command, "")
    assert done.exit_code == 2
    assert is_one_line(done)
    assert "it is empty" in done.stderr
