"""A planted key and a planted token: in no log, error, traceback, listing, file or core dump."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sg_hybrid import secrecy
from sg_hybrid.cli import config as config_command
from sg_hybrid.cli import exits
from sg_hybrid.settings import Settings, describe
from sg_hybrid.simulator import Fault, Outcome, error, serve
from tests.fake_edges import session

from .cli import Cli

KEY = "planted-key-0123456789abcdef"
TOKEN = "planted-token-fedcba9876543210"
PLANTED = {"ANTHROPIC_API_KEY": KEY, "AI_COACH_TOKEN": TOKEN, "AI_COACH_ENABLED": "true"}
PATIENCE_S = 30.0


def holds_secret(data: bytes) -> bool:
    return KEY.encode() in data or TOKEN.encode() in data


async def test_a_whole_evening_at_debug_level_tells_nobody(cli: Cli) -> None:
    """Refused keys, broken answers, resets: whatever the SDK says about them, and every file that is written."""
    import anyio

    runs = [
        ("anthropic", [error(401)]),
        ("cloud", [error(403)]),
        ("anthropic", [Outcome(fault=Fault.RESET, cut_at=100), Outcome(fault=Fault.NOISE), Outcome()]),
        ("cloud", [Outcome(fault=Fault.HTML), Outcome()]),
    ]
    for provider, outcomes in runs:
        async with serve(outcomes) as simulator:
            env = {**PLANTED, "SG_LOG_LEVEL": "debug", "AI_COACH_PROVIDER": provider, "AI_COACH_PREPARE": "false"}
            env |= {"ANTHROPIC_BASE_URL": simulator.base_url, "AI_COACH_URL": simulator.base_url}
            for number in range(len(outcomes)):
                bundle = cli.bundles / "2026-02-04" / f"clip_{provider}_{len(outcomes)}_{number}"
                bundle.mkdir(parents=True)
                (bundle / "session.json").write_text(session().model_dump_json())
            command = [sys.executable, "-m", "sg_hybrid", "run", "--once"]
            with anyio.fail_after(PATIENCE_S):
                done = await anyio.run_process(command, env=cli.environ(env), check=False)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count(b'"cycle"') == len(outcomes)
            assert not holds_secret(done.stdout + done.stderr)
        assert len(simulator.calls) >= len(outcomes)
    files = [path for path in cli.home.rglob("*") if path.is_file()]
    assert len(files) > 12
    assert not [path for path in files if holds_secret(path.read_bytes())]


@pytest.mark.parametrize(
    "words",
    [["config", "show"], ["config", "show", "--json"], ["ai", "status"], ["ai", "ping"], ["queue", "ls"], ["nonsense"]],
    ids=" ".join,
)
def test_no_command_prints_it(cli: Cli, words: list[str]) -> None:
    done = cli(*words, env={**PLANTED, "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"})
    assert not holds_secret((done.stdout + done.stderr).encode())


@pytest.mark.parametrize("spoilt", [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}é", KEY * 40])
def test_a_key_that_cannot_be_used_is_refused_without_showing_it(cli: Cli, spoilt: str) -> None:
    done = cli("config", "show", env={"ANTHROPIC_API_KEY": spoilt})
    assert done.exit_code == 3
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert not holds_secret((done.stdout + done.stderr).encode())


def test_a_key_in_a_config_file_is_not_shown_either(cli: Cli) -> None:
    file = cli.home / "config.toml"
    file.write_text(f'anthropic_api_key = "{KEY}"\nno_such_setting = 1\n')
    file.chmod(0o600)
    wrong = cli("config", "show", "--config", file)
    file.write_text(f'anthropic_api_key = "{KEY}"\n')
    right = cli("config", "show", "--config", file)
    assert (wrong.exit_code, right.exit_code) == (3, 0)
    for done in (wrong, right):
        assert not holds_secret((done.stdout + done.stderr).encode())


def test_the_settings_do_not_show_it_whatever_is_made_of_them() -> None:
    settings = Settings(anthropic_api_key=KEY, cloud_token=TOKEN)  # type: ignore[arg-type]
    shown = [repr(settings), str(settings), settings.model_dump_json(), repr(describe(settings))]
    shown += [repr(settings.model_dump()), repr(vars(settings)), json.dumps(settings.model_dump(mode="json"))]
    assert not [text for text in shown if holds_secret(text.encode())]
    assert settings.secrets == [KEY, TOKEN]


def test_a_bugs_traceback_does_not_hold_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign error whose text quotes a header, from deep inside a command."""
    monkeypatch.setattr(secrecy, "_known", set())

    def broken() -> None:
        secrecy.guard([KEY])
        raise RuntimeError(f"x-api-key: {KEY}")

    assert exits.exit_code_of(broken) == exits.Exit.FAILED
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert secrecy.HIDDEN in said
    assert not holds_secret(said.encode())


def test_commands_guard_the_secrets_that_they_load(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_args: object) -> None:
        raise RuntimeError(f"Bearer {TOKEN}, {KEY}")

    monkeypatch.setattr(secrecy, "_known", set())
    monkeypatch.setattr("sg_hybrid.settings.describe", bug)
    monkeypatch.setattr(config_command, "describe", bug, raising=False)
    done = cli("config", "show", env=PLANTED)
    assert done.exit_code == 1
    assert "this is a bug" in done.stderr
    assert not holds_secret(done.stderr.encode())


# Core dumps

WAITS = (
    "import resource as r; r.setrlimit(r.RLIMIT_CORE, (r.RLIM_INFINITY,) * 2); import sg_hybrid.__main__ as m; m.main()"
)
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def dumped(cli: Cli, env: dict[str, str]) -> bool:
    """Crash a worker that may dump its memory; return whether the kernel did."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, "run"],
        env=cli.environ(env),
        cwd=cli.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any(json.loads(line)["event"] == "ready" for line in process.stderr)
        os.kill(process.pid, signal.SIGQUIT)
        until = time.monotonic() + PATIENCE_S
        while (found := os.waitpid(process.pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.returncode = -signal.SIGQUIT
        return os.WCOREDUMP(found[1])
    finally:
        process.kill()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.skipif(not CORE_PATTERN.exists(), reason="core dumps work otherwise here")
def test_a_crash_with_a_key_leaves_no_core(cli: Cli) -> None:
    if not dumped(cli, {}):
        pytest.skip("no core dumps on this machine, so there is nothing to be kept from one")
    for core in cli.home.glob("core*"):
        core.unlink()
    assert not dumped(cli, PLANTED | {"AI_COACH_ENABLED": "false"})
    assert not list(cli.home.glob("core*"))


def test_a_process_with_a_key_has_no_core_limit_left_and_is_not_dumpable() -> None:
    look = (
        "import ctypes, resource\n"
        "from sg_hybrid import secrecy\n"
        "secrecy.guard([])\n"
        "before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "secrecy.guard(['a-key-of-some-kind'])\n"
        "print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])\n"
    )
    if sys.platform != "linux":
        pytest.skip("dumpable is Linux's")
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0", "0"]
