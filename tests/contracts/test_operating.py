"""docs/operating.md says what is: settings, log events, command lines, the service."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sg_hybrid.cli.app import app
from sg_hybrid.settings import VARIABLES, Settings, describe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operating.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command_lines() -> list[str]:
    lines = (line for block in blocks(TEXT) + blocks(README) for line in block.splitlines())
    parts = (part.strip() for line in lines for part in line.partition("#")[0].split("|"))
    return sorted({part for part in parts if part.startswith("sg-hybrid ")})


def test_the_table_of_settings_is_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `?(.*?)`? \| (.*?) \|", section("Settings"), re.MULTILINE)
    home = "/home/player"
    real = describe(Settings.from_env({"HOME": home}))
    takes = Settings.model_fields
    assert rows == [
        (row.field, row.variable, row.value.replace(home, "~"), takes[row.field].description) for row in real
    ]
    assert len(rows) == len(VARIABLES)


def logged_events() -> set[str]:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "sg_hybrid").rglob("*.py"))
    calls = re.findall(r"\b_log(?:\.\w+)?\(\s*\"([a-z_]+)\"", source)
    return set(calls)


def test_every_event_is_documented_and_no_other() -> None:
    names = re.findall(r"^\| (`[^|]*`) \|", section("Logs"), re.MULTILINE)
    documented = {name for cell in names for name in re.findall(r"`(\w+)`", cell)}
    assert documented == logged_events()


@pytest.mark.parametrize("line", command_lines())
def test_documented_command_lines_are_understood(line: str) -> None:
    result = CliRunner().invoke(app, [*shlex.split(line)[1:], "--help"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Usage: sg-hybrid")


def test_every_command_is_mentioned() -> None:
    pages = (path.stem.split("-")[2:] for path in (ROOT / "docs" / "cli").glob("sg-hybrid-*.txt"))
    for words in pages:
        assert re.search(rf"sg-hybrid {' '.join(words)}\b", TEXT + README) or words in (["demo"], ["config"]), words
