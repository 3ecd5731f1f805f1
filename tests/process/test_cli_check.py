"""`sg-hybrid check`: every document against its contract, every listed file against its hash."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sg_coach.digest import sha256_bytes
from sg_coach.jsontext import to_json_bytes
from sg_hybrid.bundle_check import Problem, check_bundle
from sg_hybrid.manifest import artifact

from .cli import HOSTILE, Cli, document, fixture_bundle, rewrite

SOUND = [
    ("minimal", "clip_minimal"),
    ("no_take", "clip_no_take"),
    ("generator", "clip_generator"),
    ("ota", "ota_bundle__clip_ota"),
    ("deterministic", "clip_deterministic"),
    ("hybrid", "clip_hybrid"),
    ("queued", "clip_waltz_01"),
    ("queued", "clip_waltz_02"),
    ("legacy_v1_0", "clip_legacy"),
    ("old_style", "clip_old_style"),
    ("error", "clip_error"),
]
BROKEN = [
    ("broken_not_json", "clip_not_json", "session.json: not JSON"),
    ("broken_nan", "clip_nan", "session.json: NaN is not a JSON number"),
    ("broken_ids", "clip_ids", "clip.tags.json: clip_id: another_clip disagrees with manifest.json"),
    ("broken_hash", "clip_hash", "clip.mid: another hash than in manifest.json"),
    ("broken_path", "clip_path", "manifest.json: artifacts.0.path: not a path inside the bundle"),
]


@pytest.mark.parametrize(("kind", "clip_id"), SOUND)
def test_sound_bundles_have_no_problem(cli: Cli, tmp_path: Path, kind: str, clip_id: str) -> None:
    bundle = fixture_bundle(kind, clip_id, tmp_path)
    checked = cli("check", bundle)
    assert (checked.exit_code, checked.stdout, checked.stderr) == (0, f"{bundle}: OK\n", "")


@pytest.mark.parametrize(("kind", "clip_id", "says"), BROKEN)
def test_broken_bundles_are_told(cli: Cli, tmp_path: Path, kind: str, clip_id: str, says: str) -> None:
    bundle = fixture_bundle(kind, clip_id, tmp_path)
    checked = cli("check", bundle)
    assert checked.exit_code == 1
    assert f"{bundle}: {says}" in checked.stdout
    assert "OK" not in checked.stdout


def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = document(bundle / "manifest.json")
    change(manifest)
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest))


def list_file(bundle: Path, path: str, data: bytes) -> None:
    edit(bundle, lambda manifest: manifest["artifacts"].append(artifact("other", "other", path, data)))


def new_take(bundle: Path) -> None:
    (bundle / "session.json").write_bytes(to_json_bytes(document(bundle / "session.json") | {"bpm": 77}))


def _wrong_size(bundle: Path) -> None:
    with (bundle / "clip.coach.json").open("ab") as file:
        file.write(b"\n")


def _hard_link(bundle: Path) -> None:
    (bundle / "twin.json").hardlink_to(bundle / "clip.coach.json")


def _through_a_symlink(bundle: Path) -> None:
    (bundle / "inner").symlink_to(bundle)
    list_file(bundle, "inner/session.json", (bundle / "session.json").read_bytes())


def _gone(bundle: Path) -> None:
    (bundle / "clip.ai_coach.json").unlink()


def _unlisted(bundle: Path) -> None:
    edit(bundle, lambda manifest: manifest["artifacts"].pop())


SPOILT: list[tuple[Callable[[Path], object], list[str]]] = [
    (_wrong_size, ["clip.coach.json: ", " bytes, manifest.json says "]),
    (_gone, ["clip.ai_coach.json: manifest.json lists it, but it is not there"]),
    (_hard_link, ["clip.coach.json: ", "2 names"]),
    (_through_a_symlink, ["inner/session.json: ", "not a folder"]),
    (lambda b: edit(b, lambda m: m.pop("coaching_source")), ["manifest.json: coaching_source: missing"]),
    (
        lambda b: edit(b, lambda m: m.update(coaching_source="deterministic")),
        ["manifest.json: coaching_source is deterministic, the artifacts say hybrid"],
    ),
    (lambda b: edit(b, lambda m: m.pop("created_at_utc")), ["manifest.json: created_at_utc: Field required"]),
    (lambda b: rewrite(b, "clip.ai_coach.json", confidence=1.5), ["clip.ai_coach.json: confidence: "]),
    (lambda b: rewrite(b, "clip.ai_coach.json", clip_id="other"), ["clip.ai_coach.json: clip_id: 'other', the bundle"]),
    (lambda b: rewrite(b, "clip.ai_coach.json", queued=True), ["clip.ai_coach.json: queued: contradicts its place"]),
    (lambda b: rewrite(b, "clip.ai_coach.json", extra=1), ["clip.ai_coach.json: extra: Extra inputs"]),
    (lambda b: rewrite(b, "clip.coach.json", score=101), ["clip.coach.json: score: "]),
    (
        lambda b: rewrite(b, "clip.coach.json", session_id="550e8400-e29b-41d4-a716-446655440000"),
        ["clip.coach.json: session_id: another one than in session.json"],
    ),
    (new_take, ["clip.coach.json: made from another session.json", "a cycle is due"]),
    (lambda b: (b / "manifest.json").unlink(), ["manifest.json: not there"]),
    (lambda b: (b / "manifest.json").write_text("[]"), ["manifest.json: the top level is a list"]),
    (lambda b: (b / "clip.coach.json").unlink(), ["clip.ai_coach.json: stands without clip.coach.json"]),
    (lambda b: (b / "clip.tags.json").write_text("5"), ["clip.tags.json: the top level is a number"]),
    (lambda b: list_file(b, "./" * 2000 + "x", b""), ["x: manifest.json lists it, but it is not there"]),
    (lambda b: list_file(b, "a/" * 300, b""), ["manifest.json lists it, but it is not there"]),
    (lambda b: list_file(b, "x" * 300, b""), ["File name too long"]),
    (lambda b: edit(b, lambda m: m.update(artifacts={"a": 1})), ["manifest.json: artifacts: "]),
    (lambda b: edit(b, lambda m: m["artifacts"].append(5)), ["manifest.json: artifacts."]),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILT, ids=[says[0][:50] for _, says in SPOILT])
def test_each_breach_is_told(tmp_path: Path, spoil: Callable[[Path], object], says: list[str]) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    assert check_bundle(bundle) == ()
    spoil(bundle)
    lines = [str(problem) for problem in check_bundle(bundle)]
    assert any(all(part in line for part in says) for line in lines), lines


def test_an_unlisted_file_of_the_worker_is_told(tmp_path: Path) -> None:
    bundle = fixture_bundle("deterministic", "clip_deterministic", tmp_path)
    _unlisted(bundle)
    assert Problem("clip.coach.json", "manifest.json does not list it") in check_bundle(bundle)


@pytest.mark.parametrize("changes", [{"clip_id": "clip_waltz_02"}, {"queued": False}])
def test_a_queued_reply_comes_from_an_earlier_take(tmp_path: Path, changes: dict[str, object]) -> None:
    bundle = fixture_bundle("queued", "clip_waltz_02", tmp_path)
    rewrite(bundle, "clip.ai_coach.queued.json", **changes)
    assert [problem.file for problem in check_bundle(bundle)] == ["clip.ai_coach.queued.json"]


def test_a_legacy_manifest_is_checked_too(tmp_path: Path) -> None:
    bundle = fixture_bundle("legacy_v1_0", "clip_legacy", tmp_path)
    edit(bundle, lambda manifest: manifest["coach"].update(score=-1))
    edit(bundle, lambda manifest: manifest.update(artifacts=[{"path": "../x"}]))
    lines = [str(problem) for problem in check_bundle(bundle)]
    assert any(line.startswith("manifest.json: score: ") for line in lines)
    assert any(line.startswith("manifest.json: artifacts.0.path: ") for line in lines)


def test_a_bare_hash_and_a_file_in_a_folder_count(tmp_path: Path) -> None:
    bundle = fixture_bundle("deterministic", "clip_deterministic", tmp_path)
    (bundle / "stems").mkdir()
    (bundle / "stems" / "a.mid").write_bytes(b"abc")
    list_file(bundle, "stems/a.mid", b"abc")
    edit(bundle, lambda m: m["artifacts"][-1].update(sha256=sha256_bytes(b"abc").removeprefix("sha256:")))
    assert check_bundle(bundle) == ()


def test_a_days_index_is_passed_over(cli: Cli, tmp_path: Path) -> None:
    (index := tmp_path / "session.index.json").write_text('{"entries": []}')
    bundle = fixture_bundle("minimal", "clip_minimal", tmp_path)
    checked = cli("check", index, bundle)
    assert (checked.exit_code, checked.stdout, checked.stderr) == (0, f"{bundle}: OK\n", "")


def test_json_for_programs(cli: Cli, tmp_path: Path) -> None:
    good = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    bad = fixture_bundle("broken_nan", "clip_nan", tmp_path)
    checked = cli("check", good, bad, "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout) == [
        {"bundle": str(good), "ok": True, "problems": []},
        {
            "bundle": str(bad),
            "ok": False,
            "problems": [{"file": "session.json", "problem": "NaN is not a JSON number"}],
        },
    ]


def test_a_missing_bundle_does_not_hide_the_others(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("broken_nan", "clip_nan", tmp_path)
    checked = cli("check", tmp_path / "missing", bundle)
    assert checked.exit_code == 2
    assert checked.stderr == f"ERROR: {tmp_path}/missing: No such file or directory\n"
    assert "clip_nan: session.json: " in checked.stdout


def test_json_names_every_folder_that_was_asked_about(cli: Cli, tmp_path: Path) -> None:
    good, missing, file = fixture_bundle("hybrid", "clip_hybrid", tmp_path), tmp_path / "missing", tmp_path / "a_file"
    file.touch()
    checked = cli("check", missing, good, file, "--json")
    assert checked.exit_code == 2
    assert checked.stderr.count("ERROR: ") == 2
    lost, sound, unsafe = json.loads(checked.stdout)
    problem = {"file": ".", "problem": f"{missing}: No such file or directory"}
    assert lost == {"bundle": str(missing), "ok": False, "problems": [problem]}
    assert (sound["bundle"], sound["ok"]) == (str(good), True)
    assert (unsafe["bundle"], unsafe["ok"]) == (str(file), False)
    assert "not a folder" in unsafe["problems"][0]["problem"]


def test_what_a_bundle_holds_does_not_reach_the_terminal(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    rewrite(bundle, "clip.ai_coach.json", **{HOSTILE: 1, "clip_id": HOSTILE})
    checked = cli("check", bundle)
    assert checked.exit_code == 1
    assert all(char.isprintable() or char == "\n" for char in checked.stdout)
    assert len(checked.stdout.splitlines()) == len(check_bundle(bundle))


def test_a_folder_whose_name_is_no_text_is_told_to_strict_readers(cli: Cli, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/clip\xff")
    done = cli.program("check", name, "--json")
    assert done.returncode == 2
    assert "\\ud" not in done.stdout
    assert json.loads(done.stdout)[0]["bundle"] == f"{tmp_path}/clip\\xff"
