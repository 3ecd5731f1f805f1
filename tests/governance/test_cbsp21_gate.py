"""The gate: what counts as changed in every kind of clone, what a manifest has to say, exemptions and incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.governance.cbsp21.changes import Touched, change_set, parse_name_status
from scripts.governance.cbsp21.manifest import (
    exempt_patterns_of,
    governed,
    judge_incidents,
    manifest_problems,
    names_to_declare,
    refreshed,
)

from .repository import ROOT, Repository, script

NOW = datetime(2026, 2, 4, 12, tzinfo=UTC)
GOOD = {
    "schema_version": "cbsp21_patch_input_v1",
    "patch_id": "P1",
    "title": "A change",
    "intent": "Try it.",
    "change_type": "code",
    "changed_files": [{"path": "sg_coach/a.py", "file_context_coverage_percent": 100}],
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with a history, whose present commit changes nothing that is governed."""
    repository = Repository.begin(tmp_path / "a repository")
    repository.write("sg_coach/a.py", "".join(f"line_{number} = {number}\n" for number in range(20)))
    repository.manifest("sg_coach/a.py")
    repository.commit()
    repository.write("README.md", "read me\n")
    repository.commit()
    return repository


def gate(repository: Repository | Path, *options: str, **environment: str) -> tuple[int, str]:
    root = repository.root if isinstance(repository, Repository) else repository
    done = script("ci/check_cbsp21_gate.py", *options, cwd=root, **environment)
    assert done.stderr == ""
    return done.returncode, done.stdout


def clone(repository: Repository, name: str, *options: str) -> Path:
    target = repository.root.parent / name
    repository.git("clone", "-q", *options, repository.root.as_uri(), target)
    return target


def test_a_change_that_the_manifest_names(repository: Repository) -> None:
    repository.write("sg_coach/b c.py")
    repository.manifest("sg_coach/b c.py")
    repository.commit()
    base = repository.git("rev-parse", "HEAD~1")[:12]
    said = f"CBSP21 GATE: 1 governed file(s) changed since {base}\nCBSP21 GATE PASS\n"
    assert gate(repository) == (0, said)


def test_a_change_that_it_does_not_name(repository: Repository) -> None:
    repository.write("tests/ä b.py")
    repository.commit()
    code, said = gate(repository)
    assert code == 1
    assert "CBSP21 GATE FAIL: patch_input.json: changed_files: does not name tests/ä b.py\n" in said
    assert "make cbsp21" in said


def test_a_manifest_that_is_missing_or_no_json(repository: Repository) -> None:
    repository.write("sg_coach/a.py", "x = 2\n")
    repository.write(".cbsp21/patch_input.json", "{")
    repository.commit()
    assert gate(repository)[0] == 1
    assert "cannot be read as JSON" in gate(repository)[1]
    (repository.root / ".cbsp21/patch_input.json").unlink()
    assert "missing; begin with a copy of .cbsp21/patch_input.json.example" in gate(repository)[1]


def test_nothing_governed_changed(repository: Repository) -> None:
    (repository.root / ".cbsp21/patch_input.json").unlink()
    repository.commit()
    assert gate(repository) == (0, "CBSP21 GATE: no governed file changed\nCBSP21 GATE PASS\n")


def test_the_variables(repository: Repository) -> None:
    repository.write("sg_coach/a.py", "x = 2\n")
    entry = {"path": "sg_coach/a.py", "file_context_coverage_percent": 0.8}
    repository.manifest(changed_files=[entry])
    (repository.root / ".cbsp21/patch_input.json").rename(repository.root / "other file.json")
    repository.commit()
    elsewhere = {"CBSP21_MANIFEST_PATH": "other file.json"}
    assert gate(repository)[0] == 1
    assert "read to 80 %, at least 95 % are needed" in gate(repository, **elsewhere)[1]
    assert gate(repository, **elsewhere, CBSP21_MIN_COVERAGE="80")[0] == 0
    assert gate(repository, **elsewhere, CBSP21_MIN_COVERAGE="0.8")[0] == 0
    code, said = gate(repository, **elsewhere, CBSP21_MIN_COVERAGE="most")
    assert (code, said) == (2, "CBSP21 GATE FAIL: 'most' is no share: say for instance 0.95 (or 95)\n")


