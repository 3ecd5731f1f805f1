"""Where a setting comes from, what it takes, and what a person is told who got it wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sg_hybrid import settings as module
from sg_hybrid.errors import ConfigError
from sg_hybrid.settings import VARIABLES, Settings, describe

HOME = {"HOME": "/home/player"}


def read(**environ: str) -> Settings:
    return Settings.from_env(HOME | environ)


def refusal(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**environ)
    return str(caught.value)


def test_defaults() -> None:
    settings = read()
    assert settings.ai_enabled is False
    assert settings.reply_deadline_ms == 500
    assert settings.give_up_after_s == 30
    assert settings.spool_ttl_s == 300
    assert settings.ai_model == "claude-haiku-5-5"
    assert settings.anthropic_api_key is None
    assert settings.anthropic_base_url == "https://api.anthropic.com"
    assert settings.queue_dir == Path("/home/player/.sg-coach-queue")
    assert settings.bundle_roots == (Path("/home/player/Downloads/sg-bundles"),)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, ("ANTHROPIC_API_KEY",)),
        ({"ANTHROPIC_API_KEY": "sk-x"}, ()),
        ({"AI_COACH_PROVIDER": "cloud"}, ("AI_COACH_URL", "AI_COACH_TOKEN")),
        ({"AI_COACH_PROVIDER": "cloud", "ANTHROPIC_API_KEY": "sk-x"}, ("AI_COACH_URL", "AI_COACH_TOKEN")),
        ({"AI_COACH_PROVIDER": " Cloud ", "AI_COACH_URL": "https://coach.example"}, ("AI_COACH_TOKEN",)),
        ({"AI_COACH_PROVIDER": "cloud", "AI_COACH_URL": "https://coach.example", "AI_COACH_TOKEN": "t"}, ()),
    ],
)
def test_each_provider_needs_its_own_credentials(environ: dict[str, str], missing: tuple[str, ...]) -> None:
    assert read(**environ).missing_credentials == missing


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AI_COACH_PROVIDER", "openai"), ("AI_COACH_URL", "coach.example"), ("AI_COACH_URL", "ftp://x")],
)
def test_a_provider_or_address_that_cannot_be_is_refused(variable: str, value: str) -> None:
    message = refusal(**{variable: value})
    assert variable in message
    assert value in message


def test_the_table_in_the_docstring_is_the_truth() -> None:
    rows = re.findall(r"^    (\w+) +([A-Z][A-Z_]+) +(\S.*)$", module.__doc__ or "", re.MULTILINE)
    shown = [(row.field, row.variable, row.value.replace(HOME["HOME"], "~")) for row in describe(read())]
    assert rows == shown


@pytest.mark.parametrize("text", ["true", "True ", "1", "YES", " on\n", "tRuE"])
def test_switch_on(text: str) -> None:
    assert read(AI_COACH_ENABLED=text).ai_enabled is True


@pytest.mark.parametrize("text", ["false", "0", "No", "OFF ", "", "   "])
def test_switch_off(text: str) -> None:
    assert read(AI_COACH_ENABLED=text).ai_enabled is False


@given(st.text(max_size=20).filter(lambda text: text.strip()))
def test_switch_is_one_of_its_words_or_refused(text: str) -> None:
    if text.strip().lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        read(AI_COACH_ENABLED=text)
    else:
        assert refusal(AI_COACH_ENABLED=text).startswith("AI_COACH_ENABLED is ")


def test_refusal_names_variable_value_and_choices() -> None:
    assert refusal(AI_COACH_ENABLED="maybe") == (
        "AI_COACH_ENABLED is 'maybe': neither on nor off; it takes true or false (also 1/0, yes/no, on/off)"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AI_COACH_DEADLINE_MS", "0"),
        ("AI_COACH_DEADLINE_MS", "499.5"),
        ("AI_COACH_DEADLINE_MS", "soon"),
        ("AI_COACH_LATE_WINDOW_S", "nan"),
        ("AI_COACH_LATE_WINDOW_S", "-1"),
        ("AI_COACH_QUEUE_TTL_S", "inf"),
        ("AI_COACH_APPLIED_KEEP_DAYS", "-1"),
        ("AI_COACH_MODEL", "claude; rm -rf"),
        ("ANTHROPIC_BASE_URL", "ftp://example.org"),
        ("ANTHROPIC_BASE_URL", "https://[::1"),
        ("ANTHROPIC_BASE_URL", "http://192.168.1.256:8080"),
        ("ANTHROPIC_BASE_URL", "http://1.2.3"),
        ("ANTHROPIC_BASE_URL", "http://host:99999"),
        ("ANTHROPIC_BASE_URL", "http://a_b?c@d/\u00e9"),
        ("SG_COACH_QUEUE_DIR", "~root/queue"),
        ("SG_BUNDLE_ROOTS", os.pathsep),
        ("SG_WATCHER", "dnotify"),
        ("SG_LOG_FORMAT", "xml"),
        ("SG_LOG_LEVEL", "loud"),
        ("AI_COACH_MAX_OPEN_CALLS", "0"),
    ],
)
def test_unusable_value_is_refused_by_name(variable: str, value: str) -> None:
    message = refusal(**{variable: value})
    assert message.startswith(f"{variable} is {value!r}: ")
    assert "it takes" in message


FLOATS = [name for name, field in Settings.model_fields.items() if field.annotation is float]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", FLOATS)
def test_a_number_that_is_none_is_called_not_finite(name: str, value: str) -> None:
    said = refusal(**{VARIABLES[name]: value})
    assert said.startswith(f"{VARIABLES[name]} is {value!r}: Input should be a finite number; it takes ")


def test_numbers_and_words_may_have_blanks_around() -> None:
    settings = read(AI_COACH_DEADLINE_MS=" 250 ", AI_COACH_SWEEP_S="0.5\n", SG_WATCHER=" Portable ")
    assert (settings.reply_deadline_ms, settings.sweep_interval_s, settings.watcher) == (250, 0.5, "portable")


def test_late_window_may_not_end_before_the_deadline() -> None:
    assert "AI_COACH_LATE_WINDOW_S (0.4 s) ends before AI_COACH_DEADLINE_MS (500 ms)" in refusal(
        AI_COACH_LATE_WINDOW_S="0.4"
    )
    assert read(AI_COACH_LATE_WINDOW_S="0.5").give_up_after_s == 0.5


def test_queue_and_bundles_are_different_folders() -> None:
    assert "use two folders" in refusal(SG_COACH_QUEUE_DIR="/data", SG_BUNDLE_ROOTS="/data")


def test_several_bundle_roots() -> None:
    text = os.pathsep.join(["~/a", "", "/b", "/b"])
    assert read(SG_BUNDLE_ROOTS=text).bundle_roots == (Path("/home/player/a"), Path("/b"))


@pytest.mark.parametrize("variable", ["SG_COACH_QUEUE_DIR", "SG_BUNDLE_ROOTS", "SG_LATENCY_BOOK"])
def test_a_relative_path_is_for_options_alone(variable: str) -> None:
    assert refusal(**{variable: "here/x"}).startswith(f"{variable} is 'here/x': a relative path")
    assert "absolute or below ~" in refusal(**{variable: "here/x"})
    flags = {"queue_dir": "here/x", "bundle_roots": ("here/y",)}
    settings = Settings.from_env(HOME, flags=flags)
    assert settings.queue_dir == Path("here/x").absolute()
    assert settings.bundle_roots == (Path("here/y").absolute(),)


def test_flag_beats_environment() -> None:
    environ = HOME | {"AI_COACH_DEADLINE_MS": "250", "SG_COACH_QUEUE_DIR": "/queue"}
    settings = Settings.from_env(environ, flags={"reply_deadline_ms": 100, "queue_dir": None})
    assert (settings.reply_deadline_ms, settings.queue_dir) == (100, Path("/queue"))
    assert settings.origins == {"reply_deadline_ms": "flag", "queue_dir": "environment"}


def test_unknown_flag_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"queue_dri: no such setting; did you mean queue_dir\?"):
        Settings.from_env(HOME, flags={"queue_dri": "/x"})


def test_home_is_not_needed_where_nothing_stands_in_it() -> None:
    full = {"SG_COACH_QUEUE_DIR": "/queue", "SG_BUNDLE_ROOTS": "/bundles"}
    assert Settings.from_env(full).queue_dir == Path("/queue")
    assert Settings.from_env(full | {"HOME": ""}).bundle_roots == (Path("/bundles"),)


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({}, "SG_COACH_QUEUE_DIR"),
        ({"HOME": "relative"}, "SG_COACH_QUEUE_DIR"),
        ({"SG_COACH_QUEUE_DIR": "/queue"}, "SG_BUNDLE_ROOTS"),
        ({"SG_COACH_QUEUE_DIR": "/queue", "SG_BUNDLE_ROOTS": "~/x"}, "SG_BUNDLE_ROOTS"),
    ],
)
def test_missing_home_is_named_with_the_way_out(environ: dict[str, str], variable: str) -> None:
    problem = "HOME is 'relative', a relative path; correct it" if environ.get("HOME") else "HOME is not set; set it"
    way_out = f"{problem}, or name a folder that does not begin with ~"
    with pytest.raises(ConfigError, match=f"^{variable} is '~.*': {way_out}"):
        Settings.from_env(environ)


def test_token_of_a_companion_service_is_never_shown() -> None:
    settings = read(AI_COACH_TOKEN="very-secret-token", ANTHROPIC_API_KEY="sk-ant-very-secret")
    assert settings.secrets == ["sk-ant-very-secret", "very-secret-token"]
    assert "very-secret" not in f"{settings!r} {settings} {describe(settings)} {settings.model_dump_json()}"
    assert "secret" not in refusal(AI_COACH_TOKEN="very secret")


@pytest.mark.parametrize(
    ("address", "quoted"),
    [
        ("https://user:secret@example.org", "https://[hidden]@example.org"),
        ("https://secret@example.org/v1", "https://[hidden]@example.org/v1"),
        ("http://user:/secret@example.org", "http://[hidden]@example.org"),
        ("http://user:1/se@cret?#@example.org", "http://[hidden]@example.org"),
        ("ftp://user:secret@example.org", "ftp://[hidden]@example.org"),
        ("user:secret@example.org", "[hidden]@example.org"),
        (f"http://user:{'secret' * 40}@example.org", "http://[hidden]@example.org"),
    ],
)
@pytest.mark.parametrize("variable", ["ANTHROPIC_BASE_URL", "AI_COACH_URL"])
def test_the_user_in_an_address_is_never_shown(variable: str, address: str, quoted: str) -> None:
    message = refusal(**{variable: address})
    assert message.startswith(f"{variable} is {quoted!r}: ")
    assert "secret" not in message
    assert "cret?" not in message


def test_key_is_never_shown() -> None:
    settings = read(ANTHROPIC_API_KEY="sk-ant-very-secret\n")
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == "sk-ant-very-secret"
    shown = f"{settings!r} {settings} {describe(settings)} {settings.model_dump_json()}"
    assert "very-secret" not in shown
    assert ("anthropic_api_key", "ANTHROPIC_API_KEY", "set (hidden)", "environment") in describe(settings)


@pytest.mark.parametrize("key", ["sk-ant-very\nsecret", "sk-ant-very secret", "sk-ant-very-sécret", "very-secret" * 99])
def test_unusable_key_is_refused_without_showing_it(key: str) -> None:
    message = refusal(ANTHROPIC_API_KEY=key)
    assert "ANTHROPIC_API_KEY" in message
    assert "cret" not in message


def test_keywords_work_for_users_of_the_library() -> None:
    settings = Settings(ai_enabled=True, queue_dir=Path("/queue"), bundle_roots=(Path("/bundles"),))
    assert (settings.ai_enabled, settings.queue_dir, settings.origins) == (True, Path("/queue"), {})
    with pytest.raises(ValidationError):
        Settings(reply_deadline_ms=-1, queue_dir=Path("/queue"), bundle_roots=(Path("/bundles"),))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read().ai_enabled = True


def test_every_field_has_its_variable() -> None:
    assert set(VARIABLES) == set(Settings.model_fields) - {"origins"}
    assert len(set(VARIABLES.values())) == len(VARIABLES)
