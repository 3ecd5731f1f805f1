"""The golden documents change with a flag, a reason and new digests, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scripts.update_golden import main, path_of
from tests.takes import GOLDEN


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy in which one document is no longer what the product exports."""
    folder = shutil.copytree(GOLDEN, tmp_path / "golden")
    path = path_of(folder, "evaluation")
    path.write_text(path.read_text(encoding="utf-8").replace("YELLOW", "GREEN"), encoding="utf-8")
    return folder


def test_nothing_differs() -> None:
    assert main([], GOLDEN) == 0


def test_without_the_flag_nothing_is_written(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in changed.iterdir()}
    assert main([], changed) == 1
    assert capsys.readouterr().out == "golden_vector_evaluation.json: not what the product exports\n"
    assert {path.name: path.read_bytes() for path in changed.iterdir()} == before


def test_with_the_flag_the_documents_and_the_changelog_change(changed: Path) -> None:
    assert main(["--unfreeze", "v2: another reason"], changed) == 0
    assert json.loads(path_of(changed, "evaluation").read_bytes())["severity"] == "YELLOW"
    assert main([], changed) == 0
    log = (changed / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, oldest = log.split("\n## ")[1:]
    assert newest.startswith("v2: another reason\n- `golden_vector_session.json`")
    assert oldest.startswith("v1\n")