def test_a_branch_is_compared_with_origin_main(repository: Repository) -> None:
    copy = Repository(clone(repository, "clone"))
    copy.git("switch", "-q", "-c", "branch")
    copy.write("sg_coach/one.py")
    copy.commit()
    copy.write("sg_coach/two.py")
    copy.manifest("sg_coach/two.py")
    copy.commit()
    code, said = gate(copy)
    assert code == 1
    assert "does not name sg_coach/one.py" in said
    assert "two.py" not in said
    copy.manifest("sg_coach/one.py", "sg_coach/two.py")
    assert gate(copy)[0] == 0


def test_what_happened_on_main_meanwhile_is_not_the_branchs(repository: Repository) -> None:
    copy = Repository(clone(repository, "clone"))
    copy.git("switch", "-q", "-c", "branch")
    copy.write("sg_coach/mine.py")
    copy.manifest("sg_coach/mine.py")
    copy.commit()
    repository.write("sg_coach/theirs.py")
    repository.commit()
    copy.git("fetch", "-q")
    assert gate(copy)[0] == 0


def test_a_fresh_clone_is_asked_about_its_last_commit(repository: Repository) -> None:
    repository.write("sg_coach/new.py")
    repository.commit()
    assert "does not name sg_coach/new.py" in gate(clone(repository, "bad"))[1]
    repository.manifest("sg_coach/new.py")
    repository.write("sg_coach/new.py", "x = 2\n")
    repository.commit()
    assert gate(clone(repository, "good"))[0] == 0


def test_a_shallow_clone(repository: Repository) -> None:
    repository.write("sg_coach/new.py")
    repository.commit()
    code, said = gate(clone(repository, "depth 1", "--depth", "1"))
    assert (code, said.splitlines()[-1]) == (0, "CBSP21 GATE PASS (form only)")
    assert "no commit to compare with" in said
    assert gate(clone(repository, "depth 2", "--depth", "2"))[0] == 1


def test_the_first_commit_has_the_form_of_its_manifest_checked(tmp_path: Path) -> None:
    first = Repository.begin(tmp_path / "first")
    first.write("sg_coach/a.py")
    first.manifest()
    first.commit()
    assert gate(first)[0] == 0
    first.manifest(title=" ")
    code, said = gate(first)
    assert code == 1
    assert "patch_input.json: title: missing" in said


def test_a_base_that_is_named(repository: Repository) -> None:
    repository.git("branch", "release", "HEAD~1")
    repository.write("sg_coach/new.py")
    repository.commit()
    assert gate(repository, "--base", "release")[0] == 1
    code, said = gate(repository, "--base", "origin/nowhere")
    assert code == 2
    assert "no common history with origin/nowhere: fetch it" in said


def test_what_is_not_committed_yet_counts_only_if_asked(repository: Repository) -> None:
    repository.write("sg_coach/new.py")
    assert gate(repository)[0] == 0
    assert "does not name sg_coach/new.py" in gate(repository, "--worktree")[1]
    repository.manifest("sg_coach/new.py")
    assert gate(repository, "--worktree")[0] == 0


def test_renames_and_deletions(repository: Repository) -> None:
    repository.write("sg_coach/gone.py", "something = 'else'\n")
    repository.commit()
    repository.git("mv", "sg_coach/a.py", "sg_coach/a b.py")
    repository.git("rm", "-q", "sg_coach/gone.py")
    repository.manifest()
    repository.commit()
    code, said = gate(repository)
    assert code == 1
    named = [line.rpartition("name ")[2] for line in said.splitlines() if "does not name" in line]
    assert named == ["sg_coach/a b.py", "sg_coach/gone.py"]
    repository.manifest("sg_coach/a b.py", "sg_coach/gone.py")
    assert gate(repository)[0] == 0


def test_a_name_with_a_line_end_and_a_quote(repository: Repository) -> None:
    name = 'sg_coach/a"\n b.py'
    repository.write(name)
    repository.commit()
    assert change_set(repository.root).files == (Touched(name),)
    repository.manifest(name)
    assert gate(repository)[0] == 0


def test_exemptions(repository: Repository) -> None:
    repository.write("sg_coach/made/by machine.py")
    repository.write("sg_coach/made/by_hand.py")
    exempt = {"exempt_patterns": ["sg_coach/made/*", "!by_hand.py"]}
    repository.write(".cbsp21/exemptions.json", json.dumps(exempt))
    repository.commit()
    _, said = gate(repository)
    assert "by machine" not in said
    assert "does not name sg_coach/made/by_hand.py" in said
    repository.write(".cbsp21/exemptions.json", "[]")
    assert ".cbsp21/exemptions.json: must be an object with exempt_patterns" in gate(repository)[1]


