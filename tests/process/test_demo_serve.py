"""`sg-hybrid demo --serve`: the page with worker and AI behind it, from one command to one signal."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.process.cli import Cli

from .generator import FAKE_ENGINE, REPOSITORY


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_command_serves_everything_and_one_signal_ends_it(cli: Cli, number: int, tmp_path: Path) -> None:
    env = {"SG_ENGINE": FAKE_ENGINE, "PYTHONPATH": str(REPOSITORY)}
    options = ("--serve", "--port", "0", "--queue-dir", cli.queue, "--bundle-root", tmp_path / "clips")
    program = cli.start("demo", *options, env=env)
    try:
        assert program.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", program.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"{found[0]}/status", timeout=30) as response:
            status = json.loads(response.read())
        assert status["worker"]["pid"] == program.pid
        assert status["ai"]["enabled"] is True
        assert status["bundle_root"] == str(tmp_path / "clips")
        program.send_signal(number)
        assert program.wait(30) == 0
        assert not answers(found[0])
    finally:
        program.kill()
        program.communicate()


def test_a_port_that_is_taken_ends_it_with_a_reason(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = cli.program("demo", "--serve", "--port", port, "--queue-dir", cli.queue)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "ended with code 4" in done.stderr


def test_a_generator_that_dies_ends_the_rest(cli: Cli) -> None:
    program = cli.start("demo", "--serve", "--port", "0", "--queue-dir", cli.queue, env={"PYTHONPATH": str(REPOSITORY)})
    try:
        assert program.stdout is not None
        assert "practice page" in program.stdout.readline()
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        assert program.wait(30) == 1
    finally:
        program.kill()
        program.communicate()
