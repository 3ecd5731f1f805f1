"""The rules for contracts/: each way to break them is noticed and named, and the folder as it stands keeps them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.governance.contracts import check_contracts, main, schema_hash, write_hashes

ROOT = Path(__file__).parents[2]
SCHEMA = b'{"title": "thing_v1"}\n'
OTHER = b'{"title": "thing_v1", "type": "object"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that keeps every rule."""
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "thing_v1.schema.json").write_bytes(SCHEMA)
    write_hashes(contracts)
    _log(contracts, f"- `thing_v1` `{schema_hash(SCHEMA)[:12]}`: first.")
    _version(contracts, public_released=False, tag="contracts-v1.0.0")
    assert check_contracts(contracts) == []
    return contracts


def _log(folder: Path, *lines: str) -> None:
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n" + "\n".join(lines) + "\n")


def _version(folder: Path, **values: object) -> None:
    (folder / "CONTRACTS_VERSION.json").write_text(json.dumps(values))


def _change(folder: Path) -> None:
    """A change that says so everywhere: in the hash and in the changelog."""
    (folder / "thing_v1.schema.json").write_bytes(OTHER)
    write_hashes(folder)
    _log(folder, f"- thing_v1 ({schema_hash(OTHER)[:12]}): has a type.")


def test_the_folder_as_it_stands() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/ci/check_contracts_governance.py", "--files-only"],
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_change_that_says_so_is_fine_before_the_release(folder: Path) -> None:
    _change(folder)
    assert check_contracts(folder) == []


def test_line_ends_do_not_count(folder: Path) -> None:
    (folder / "thing_v1.schema.json").write_bytes(SCHEMA.replace(b"\n", b"\r\n"))
    assert check_contracts(folder) == []


def test_hash_missing(folder: Path) -> None:
    (folder / "thing_v1.schema.sha256").unlink()
    assert "thing_v1.schema.sha256: missing" in check_contracts(folder)[0]


@pytest.mark.parametrize("text", ["", "0" * 63 + "\n", "A" * 64 + "\n", "0" * 64, "0" * 64 + "\n\n", "ü" * 64 + "\n"])
def test_hash_malformed(folder: Path, text: str) -> None:
    (folder / "thing_v1.schema.sha256").write_text(text)
    assert "not one line of 64 lower-case" in check_contracts(folder)[0]


def test_hash_wrong(folder: Path) -> None:
    (folder / "thing_v1.schema.json").write_bytes(OTHER)
    problems = check_contracts(folder)
    assert schema_hash(OTHER) in problems[0]
    assert "CHANGELOG.md: no line names thing_v1" in problems[1]


def test_hash_without_a_schema(folder: Path) -> None:
    (folder / "gone_v1.schema.sha256").write_text("0" * 64 + "\n")
    assert "gone_v1.schema.sha256: its schema is missing" in check_contracts(folder)[0]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "- `thing_v1`: a type.",
        f"- {schema_hash(OTHER)[:12]}",
        f"- `thing_v1` {schema_hash(SCHEMA)[:12]}",
        f"- `something_v1` {schema_hash(OTHER)[:12]}",
        f"- `thing_v12` {schema_hash(OTHER)[:12]}",
    ],
)
def test_a_change_that_the_changelog_does_not_name(folder: Path, line: str) -> None:
    _change(folder)
    _log(folder, line)
    assert check_contracts(folder) == [
        f"CHANGELOG.md: no line names thing_v1 with {schema_hash(OTHER)[:12]}; say there what changed"
    ]


def test_changelog_missing(folder: Path) -> None:
    (folder / "CHANGELOG.md").unlink()
    assert "CHANGELOG.md: no line names thing_v1" in check_contracts(folder)[0]


def test_released_and_unchanged(folder: Path) -> None:
    _version(folder, public_released=True, tag="contracts-v1.0.0", released={"thing_v1": schema_hash(SCHEMA)})
    assert check_contracts(folder) == []


def test_released_and_changed(folder: Path) -> None:
    _version(folder, public_released=True, tag="contracts-v1.0.0", released={"thing_v1": schema_hash(SCHEMA)})
    _change(folder)
    assert check_contracts(folder) == [
        "thing_v1.schema.json: changed after its release as contracts-v1.0.0; undo it or add a version"
    ]


def test_released_and_gone(folder: Path) -> None:
    digest = schema_hash(SCHEMA)
    _version(folder, public_released=True, tag="contracts-v1.0.0", released={"thing_v1": digest, "old_v1": digest})
    assert "old_v1.schema.json: released as contracts-v1.0.0 and now missing" in check_contracts(folder)[0]