def test_a_hotfix_goes_through_for_a_day_then_the_gate_fails_until_it_is_audited(repository: Repository) -> None:
    repository.write("sg_coach/hot.py")
    repository.commit()
    now = datetime.now(UTC)

    def log(opened: datetime, audited: datetime | None = None) -> None:
        incident = {
            "incident_id": "H1", "type": "hotfix", "reason": "players heard nothing",
            "opened_at_utc": opened.isoformat(), "audited_at_utc": audited.isoformat() if audited else None,
        }  # fmt: skip
        repository.write(".cbsp21/incident_log.json", json.dumps({"incidents": [incident]}))

    log(now - timedelta(hours=1))
    code, said = gate(repository)
    assert code == 0
    assert "H1: a hotfix lets this change through until" in said
    assert "let through: patch_input.json: changed_files: does not name sg_coach/hot.py" in said
    repository.manifest("sg_coach/hot.py")
    log(now - timedelta(hours=25))
    code, said = gate(repository)
    assert code == 1
    assert ".cbsp21/incident_log.json: incident 1: H1: not audited within 24 hours" in said
    log(now - timedelta(hours=25), now - timedelta(hours=1))
    assert gate(repository)[0] == 0


def test_the_manifest_names_what_changed_since_the_last_release(repository: Repository) -> None:
    repository.write(".cbsp21/patch_input.json", json.dumps({**GOOD, "changed_files": []}))
    assert script("cbsp21/write_patch_input.py", cwd=repository.root).returncode == 0
    manifest = repository.root / ".cbsp21/patch_input.json"
    assert [entry["path"] for entry in json.loads(manifest.read_text())["changed_files"]] == ["sg_coach/a.py"]
    repository.commit()
    repository.git("tag", "v0.1.0")
    repository.write("sg_coach/b c.py")
    repository.commit()
    repository.git("tag", "v0.2.0-rc1")
    repository.write("tests/c.py")
    script("cbsp21/write_patch_input.py", "--coverage", "0.97", cwd=repository.root)
    document = json.loads(manifest.read_text())
    assert document["title"] == "A change"
    assert document["changed_files"] == [
        {"path": "sg_coach/b c.py", "file_context_coverage_percent": 97.0},
        {"path": "tests/c.py", "file_context_coverage_percent": 97.0},
    ]
    assert gate(repository, "--worktree")[0] == 0


def test_outside_a_repository_the_commands_own_one_is_checked(tmp_path: Path) -> None:
    assert "CBSP21 GATE" in gate(tmp_path)[1]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("sg_hybrid/a.py", True),
        ("sg_coach/inner/a.json", True),
        ("sg_generator/a.yml", True),
        ("contracts/x.schema.json", True),
        ("fixtures/x.yaml", True),
        ("scripts/ci/x.sh", True),
        ("tests/x.ps1", True),
        ("scripts/x.py", False),
        ("docs/sg_coach/a.py", False),
        ("sg_coach/a.md", False),
        ("sg_coach.py", False),
    ],
)
def test_what_is_governed(path: str, *, wanted: bool) -> None:
    assert governed(path) is wanted


def test_a_file_that_is_renamed_out_of_the_governed_folders_left_them() -> None:
    moved = Touched("attic/a.py", before="sg_coach/a.py")
    assert names_to_declare([moved, Touched("sg_coach/b.py", before="attic/b.py")], []) == [
        "sg_coach/a.py",
        "sg_coach/b.py",
    ]


def test_status_of_git() -> None:
    text = "M\0a b\0R087\0old\nname\0new\0D\0gone\0C100\0from\0copy\0T\0link\0"
    assert list(parse_name_status(text)) == [
        Touched("a b"),
        Touched("new", before="old\nname"),
        Touched("gone", removed=True),
        Touched("copy"),
        Touched("link"),
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": "v1"}, "schema_version: must be 'cbsp21_patch_input_v1', is 'v1'"),
        ({"patch_id": ""}, "patch_id: missing; say it in words"),
        ({"title": None}, "title: missing; say it in words"),
        ({"intent": 3}, "intent: missing; say it in words"),
        ({"change_type": " "}, "change_type: missing; say it in words"),
        ({"changed_files": {}}, "changed_files: must be a list of objects with path and file_context_coverage_percent"),
        ({"changed_files": ["sg_coach/a.py"]}, "changed_files: entry 1 has no path"),
    ],
)
def test_what_a_manifest_must_have(changes: dict[str, object], problem: str) -> None:
    assert problem in list(manifest_problems({**GOOD, **changes}, ["sg_coach/a.py"], 95))


