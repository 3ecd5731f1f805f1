"""The rules for contracts/: each way to break them is noticed and named, and the folder as it stands keeps them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
        [sys.executable, ROOT / "scripts/ci/check_contracts_governance.py"], capture_output=True, text=True, cwd="/"
    )
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


def test_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], folder) == 0
    (folder / "thing_v1.schema.sha256").unlink()
    assert main([], folder) == 1
    assert "CONTRACTS: thing_v1.schema.sha256: missing" in capsys.readouterr().err
    assert main(["--write"], folder) == 0
    assert main(["--nonsense"], folder) == 2
