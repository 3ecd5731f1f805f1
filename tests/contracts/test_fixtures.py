"""The fixtures are what they say: made anew they are the same bytes, the good ones keep the contracts."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from scripts import make_fixtures
from scripts.fixtures import bundles, readme, sessions
from sg_coach import InvalidInput, InvalidJson, evaluate_session, session_from
from sg_coach.jsontext import parse_json_object
from sg_hybrid.manifest import check_manifest, parse_clip_identity
from tests.conftest import FIXTURES

from .test_schemas import schema_accepts

BUNDLES = FIXTURES / "bundles"
BUNDLE_MD = FIXTURES.parent / "contracts" / "BUNDLE.md"
SESSIONS = sorted((FIXTURES / "sessions").glob("*.json"))
WHOLE = ("deterministic", "generator", "hybrid", "no_take", "ota", "queued")
BY_FILE = {
    "clip.coach.json": "coaching_deterministic_v1",
    "clip.ai_coach.json": "coaching_ai_addendum_v1",
    "clip.ai_coach.queued.json": "coaching_ai_addendum_v1",
    "session.json": "session_record_v1",
    "manifest.json": "bundle_manifest_v1",
}


def bundle_folders(*roots: str) -> list[Path]:
    return sorted(path.parent for root in roots for path in (BUNDLES / root).rglob("manifest.json"))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def document(path: Path) -> dict[str, Any]:
    return parse_json_object(path.read_bytes())


def wrong_hashes(bundle: Path) -> list[str]:
    return [
        entry["path"]
        for entry in document(bundle / "manifest.json")["artifacts"]
        if hashlib.sha256((bundle / entry["path"]).read_bytes()).hexdigest() != entry["sha256"].removeprefix("sha256:")
    ]


def test_bundles_made_anew_are_the_same_bytes() -> None:
    assert bundles.bundle_files(FIXTURES) == tree(BUNDLES)


def test_sessions_and_their_table_made_anew_are_the_same_bytes(shared_data: Path) -> None:
    rows = sessions.read_rows(shared_data / "timing")
    assert sessions.session_files(rows) == tree(FIXTURES / "sessions")
    words = (FIXTURES / "README.md").read_text("utf-8")
    assert readme.with_table(words, sessions.source_table(rows)) == words


def test_the_command_makes_the_tree_exactly(tmp_path: Path) -> None:
    for name in ("golden", "sessions"):
        make_fixtures.write_tree(tmp_path / name, tree(FIXTURES / name))
    make_fixtures.write_tree(tmp_path / "bundles", {"old/gone.json": b"{}"})
    assert make_fixtures.main([], tmp_path) == 0
    assert tree(tmp_path / "bundles") == tree(BUNDLES)


def test_a_table_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        readme.with_table("words", "table")


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: str(path.stem))
def test_real_takes_keep_the_contract_and_name_their_source(path: Path) -> None:
    assert schema_accepts("session_record_v1", document(path))
    line = next(line for line in (FIXTURES / "README.md").read_text("utf-8").splitlines() if f"`{path.name}`" in line)
    assert re.search(r"\| (MIT|CC BY 4\.0)", line)
    evaluation = evaluate_session(session_from(document(path)))
    assert f"| {evaluation.score_0_100} {evaluation.grade} |" in line


def test_a_performance_is_one_session() -> None:
    by_performance: dict[str, set[str]] = defaultdict(set)
    for path in SESSIONS:
        take = document(path)
        by_performance[take["program"]["name"]].add(take["session_id"])
    assert all(len(ids) == 1 for ids in by_performance.values())
    assert len(set.union(*by_performance.values())) == len(by_performance) >= 5


def test_real_takes_are_spread_over_the_grades() -> None:
    grades = {evaluate_session(session_from(document(path))).grade for path in SESSIONS}
    assert grades >= {"A", "B", "D", "F"}


@pytest.mark.parametrize("bundle", bundle_folders(*WHOLE), ids=lambda path: str(path.name))
def test_whole_bundles_keep_every_promise(bundle: Path) -> None:
    for path in bundle.iterdir():
        if path.name in BY_FILE:
            assert schema_accepts(BY_FILE[path.name], document(path)), path.name
    assert check_manifest(document(bundle / "manifest.json")) == []
    assert wrong_hashes(bundle) == []
    tags = document(bundle / "clip.tags.json")
    assert parse_clip_identity(tags, document(bundle / "manifest.json"), bundle.name) in bundle.name
    assert (bundle / "clip.mid").read_bytes().startswith(b"MThd\x00\x00\x00\x06")


@pytest.mark.parametrize(
    ("root", "files", "source"),
    [
        ("deterministic", {"clip.coach.json"}, "deterministic"),
        ("hybrid", {"clip.coach.json", "clip.ai_coach.json"}, "hybrid"),
        ("queued", {"clip.coach.json", "clip.ai_coach.queued.json"}, "hybrid"),
        ("old_style", {"clip.coach.json"}, None),
        ("legacy_v1_0", set(), None),
        ("generator", set(), None),
    ],
)
def test_what_a_kind_of_bundle_holds(root: str, files: set[str], source: str | None) -> None:
    bundle = bundle_folders(root)[-1]
    assert {path.name for path in bundle.iterdir() if "coach" in path.name} == files
    assert document(bundle / "manifest.json").get("coaching_source") == source


def test_a_queued_reply_is_about_the_earlier_clip_of_the_session() -> None:
    first, second = bundle_folders("queued")
    addendum = document(second / "clip.ai_coach.queued.json")
    assert (addendum["clip_id"], addendum["queued"]) == (first.name, True)
    assert document(first / "session.json")["session_id"] == document(second / "session.json")["session_id"]


@pytest.mark.parametrize("root", ["broken_not_json", "broken_nan"])
def test_broken_takes_are_refused(root: str) -> None:
    with pytest.raises(InvalidJson):
        document(bundle_folders(root)[0] / "session.json")


def test_broken_ids_are_refused() -> None:
    bundle = bundle_folders("broken_ids")[0]
    with pytest.raises(InvalidInput, match=r"clip\.tags\.json: clip_id: another_clip disagrees"):
        parse_clip_identity(document(bundle / "clip.tags.json"), document(bundle / "manifest.json"), bundle.name)


def test_a_broken_hash_is_one_of_the_manifest() -> None:
    bundle = bundle_folders("broken_hash")[0]
    assert check_manifest(document(bundle / "manifest.json")) == []
    assert wrong_hashes(bundle) == ["clip.mid"]


def test_a_path_that_leads_out_is_refused() -> None:
    problems = check_manifest(document(bundle_folders("broken_path")[0] / "manifest.json"))
    assert [problem.split(":")[0] for problem in problems] == ["artifacts.0.path"]


def test_every_root_is_explained() -> None:
    words = (FIXTURES / "README.md").read_text("utf-8")
    assert {path.name for path in BUNDLES.iterdir()} == set(re.findall(r"^\| `(\w+)` \|", words, re.MULTILINE))


@pytest.mark.parametrize(("name", "keys"), [("good", {"case", "text", "expect"}), ("bad", {"why", "text"})])
def test_replies_are_well_formed(name: str, keys: set[str]) -> None:
    rows = [json.loads(line) for line in (FIXTURES / "replies" / f"{name}.jsonl").read_text("ascii").splitlines()]
    assert all(set(row) == keys for row in rows)
    assert len({row["text"] for row in rows}) == len(rows)


@pytest.mark.parametrize("root", ["deterministic", "hybrid", "queued", "legacy_v1_0", "old_style"])
def test_the_reading_example_reads_every_coached_bundle(root: str) -> None:
    block = re.search(r"```python\n(.*?)```", BUNDLE_MD.read_text("utf-8"), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)
    for bundle in bundle_folders(root):
        hint, tip = names["hint_of"](bundle)
        assert "Tempo" in hint
        assert (tip is not None) == (root == "hybrid")
