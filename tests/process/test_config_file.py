"""The config file on a real disk: where it is looked for, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sg_hybrid.errors import ConfigError
from sg_hybrid.settings import Settings, load_settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "sg-hybrid").mkdir(parents=True)
    return tmp_path


def config(home: Path, text: str) -> Path:
    path = home / ".config" / "sg-hybrid" / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def read(home: Path, **environ: str) -> Settings:
    return Settings.from_env({"HOME": str(home)} | environ)


def test_layers_and_origins(home: Path) -> None:
    path = config(home, 'reply_deadline_ms = 100\nspool_ttl_s = 60\nai_enabled = true\nbundle_roots = ["/a", "~/b"]\n')
    settings = read(home, AI_COACH_QUEUE_TTL_S="90", AI_COACH_ENABLED="")
    assert settings.reply_deadline_ms == 100
    assert settings.spool_ttl_s == 90
    assert settings.ai_enabled is True
    assert settings.bundle_roots == (Path("/a"), home / "b")
    assert settings.origins["reply_deadline_ms"] == f"file {path}"
    assert settings.origins["spool_ttl_s"] == "environment"


def test_places_in_their_order(home: Path) -> None:
    config(home, "reply_deadline_ms = 1")
    other = home / "xdg" / "sg-hybrid"
    other.mkdir(parents=True)
    (other / "config.toml").write_text("reply_deadline_ms = 2")
    (home / "named.toml").write_text("reply_deadline_ms = 3")
    (home / "argument.toml").write_text("reply_deadline_ms = 4")
    xdg = {"XDG_CONFIG_HOME": str(home / "xdg")}
    assert read(home).reply_deadline_ms == 1
    assert read(home, XDG_CONFIG_HOME="relative").reply_deadline_ms == 1
    assert read(home, **xdg).reply_deadline_ms == 2
    assert read(home, **xdg, SG_HYBRID_CONFIG="~/named.toml").reply_deadline_ms == 3
    argument = Settings.from_env({"HOME": str(home)} | xdg, config_file=home / "argument.toml")
    assert argument.reply_deadline_ms == 4


def test_no_file_is_no_problem_but_a_named_one_must_be_there(home: Path) -> None:
    assert read(home).reply_deadline_ms == 500
    with pytest.raises(ConfigError, match=r"none\.toml: No such file.*SG_HYBRID_CONFIG"):
        read(home, SG_HYBRID_CONFIG=str(home / "none.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reply_deadline_ms = x", "not TOML: .*line 1"),
        ('queue_dir = "queue"', "queue_dir is 'queue': a relative path.*absolute or below ~"),
        ('bundle_roots = ["/a", "b"]', "bundle_roots is .*: a relative path.*absolute or below ~"),
        ("[" * 20_000, "not TOML"),
        ("reply_deadline = 5", r"unknown key 'reply_deadline'; did you mean reply_deadline_ms\?"),
        ("zzz = 5", "unknown key 'zzz'; known are ai_enabled"),
        ("origins = {}", "unknown key 'origins'"),
        ("reply_deadline_ms = true", r"config\.toml: reply_deadline_ms is 'True': a switch"),
        ("reply_deadline_ms = 0", r"config\.toml: reply_deadline_ms is '0'"),
        ("ai_enabled = 2", r"config\.toml: ai_enabled is '2'"),
        ('queue_dir = "a\\u0000b"', "queue_dir is .*no usable path"),
        ("bundle_roots = [5]", "bundle_roots is .*no usable path"),
        ("bundle_roots = 5", "bundle_roots is '5': no list of folders"),
    ],
)
def test_unusable_file_is_refused_by_name(home: Path, text: str, message: str) -> None:
    config(home, text)
    with pytest.raises(ConfigError, match=message):
        read(home)


def test_a_file_as_editors_of_other_systems_write_it(home: Path) -> None:
    config(home, "").write_bytes(b"\xef\xbb\xbfreply_deadline_ms = 7\r\nai_enabled = true\r\n")
    assert (read(home).reply_deadline_ms, read(home).ai_enabled) == (7, True)


def test_bytes_that_are_not_utf8(home: Path) -> None:
    config(home, "").write_bytes(b"ai_model = '\xff'")
    with pytest.raises(ConfigError, match=r"not TOML: .*utf-8"):
        read(home)


@pytest.mark.parametrize("name", ["anthropic_api_key", "cloud_token"])
def test_key_in_a_file_that_others_can_read_is_refused(home: Path, name: str) -> None:
    path = config(home, f'{name} = "sk-secret"')
    assert read(home).secrets == ["sk-secret"]
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        read(home)
    assert "sk-secret" not in str(caught.value)


def test_only_a_plain_file_of_sensible_size_is_read(home: Path) -> None:
    path = config(home, "#" * 70_000)
    with pytest.raises(ConfigError, match="too large"):
        read(home)
    path.unlink()
    (home / "elsewhere.toml").write_text("reply_deadline_ms = 1")
    path.symlink_to(home / "elsewhere.toml")
    with pytest.raises(ConfigError, match=r"symlink.*name the file itself in SG_HYBRID_CONFIG"):
        read(home)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a plain file"):
        read(home)


def test_load_settings_reads_this_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(home, "reply_deadline_ms = 7")
    monkeypatch.setenv("HOME", str(home))
    for variable in ("SG_HYBRID_CONFIG", "XDG_CONFIG_HOME", "AI_COACH_DEADLINE_MS"):
        monkeypatch.delenv(variable, raising=False)
    assert load_settings().reply_deadline_ms == 7
    assert load_settings({"reply_deadline_ms": "8"}).reply_deadline_ms == 8
