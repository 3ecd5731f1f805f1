"""The workflows: what no schema says (make lint checks them against GitHub's). They run what the tests here run."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scripts.releasing.drift import LABEL
from scripts.releasing.versions import Release

from .repository import ROOT, run

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
OIDC = {"sign", "testpypi", "pypi"}

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[str, Any]:
    document = YAML(typ="safe").load(path)
    assert isinstance(document, dict)
    return document


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def commands(path: Path) -> Iterator[str]:
    for step in steps(read(path)):
        if "run" in step:
            yield step["run"]


def release() -> dict[str, Any]:
    return read(ROOT / ".github/workflows/release.yml")


def test_all_are_there() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "cbsp21.yml", "contract-drift.yml", "release.yml"}


@each_workflow
def test_actions_are_pinned_by_hash_and_say_their_version(path: Path) -> None:
    used = [line.strip() for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert used
    for line in used:
        action, _, version = line.partition("uses: ")[2].partition(" # ")
        assert PINNED.fullmatch(action), line
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version), line


def test_one_action_has_one_hash() -> None:
    found = {step["uses"] for path in WORKFLOWS for step in steps(read(path)) if "uses" in step}
    assert len({action.partition("@")[0] for action in found}) == len(found)


@each_workflow
def test_rights_are_read_only_unless_a_job_says_why(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        rights = {right for right, level in job.get("permissions", {}).items() if level == "write"}
        allowed = {("release.yml", "github"): {"contents"}, ("contract-drift.yml", "contracts"): {"issues"}}
        assert rights == ({"id-token"} if name in OIDC else allowed.get((path.name, name), set()))


@each_workflow
def test_every_job_ends_in_bounded_time_and_keeps_no_credentials(path: Path) -> None:
    for job in read(path)["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 30
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@each_workflow
def test_no_expression_stands_in_a_shell_command(path: Path) -> None:
    """A branch or a tag may have any name: values enter by the environment, quoted."""
    for command in commands(path):
        assert "${{" not in command
    assert "pull_request_target" not in path.read_text("utf-8")


@each_workflow
def test_what_they_call_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in commands(path):
        for script in re.findall(r"scripts/[\w/]+\.py", command):
            assert (ROOT / script).is_file()
        for target in re.findall(r"\bmake ([a-z-]+)", command):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        for requirements in re.findall(r"requirements/\w+\.txt", command):
            assert (ROOT / requirements).is_file()


@each_workflow
def test_shell_commands_are_well_formed(path: Path) -> None:
    for command in commands(path):
        done = run("bash", "-n", "-c", command, cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")


def test_ci_runs_everything_on_every_python_that_is_promised() -> None:
    job = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)
    assert job["strategy"]["matrix"]["python"] == promised
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test PYTHON=python"]


def test_the_gates_have_the_history_that_they_compare() -> None:
    jobs = read(ROOT / ".github/workflows/cbsp21.yml")["jobs"]
    assert set(jobs) == {"gate", "coverage", "packets"}
    assert jobs["gate"]["steps"][0]["with"]["fetch-depth"] == 0


def test_commands_without_an_environment_need_nothing_installed() -> None:
    """These jobs run without make setup: with the standard library alone."""
    for script in ("cbsp21_coverage_with_audit", "cbsp21_coverage_check", "check_patch_packet_format"):
        done = run(sys.executable, "-I", "-S", ROOT / f"scripts/cbsp21/{script}.py", "--help", cwd=ROOT)
        assert done.returncode == 0, done.stderr


def test_a_release_passes_every_stage_in_order() -> None:
    jobs = release()["jobs"]
    order = {name: job.get("needs", []) for name, job in jobs.items()}
    assert order == {
        "build": [], "check": "build", "sign": ["build", "check"],
        "testpypi": "sign", "pypi": "sign", "github": ["testpypi", "pypi"],
    }  # fmt: skip


def test_candidates_go_to_testpypi_and_releases_to_pypi() -> None:
    jobs = release()["jobs"]
    assert jobs["testpypi"]["if"] == "contains(github.ref_name, '-rc')"
    assert jobs["pypi"]["if"] == "${{ !contains(github.ref_name, '-rc') }}"
    assert jobs["testpypi"]["steps"][-1]["with"] == {"repository-url": "https://test.pypi.org/legacy/"}
    assert "with" not in jobs["pypi"]["steps"][-1]
    assert [jobs[name]["environment"] for name in ("testpypi", "pypi")] == ["testpypi", "pypi"]


@pytest.mark.parametrize(("tag", "wanted"), [("v1.2.3", "--latest"), ("v1.2.3-rc4", "--prerelease")])
def test_the_release_on_github(tmp_path: Path, tag: str, wanted: str) -> None:
    (command,) = (step["run"] for step in release()["jobs"]["github"]["steps"] if "run" in step)
    for name in ("dist/a b.whl", "signatures/a b.whl.sigstore.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    done = run("bash", "-e", "-c", f"gh() {{ printf '%s\\n' \"$@\"; }}\n{command}", cwd=tmp_path, TAG=tag)
    assert done.stdout.splitlines() == [
        "release", "create", tag, "--verify-tag", wanted, "--title", tag, "--notes-file", "notes/notes.md",
        "dist/a b.whl", "signatures/a b.whl.sigstore.json",
    ]  # fmt: skip


def test_the_workflow_starts_for_exactly_our_tags() -> None:
    patterns = [re.compile(pattern.replace(".", r"\.")) for pattern in release()["on"]["push"]["tags"]]
    for tag in (Release("1.20.3").tag, Release("1.20.3", 14).tag):
        assert any(pattern.fullmatch(tag) for pattern in patterns)
    for tag in ("v1.2", "contracts-v1.0.0", "v1.2.3-beta1", "1.2.3"):
        assert not any(pattern.fullmatch(tag) for pattern in patterns)


def test_every_file_is_signed_and_each_signature_is_verified() -> None:
    (command,) = (step["run"] for step in release()["jobs"]["sign"]["steps"] if "run" in step)
    lines = [shlex.split(line, comments=True) for line in command.replace("\\\n", " ").splitlines()]
    assert ["signing/bin/sigstore", "sign", "--output-directory", "signatures", "dist/*"] in lines
    assert any(line[:3] == ["signing/bin/sigstore", "verify", "identity"] for line in lines)


def test_the_notice_is_given_only_if_tests_failed() -> None:
    job = read(ROOT / ".github/workflows/contract-drift.yml")["jobs"]["contracts"]
    notice = job["steps"][-1]
    assert notice["if"].startswith("failure()")
    assert "contracts.xml" in notice["run"]
    assert "--junitxml=contracts.xml" in job["steps"][-2]["run"]
    assert LABEL == "contract-failure"
