"""`sg-generator generate` and `sg-generator styles`, as a shell runs them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sg_generator.models import STYLE_NAMES
from sg_generator.styles import STYLES


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sg_generator", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_clip_is_made_and_its_folder_printed(tmp_path: Path) -> None:
    asked = ("--chords", "| Dm7 | G7 | Cmaj7 A7 |", "--tempo", "140", "--style", "bossa nova", "--seed", "7")
    ended = run("generate", *asked, "--bars", "8", "--density", "dense", "--root", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    folder = Path(ended.stdout.strip())
    assert folder.parent.parent == tmp_path
    tags = json.loads((folder / "clip.tags.json").read_bytes())
    assert tags["chords"] == ["Dm7", "G7", "Cmaj7 A7"]
    found = (tags["tempo_bpm"], tags["style"], tags["seed"], tags["bars"], tags["density_bucket"])
    assert found == (140, "bossa", 7, 8, "dense")


def test_without_options_the_root_is_the_environments_and_the_bars_are_those_written(tmp_path: Path) -> None:
    ended = run("generate", "--chords", "C | F", "--json", SG_BUNDLE_ROOTS=str(tmp_path))
    answer = json.loads(ended.stdout)
    assert answer["status"] == "ok"
    folder = Path(answer["bundle_dir"])
    assert folder.is_relative_to(tmp_path)
    assert json.loads((folder / "clip.tags.json").read_bytes())["bars"] == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--chords", "Dm7 | Hm7"), "ERROR: chords[1] 'Hm7': unknown root 'H'"),
        (("--chords", " | "), "ERROR: chords: empty"),
        (("--chords", "C", "--tempo", "nan"), "ERROR: tempo_bpm: nan: should be a finite number"),
        (("--chords", "C", "--style", "polka"), "ERROR: style: 'polka': should be 'swing'"),
        (("--chords", "C", "--root", " "), "ERROR: Invalid value for --root: it is empty"),
        ((), "ERROR: Missing option '--chords'"),
    ],
)
def test_a_request_that_cannot_be_used_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    ended = run("generate", *arguments, SG_BUNDLE_ROOTS=str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_styles_are_listed() -> None:
    plain = run("styles").stdout.splitlines()
    assert [line.split()[0] for line in plain] == ["STYLE", *STYLE_NAMES]
    listed = json.loads(run("styles", "--json").stdout)
    assert [(one["name"], one["tempo_bpm"]) for one in listed] == [(s.name, s.tempo_bpm) for s in STYLES.values()]


@pytest.mark.parametrize(
    ("stdout", "problem"),
    [(">&-", "ERROR: stdout: Bad file descriptor\n"), (">/dev/full", "ERROR: stdout: No space left on device\n")],
)
def test_output_that_nobody_can_get_is_no_success(stdout: str, problem: str) -> None:
    command = f"unset PYTHONUNBUFFERED; {sys.executable} -m sg_generator styles {stdout}"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (1, problem)


@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_a_server_needs_nobody_to_read_where_it_listens(stdout: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = f"exec {sys.executable} -m sg_generator serve --port {port} --bundle-root {tmp_path} {stdout}"
    with subprocess.Popen(command, shell=True, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert _answers(port)
            server.terminate()
            error = server.communicate(timeout=20)[1]
            assert (error, server.returncode) == ("", 0)
        finally:
            server.kill()


def _answers(port: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
        time.sleep(0.05)
    return False
