"""What the service manager hears: a real datagram socket, the real worker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from sg_hybrid.service_manager import ServiceManager

from .cli import Cli

PATIENCE_S = 20.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as systemd opens it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture
def start(cli: Cli) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start workers; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def worker(**env: str) -> subprocess.Popen[str]:
        started.append(cli.start("run", env=env))
        return started[-1]

    yield worker
    for process in started:
        process.kill()
        process.communicate()


def heard(manager: socket.socket) -> bytes:
    return manager.recv(4096)


def hear_the_rest(manager: socket.socket) -> None:
    """Take what has been said until now; from here on nobody waits for more."""
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            heard(manager)


def test_ready_comes_once_the_folders_are_watched_and_stopping_at_the_end(
    manager: socket.socket, start: Callable[..., subprocess.Popen[str]], cli: Cli
) -> None:
    worker = start(NOTIFY_SOCKET=manager.getsockname())
    assert heard(manager) == b"READY=1"
    assert (cli.queue / "pending").is_dir()
    worker.send_signal(signal.SIGTERM)
    assert heard(manager) == b"STOPPING=1"
    assert worker.wait(PATIENCE_S) == 0


def test_an_abstract_socket_is_understood(start: Callable[..., subprocess.Popen[str]]) -> None:
    name = f"sg-hybrid-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(PATIENCE_S)
        start(NOTIFY_SOCKET=f"@{name}")
        assert heard(listener) == b"READY=1"


def test_signs_of_life_come_twice_in_the_watchdogs_time_and_not_from_a_frozen_loop(
    manager: socket.socket, start: Callable[..., subprocess.Popen[str]]
) -> None:
    worker = start(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="400000")
    said = [heard(manager) for _ in range(8)]
    assert said.count(b"WATCHDOG=1") == 7
    assert said.count(b"READY=1") == 1
    hear_the_rest(manager)
    manager.settimeout(PATIENCE_S)
    begin = time.monotonic()
    assert {heard(manager) for _ in range(10)} == {b"WATCHDOG=1"}
    assert time.monotonic() - begin > 10 * 0.2 * 0.8  # no more often than asked for
    worker.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    hear_the_rest(manager)
    time.sleep(0.5)
    with pytest.raises(BlockingIOError):
        heard(manager)
    manager.settimeout(PATIENCE_S)
    worker.send_signal(signal.SIGCONT)
    assert heard(manager) == b"WATCHDOG=1"


async def test_a_loop_that_is_busy_gives_no_sign_of_life(manager: socket.socket) -> None:
    import anyio

    async with anyio.create_task_group() as group:
        group.start_soon(ServiceManager(manager.getsockname(), 100_000).stay_alive)
        await anyio.sleep(0.12)
        hear_the_rest(manager)
        time.sleep(0.3)  # what a blocked event loop does
        with pytest.raises(BlockingIOError):
            heard(manager)
        await anyio.sleep(0.06)
        assert heard(manager) == b"WATCHDOG=1"
        group.cancel_scope.cancel()


def test_without_a_manager_nothing_is_sent_and_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    ServiceManager(None).ready()
    ServiceManager(None, 1000).stopping()


def test_a_manager_that_cannot_be_reached_is_said_once_and_holds_nobody_up(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        lost = ServiceManager(str(tmp_path / "nobody"))
        lost.ready()
        lost.stopping()
    assert [entry["event"] for entry in logs] == ["not_notified"]


def test_a_manager_that_does_not_read_holds_nobody_up(manager: socket.socket) -> None:
    deaf = ServiceManager(manager.getsockname())
    with structlog.testing.capture_logs() as logs:
        for _ in range(3000):
            deaf.ready()
    assert [entry["event"] for entry in logs] == ["not_notified"]


@pytest.mark.parametrize("value", ["0", "soon", "-5"])
def test_a_watchdog_time_that_is_none_is_refused_by_name(cli: Cli, value: str) -> None:
    done = cli("config", "show", env={"WATCHDOG_USEC": value})
    assert done.exit_code == 3
    assert "WATCHDOG_USEC" in done.stderr
