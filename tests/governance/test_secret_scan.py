"""The secret scan finds what it is for, says no value, and finds nothing in this repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.ci import secret_scan
from scripts.ci.secret_scan import KINDS, findings, main, scan, tracked

RANDOM = "q7Zr2mXw9LtB4vNc8KpD1sHg6JfY3aEu5To0"
"""36 characters. Secrets are put together here, so that the scan of this file finds none."""

SECRETS = {
    "private key": "-----BEGIN " + "PRIVATE KEY-----\n" + RANDOM + RANDOM,
    "Anthropic or OpenAI key": "sk-" + "ant-api03-" + RANDOM,
    "GitHub token": "ghp_" + RANDOM,
    "package index token": "pypi-" + RANDOM + RANDOM,
    "AWS key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "Google key": "AIza" + RANDOM[:35],
    "Slack token": "xoxb-" + RANDOM,
    "password in an address": "https://user:" + "hunter22@example.org",
}


def test_each_kind_has_a_case() -> None:
    assert SECRETS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_found_by_its_form(kind: str) -> None:
    assert (2, kind) in list(findings(f"first line\nvalue = {SECRETS[kind]}\n"))


@pytest.mark.parametrize("name", ["api_key", "API_TOKEN", "password", '"client_secret"', "private-key: private_key"])
def test_a_random_value_is_found_by_its_name(name: str) -> None:
    assert [kind for _, kind in findings(f'{name} = "{RANDOM}"')] == ["random value with the name of a secret"]


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "test-key"',
        "ANTHROPIC_API_KEY=…",
        'token = "a" * 40',
        "input_sha256 = '9b10f2ce412cc950d9795aed1396890a04caf716fd777fe08a94bc7df6d551ea'",
        "https://api.anthropic.com/v1/messages",
        "missing_token = tests_that_need_the_token_of_a_companion",
    ],
)
def test_what_is_none_is_left_alone(line: str) -> None:
    assert list(findings(line)) == []


def test_a_line_can_say_why_it_is_none() -> None:
    assert list(findings(f"{SECRETS['GitHub token']}  # no secret: an example of the vendor's manual")) == []
    assert list(findings(f"{SECRETS['GitHub token']}  # no secret:"))


def test_the_report_names_the_place_and_not_the_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"\n\nkey = '{SECRETS['Anthropic or OpenAI key']}'\n")
    assert main([str(file)]) == 1
    said = capsys.readouterr().err
    assert f"{file}:3: Anthropic or OpenAI key" in said
    assert RANDOM not in said


def test_new_files_are_looked_into_and_ignored_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    for name in ("new.py", "ignored"):
        (tmp_path / name).write_text(SECRETS["AWS key"])
    assert scan(tracked(tmp_path)) == [f"{tmp_path / 'new.py'}:1: AWS key"]


def test_files_that_git_cannot_tell_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secret_scan, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ERROR: fatal: not a git repository")
    assert said.endswith("; run it in a git clone, or name the files to look into\n")


def test_this_repository_holds_none() -> None:
    assert main([]) == 0
