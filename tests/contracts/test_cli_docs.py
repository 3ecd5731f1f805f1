"""docs/cli/ is what the commands say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scripts.write_cli_docs import FOLDER, PROGRAMS, pages

ROOT = Path(__file__).parents[2]


def test_every_console_script_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["scripts"]) == set(PROGRAMS)


def test_the_folder_holds_exactly_the_pages() -> None:
    assert {path.name for path in FOLDER.glob("*.txt")} == set(pages())


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_is_what_the_command_says(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == pages()[name], "run `make docs`"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_is_plain_text_of_a_fixed_width(name: str) -> None:
    lines = pages()[name].splitlines()
    assert all(line.isprintable() and len(line) <= 120 for line in lines)
    assert lines[0].lower().startswith("usage: " + name.removesuffix(".txt").split("-")[0])


def test_the_width_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    here = pages()
    monkeypatch.setenv("COLUMNS", "40")
    assert pages() == here
