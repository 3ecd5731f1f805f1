"""`sg-hybrid config show`: every value and where it came from; never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sg_hybrid.settings import VARIABLES

from .cli import Cli, is_one_line

KEY = "sk-ant-very-secret-0123456789"


def shown(cli: Cli, *args: str | Path, **more: dict[str, str]) -> dict[str, tuple[str, str]]:
    rows = cli.json("config", "show", *args, **more)
    return {row["field"]: (row["value"], row["origin"]) for row in rows}


def test_each_value_says_where_it_came_from(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("ai_model = 'from-the-file'\nspool_ttl_s = 60\n")
    env = {"AI_COACH_QUEUE_TTL_S": "90", "ANTHROPIC_API_KEY": KEY}
    rows = shown(cli, "--config", config, "--queue-dir", tmp_path / "flag", env=env)
    assert rows["ai_model"] == ("from-the-file", f"file {config}")
    assert rows["spool_ttl_s"] == ("90", "environment")
    assert rows["queue_dir"] == (str(tmp_path / "flag"), "flag")
    assert rows["reply_deadline_ms"] == ("500", "default")
    assert rows["anthropic_api_key"] == ("set (hidden)", "environment")
    assert set(rows) == set(VARIABLES)


def test_the_table_holds_the_same(cli: Cli) -> None:
    done = cli("config", "show", env={"ANTHROPIC_API_KEY": KEY, "AI_COACH_ENABLED": "yes"})
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["SETTING", "VARIABLE", "VALUE", "FROM"]
    assert ["ai_enabled", "AI_COACH_ENABLED", "true", "environment"] in lines
    assert len(lines) == 1 + len(VARIABLES)
    assert KEY not in done.output


def test_several_roots(cli: Cli) -> None:
    rows = shown(cli, "--bundle-root", "/a", "--bundle-root", "/b")
    assert rows["bundle_roots"] == ("/a:/b", "flag")


def test_a_home_in_an_option_that_the_shell_left_alone(cli: Cli) -> None:
    assert shown(cli, "--queue-dir=~/q")["queue_dir"] == (f"{cli.home}/q", "flag")


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"AI_COACH_ENABLED": "maybe"}, "AI_COACH_ENABLED is 'maybe'"),
        ({"AI_COACH_DEADLINE_MS": "-1"}, "AI_COACH_DEADLINE_MS is '-1'"),
        ({"SG_HYBRID_CONFIG": "/nowhere/config.toml"}, "/nowhere/config.toml"),
        ({"HOME": "", "SG_COACH_QUEUE_DIR": ""}, "HOME is not set"),
        ({"HOME": "home/pi", "SG_COACH_QUEUE_DIR": ""}, "HOME is 'home/pi', a relative path"),
        ({"AI_COACH_MODEL": "a\x1b[31m"}, "AI_COACH_MODEL"),
        ({"ANTHROPIC_API_KEY": KEY + "\n" + KEY}, "ANTHROPIC_API_KEY"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_clear_line(cli: Cli, env: dict[str, str], says: str) -> None:
    for command in (["config", "show"], ["queue", "ls"], ["ai", "status"], ["run", "--once"]):
        done = cli(*command, env=env)
        assert done.exit_code == 3
        assert is_one_line(done)
        assert says in done.stderr
        assert done.stderr.rstrip("\n").isprintable()
        assert KEY not in done.stderr


@pytest.mark.parametrize("option", ["--queue-dir", "--bundle-root", "--config"])
def test_an_empty_option_is_a_mistake(cli: Cli, option: str) -> None:
    done = cli("config", "show", option, " ")
    assert done.exit_code == 2
    assert is_one_line(done)
    assert option in done.stderr


def test_json_is_valid_whatever_a_path_holds(cli: Cli) -> None:
    done = cli("config", "show", "--json", "--queue-dir", "/q\u202e\x1b\ue000é")
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
    value = next(row["value"] for row in json.loads(done.stdout) if row["field"] == "queue_dir")
    assert value == "/q\u202e\x1b\ue000é"