@pytest.mark.parametrize("value", [95, 0.95, 100, 1, 97.5])
def test_enough_was_read(value: float) -> None:
    entry = {"path": "sg_coach/a.py", "file_context_coverage_percent": value}
    assert list(manifest_problems({**GOOD, "changed_files": [entry]}, ["sg_coach/a.py"], 95)) == []


@pytest.mark.parametrize("value", [94.9, 0.949, 0, -1, 101, None, "100", True])
def test_not_enough_was_read(value: object) -> None:
    entry = {"path": "sg_coach/a.py", "file_context_coverage_percent": value}
    assert len(list(manifest_problems({**GOOD, "changed_files": [entry]}, ["sg_coach/a.py"], 95))) == 1


def test_a_manifest_that_is_no_object() -> None:
    assert list(manifest_problems([], [], 95)) == ["not a JSON object"]


def test_a_refreshed_manifest_keeps_what_was_said() -> None:
    fresh = refreshed(
        {**GOOD, "changed_files": [{"path": "a", "file_context_coverage_percent": 96}, {"path": "gone"}]},
        ["a", "b"],
        99,
    )
    assert fresh["changed_files"] == [
        {"path": "a", "file_context_coverage_percent": 96},
        {"path": "b", "file_context_coverage_percent": 99},
    ]


@pytest.mark.parametrize("document", [None, [], {}, {"exempt_patterns": "x"}, {"exempt_patterns": [1]}])
def test_exemptions_of_another_form(document: object) -> None:
    with pytest.raises(ValueError, match="list of gitignore-style texts"):
        exempt_patterns_of(document)


def incident(**changes: object) -> dict[str, object]:
    opened = "2026-02-04T11:00:00Z"
    return {"incident_id": "H1", "type": "hotfix", "reason": "r", "opened_at_utc": opened, **changes}


@pytest.mark.parametrize(
    ("entry", "problems", "open_"),
    [
        (incident(), 0, True),
        (incident(opened_at_utc="2026-02-03T12:00:01Z"), 0, True),
        (incident(opened_at_utc="2026-02-03T12:00:00Z"), 1, False),
        (incident(opened_at_utc="2026-02-04T12:00:01Z"), 1, False),
        (incident(opened_at_utc="2026-02-04T11:00:00"), 1, False),
        (incident(opened_at_utc="yesterday"), 1, False),
        (incident(opened_at_utc="2026-02-01T00:00:00Z", audited_at_utc="2026-02-02T00:00:00Z"), 0, False),
        (incident(audited_at_utc="2026-02-05T00:00:00Z"), 1, False),
        (incident(audited_at_utc="done"), 1, False),
        (incident(audited_at_utc=True), 1, False),
        (incident(type="note", opened_at_utc="2026-01-01T00:00:00Z"), 0, False),
        (incident(reason=""), 1, False),
        ("H1", 1, False),
    ],
)
def test_incidents(entry: object, problems: int, *, open_: bool) -> None:
    verdict, let_through = judge_incidents({"incidents": [entry]}, NOW)
    assert (len(verdict.problems), let_through) == (problems, open_)


@pytest.mark.parametrize("document", [[], {}, {"incidents": {}}])
def test_an_incident_log_of_another_form(document: object) -> None:
    assert judge_incidents(document, NOW)[0].problems == ("must be an object with incidents, a list",)


@pytest.mark.parametrize("name", ["patch_input.json", "patch_input.json.example"])
def test_our_own_manifest_and_its_example_have_the_form(name: str) -> None:
    document = json.loads((ROOT / ".cbsp21" / name).read_bytes())
    assert list(manifest_problems(document, ["sg_coach/hints.py", "tests/unit/test_hints.py"], 95)) == []


def test_each_of_our_own_exemptions_says_why() -> None:
    document = json.loads((ROOT / ".cbsp21/exemptions.json").read_bytes())
    assert set(exempt_patterns_of(document)) == set(document["reasons"])
    incidents = json.loads((ROOT / ".cbsp21/incident_log.json").read_bytes())
    assert judge_incidents(incidents, datetime.now(UTC))[0].problems == ()


def test_it_may_be_run_in_any_folder_of_the_repository(repository: Repository) -> None:
    repository.write("sg_coach/new.py")
    repository.commit()
    assert gate(repository.root / "sg_coach")[0] == 1
