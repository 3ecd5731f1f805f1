"""The AI switch on a real disk: the control file over the setting, obeyed at once."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sg_coach.errors import InvalidInput, UnsafePath
from sg_coach.files import Folder
from sg_hybrid.queue_folders import CONTROL_FILE
from sg_hybrid.settings import Settings
from sg_hybrid.switch import Mode, Switch, read_mode, set_mode

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, tzinfo=UTC)


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    return tmp_path / "queue"


def switch(queue: Path, enabled: bool = False, key: str = "sk-key") -> Switch:
    environ = {
        "AI_COACH_ENABLED": str(enabled),
        "ANTHROPIC_API_KEY": key,
        "SG_COACH_QUEUE_DIR": str(queue),
        "SG_BUNDLE_ROOTS": str(queue.parent / "bundles"),
    }
    return Switch(queue, Settings.from_env(environ))


@pytest.mark.parametrize("enabled", [True, False])
def test_setting_holds_without_a_control_file(queue: Path, enabled: bool) -> None:
    state = switch(queue, enabled).state()
    assert (state.enabled, state.key_present) == (enabled, True)
    assert state.why == f"The AI is {'on' if enabled else 'off'}: AI_COACH_ENABLED, environment."


@pytest.mark.parametrize(
    ("mode", "setting", "enabled"),
    [
        ("on", False, True),
        ("on", True, True),
        ("off", True, False),
        ("off", False, False),
        ("auto", True, True),
        ("auto", False, False),
    ],
)
def test_control_file_comes_first(queue: Path, mode: Mode, setting: bool, enabled: bool) -> None:
    set_mode(queue, mode, NOW)
    assert read_mode(queue) == mode
    assert switch(queue, setting).state().enabled is enabled


def test_running_worker_obeys_at_once(queue: Path) -> None:
    gate = switch(queue, enabled=True)
    seen = [gate.state().enabled]
    for mode in ("off", "on", "auto", "off"):
        set_mode(queue, mode, NOW)
        seen.append(gate.state().enabled)
    (queue / CONTROL_FILE).unlink()
    seen.append(gate.state().enabled)
    assert seen == [True, False, True, True, False, True]


def test_unchanged_file_is_read_once(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_mode(queue, "on", NOW)
    gate = switch(queue)
    first = gate.state()
    monkeypatch.setattr(Folder, "read", lambda *_: pytest.fail("read again"))
    assert gate.state() is first


def test_missing_key_is_told_apart_from_off(queue: Path) -> None:
    on, off = switch(queue, True, key="").state(), switch(queue, False, key="").state()
    assert (on.enabled, on.key_present, off.enabled, off.key_present) == (True, False, False, False)
    assert on.why.endswith("No key: set ANTHROPIC_API_KEY.")
    assert "key" not in off.why


def test_a_companion_service_needs_its_address_and_its_token(queue: Path) -> None:
    environ = {
        "AI_COACH_ENABLED": "true",
        "AI_COACH_PROVIDER": "cloud",
        "ANTHROPIC_API_KEY": "sk-key",
        "SG_COACH_QUEUE_DIR": str(queue),
        "SG_BUNDLE_ROOTS": str(queue.parent / "bundles"),
    }
    state = Switch(queue, Settings.from_env(environ)).state()
    assert not state.key_present
    assert state.why.endswith("No key: set AI_COACH_URL and AI_COACH_TOKEN.")
    whole = environ | {"AI_COACH_URL": "https://coach.example", "AI_COACH_TOKEN": "t"}
    assert Switch(queue, Settings.from_env(whole)).state().key_present


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b'{"ai": "of', "not JSON"),
        (b'["on"]', "a list"),
        (b'{"ai": true}', "not one of on, off, auto"),
        (b'{"ai": "ON"}', "not one of on, off, auto"),
        (b"{}", "not one of on, off, auto"),
        (b'{"ai": "on", "ai": "off"}', "twice"),
        (b'{"ai": "on"}' + b" " * 5000, "too large"),
    ],
)
def test_broken_file_leaves_it_to_the_setting(queue: Path, content: bytes, problem: str) -> None:
    queue.mkdir()
    (queue / CONTROL_FILE).write_bytes(content)
    for enabled in (True, False):
        state = switch(queue, enabled).state()
        assert state.enabled is enabled
        assert f"{CONTROL_FILE} decides nothing: " in state.why
        assert problem in state.why
    with pytest.raises(InvalidInput, match=CONTROL_FILE):
        read_mode(queue)


def test_only_a_plain_file_is_read(queue: Path) -> None:
    set_mode(queue, "on", NOW)
    control, gate = queue / CONTROL_FILE, switch(queue)
    control.rename(queue / "elsewhere.json")
    control.symlink_to(queue / "elsewhere.json")
    assert gate.state().enabled is False
    control.unlink()
    os.mkfifo(control)
    assert gate.state().enabled is False
    with pytest.raises(UnsafePath):
        read_mode(queue)


def test_file_is_private_whatever_the_umask(queue: Path) -> None:
    before = os.umask(0)
    try:
        set_mode(queue, "off", NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(queue.stat().st_mode) == 0o700
    assert stat.S_IMODE((queue / CONTROL_FILE).stat().st_mode) == 0o600
    assert (queue / CONTROL_FILE).read_text() == '{\n  "ai": "off",\n  "set_at_utc": "2026-02-04T12:34:56.789Z"\n}\n'


def test_no_other_mode_is_written(queue: Path) -> None:
    with pytest.raises(InvalidInput, match="ai: not one of on, off, auto"):
        set_mode(queue, "maybe", NOW)  # type: ignore[arg-type]
    assert not queue.exists()