def test_a_new_version_may_change_after_the_release(folder: Path) -> None:
    _version(folder, public_released=True, tag="contracts-v1.0.0", released={"thing_v1": schema_hash(SCHEMA)})
    (folder / "thing_v2.schema.json").write_bytes(OTHER)
    write_hashes(folder)
    _log(folder, f"- thing_v1 {schema_hash(SCHEMA)}", f"- thing_v2 {schema_hash(OTHER)}")
    assert check_contracts(folder) == []


def test_released_without_its_hash(folder: Path) -> None:
    _version(folder, public_released=True, tag="contracts-v1.0.0")
    assert "released does not list thing_v1" in check_contracts(folder)[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"public_released": "yes", "tag": "x"}', '{"public_released": true}']
)
def test_version_file_unusable(folder: Path, text: str) -> None:
    (folder / "CONTRACTS_VERSION.json").write_text(text)
    assert "CONTRACTS_VERSION.json: needs an object" in check_contracts(folder)[0]


def test_name_without_a_version(folder: Path) -> None:
    (folder / "thing.schema.json").write_bytes(SCHEMA)
    write_hashes(folder)
    assert "thing.schema.json: name it {name}_v{N}" in check_contracts(folder)[0]


def test_empty_folder(tmp_path: Path) -> None:
    assert "no .schema.json file there" in check_contracts(tmp_path)[0]


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = tmp_path / "test_compare.py"
    comparison.write_text("def test_apart(): pass")
    assert main([], folder, comparison) == 0
    assert capsys.readouterr().out == "CONTRACTS: hashes, changelog, models and released versions agree\n"
    comparison.write_text("def test_apart(): assert 0")
    assert main([], folder, comparison) == 1
    said = capsys.readouterr().err
    assert said.startswith("CONTRACTS: models and schemas disagree: FAILED ")
    assert "test_compare.py::test_apart" in said
    assert main(["--files-only"], folder, comparison) == 0
    (folder / "thing_v1.schema.sha256").unlink()
    assert main(["--files-only"], folder, comparison) == 1
    assert "CONTRACTS: thing_v1.schema.sha256: missing" in capsys.readouterr().err
    assert main(["--files-only", "--write"], folder, comparison) == 0


def test_models_that_cannot_be_compared_are_a_problem(folder: Path, tmp_path: Path) -> None:
    assert main([], folder, tmp_path / "none.py") == 1


def test_an_option_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--nonsense"], folder, tmp_path)


FIRST_FINDING = """from hypothesis import Phase, settings
settings.register_profile("first finding", phases=[Phase.generate], database=None, derandomize=True)
settings.load_profile("first finding")
"""
"""No search for the simplest document: that there is one is enough here."""


def _lower(schema: dict[str, Any]) -> None:
    schema["properties"]["score"]["maximum"] = 99


def _optional(schema: dict[str, Any]) -> None:
    schema["required"].remove("score")


def _open(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = True


@pytest.mark.parametrize(
    "change",
    [_lower, _optional, _open],
    ids=["a lower maximum", "a field is optional", "other fields may be there"],
)
def test_model_and_schema_apart(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The comparison itself, on a copy where a schema was changed in one place: it has to fail."""
    for name in ("contracts", "tests/contracts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests/__init__.py", "tests/conftest.py", "tests/deep.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "conftest.py").write_text(FIRST_FINDING)
    path = tmp_path / "contracts/coaching_deterministic_v1.schema.json"
    schema = json.loads(path.read_bytes())
    change(schema)
    path.write_text(json.dumps(schema))
    comparison = tmp_path / "tests/contracts/test_schemas.py"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-k", "coaching_deterministic_v1", str(comparison)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED tests/contracts/test_schemas.py::test_" in done.stdout


def test_a_checkout_with_other_line_ends_keeps_the_bytes(tmp_path: Path) -> None:
    """`.gitattributes` decides, not what a person's git is set to."""
    repository = tmp_path / "repository"
    (repository / "contracts").mkdir(parents=True)
    shutil.copy(ROOT / ".gitattributes", repository)
    for path in (ROOT / "contracts").iterdir():
        shutil.copy(path, repository / "contracts")

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgSign=false")
        ends = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf", "-c", "core.safecrlf=false")
        subprocess.run(["git", *who, *ends, *arguments], cwd=repository, capture_output=True, check=True, timeout=60)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "contracts")
    git("clone", "-q", "--config", "core.autocrlf=true", "--config", "core.eol=crlf", ".", "clone")
    clone = repository / "clone" / "contracts"
    for path in (ROOT / "contracts").iterdir():
        assert (clone / path.name).read_bytes() == path.read_bytes()
    assert check_contracts(clone) == []
