"""`sgc`, command by command: what it prints, how it ends, and one line for each thing that can go wrong."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sg_coach import (
    ArtifactMissing,
    CoachError,
    ExtraMissing,
    HashMismatch,
    InvalidInput,
    InvalidJson,
    LockTimeout,
    ManifestMissing,
    SignatureRefused,
    UnsafeArchive,
    UnsafePath,
    canonical_text,
    evaluate_session,
    main,
    next_ema,
    session_from,
)
from sg_coach.__about__ import __version__
from sg_coach.cli import exit_code
from sg_coach.commands import UsageError
from sg_coach.files import Folder
from tests.takes import GOLDEN_SESSION, assignment_of, golden

SESSION = str(GOLDEN_SESSION)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sgc(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command; return its exit code, stdout and stderr."""

    def run(*command: object) -> tuple[int, str, str]:
        code = main([str(part) for part in command])
        printed = capsys.readouterr()
        if code:
            assert printed.out == ""
            assert printed.err.startswith("ERROR: ")
            assert printed.err.removesuffix("\n").isprintable(), "one line that moves no cursor"
        else:
            assert printed.err == ""
        return code, printed.out, printed.err

    return run


def real_sgc(*command: object, **options: Any) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    program = [sys.executable, "-c", "import sys; from sg_coach.cli import main; sys.exit(main())"]
    return subprocess.Popen([*program, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CoachError(), 1),
        (InvalidInput("bad"), 1),
        (InvalidJson("bad"), 1),
        (LockTimeout(), 1),
        (ExtraMissing(), 1),
        (PermissionError(errno.EACCES, "no"), 1),
        (OSError(errno.ENOSPC, "full"), 1),
        (UsageError(), 2),
        (FileNotFoundError(errno.ENOENT, "gone"), 2),
        (ManifestMissing(), 10),
        (ArtifactMissing(), 11),
        (HashMismatch(), 12),
        (SignatureRefused(), 13),
        (UnsafePath(), 14),
        (UnsafeArchive(), 14),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_are_a_contract(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_the_version_is_told(sgc: Run) -> None:
    assert sgc("--version") == (0, f"sgc {__version__}\n", "")


# The coach


def test_evaluate(sgc: Run) -> None:
    code, out, _ = sgc("evaluate", SESSION)
    assert code == 0
    assert json.loads(out)["score_0_100"] == 73
    assert json.loads(out)["primary_focus"] == "clave_grid"
    assert sgc("evaluate", SESSION, "--canonical")[1] == canonical_text(golden("evaluation"))


def test_assign(sgc: Run) -> None:
    assert json.loads(sgc("assign", SESSION)[1]) == assignment_of(session_from(golden("session"))).model_dump(
        mode="json"
    )
    identity = golden("assignment")["assignment_id"]
    out = sgc("assign", SESSION, "--canonical", "--assignment-id", identity)[1]
    assert out == canonical_text(golden("assignment"))
    assert sgc("assign", SESSION, "--assignment-id", identity)[0] == 2


def test_coach(sgc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    folder = tmp_path / "ota_bundle__clip_7"
    folder.mkdir()
    (folder / "session.json").write_bytes(GOLDEN_SESSION.read_bytes())
    said = json.loads(sgc("coach", folder / "session.json")[1])
    assert (said["clip_id"], said["score"], said["take_result"], said["score_trend"]) == ("clip_7", 73.0, "pass", None)
    assert said["created_at_utc"] == "2023-11-14T22:13:20.000Z"
    assert json.loads(sgc("coach", SESSION, "--clip-id", "x.1")[1])["clip_id"] == "x.1"
    assert sgc("coach", SESSION, "--clip-id", "../x")[0] == 2


def test_coach_counts_the_earlier_takes_of_the_same_session_and_program(sgc: Run, tmp_path: Path) -> None:
    facts = golden("session")
    other_program = facts | {"program": {"kind": "live", "name": "other"}, "timing_p95_error_ms": 99.0}
    other_session = facts | {"session_id": "00000000-0000-0000-0000-00000000f009", "timing_p95_error_ms": 99.0}
    earlier = [facts | {"timing_p95_error_ms": p95} for p95 in (60.0, 20.0)]
    history = tmp_path / "history.jsonl"
    lines = [json.dumps(take) for take in (other_program, earlier[0], other_session, earlier[1])]
    history.write_text("\n".join([*lines, "", ""]))
    average = None
    for take in earlier:
        average = next_ema(average, evaluate_session(session_from(take)).score_0_100)
    assert average is not None
    assert json.loads(sgc("coach", SESSION, "--history", history)[1])["score_trend"] == round(73 - average, 2)
    history.write_text(lines[0] + "\n{\n")
    code, _, line = sgc("coach", SESSION, "--history", history)
    assert code == 1
    assert f"{history} line 2: not JSON" in line


@pytest.mark.parametrize("command", ["evaluate", "assign", "coach"])
def test_json_is_one_line_of_the_same(sgc: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    line = sgc(command, SESSION, "--json")[1]
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(sgc(command, SESSION)[1])


# Bundles


def test_the_life_of_a_bundle(sgc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    (tmp_path / "tune.mid").write_bytes(b"MThd")
    build = ("ota-bundle", "--session", SESSION, "--zip", "--attach", f"tunes/tune.mid={tmp_path / 'tune.mid'}")
    code, out, _ = sgc(*build, "--out", tmp_path / "one")
    folder, archive = out.splitlines()
    assert code == 0
    assert archive == folder + ".zip"
    assert sgc("ota-verify", folder) == (0, "OK\n", "")
    assert sgc("ota-verify-zip", archive) == (0, "OK\n", "")
    said = json.loads(sgc("ota-verify-zip", archive, "--json")[1])
    assert (said["ok"], said["signature"], said["trusted"], said["files"]) == (True, "none", False, 2)
    again = json.loads(sgc(*build, "--out", tmp_path / "two", "--json")[1])
    assert Path(again["zip_path"]).read_bytes() == Path(archive).read_bytes()
    assert sgc(*build, "--out", tmp_path / "two")[0] == 1
    assert sgc(*build, "--out", tmp_path / "two", "--force")[0] == 0


def test_options_of_a_bundle(sgc: Run, tmp_path: Path) -> None:
    sgc(
        *("ota-bundle", "--session", SESSION, "--out", tmp_path, "--unsigned", "--name", "mine"),
        *("--product", "smart-bass", "--device-model", "SG-2", "--min-firmware", "1.4.0"),
    )
    assert sorted(os.listdir(tmp_path / "mine")) == ["assignment.json", "manifest.json"]
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_bytes())
    assert [manifest[key] for key in ("product", "target_device_model", "target_min_firmware")] == [
        "smart-bass",
        "SG-2",
        "1.4.0",
    ]
    assert sgc("ota-verify", tmp_path / "mine")[0] == 0


def test_keys(sgc: Run, tmp_path: Path) -> None:
    private, public = sgc("keygen", "--out", tmp_path / "keys")[1].splitlines()
    assert os.stat(private).st_mode & 0o777 == 0o600
    assert sgc("keygen", "--out", tmp_path / "keys")[0] == 1
    said = json.loads(sgc("keygen", "--out", tmp_path / "more", "--json")[1])
    assert said["key_id"].startswith("ed25519-")
    folder = sgc("ota-bundle", "--session", SESSION, "--out", tmp_path / "out", "--sign-key", private)[1].strip()
    verified = json.loads(sgc("ota-verify", folder, "--trust-key", public, "--json")[1])
    assert (verified["signature"], verified["trusted"]) == ("ed25519", True)
    assert verified["key_id"] != said["key_id"]
    assert sgc("ota-verify", folder)[0] == 0
    code, _, line = sgc("ota-verify", folder, "--trust-key", said["public_key"])
    assert code == 13
    assert "another key" in line
    assert sgc("ota-verify", folder, "--trust-key", private)[0] == 1
    assert sgc("ota-verify", folder, "--trust-key", tmp_path / "none")[0] == 2


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("dance",),
        ("evaluate",),
        ("evaluate", SESSION, "--nonsense"),
        ("evaluate", SESSION, "--canon"),
        ("assign", SESSION, "--canonical", "--assignment-id", "7"),
        ("ota-bundle", "--session", SESSION),
        ("ota-bundle", "--session", SESSION, "--out", "out", "--attach", "x"),
        ("ota-bundle", "--session", SESSION, "--out", "out", "--unsigned", "--sign-key", "k"),
        ("evaluate", "no\nsuch\x1b[2Jfile"),
        ("ota-verify", "no-such-folder"),
        ("ota-verify-zip", "no-such.zip"),
        ("ota-bundle", "--session", "no-such.json", "--out", "out"),
        ("ota-bundle", "--session", SESSION, "--out", "out", "--attach", "x=no-such-file"),
        ("ota-bundle", "--session", SESSION, "--out", "out", "--sign-key", "no-such.pem"),
    ],
)
def test_usage_and_files_that_are_not_there(
    sgc: Run, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sgc(*command)[0] == 2
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "session.json: empty"),
        (b"{", "session.json: not JSON"),
        (b"[]", "the top level is a list"),
        (b'{"bpm": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "a: the key stands twice"),
        (b"{}", "session.json: session_id: Field required"),
        (json.dumps(golden("session") | {"bpm": "fast"}).encode(), "session.json: bpm: Input should be a valid number"),
        (json.dumps(golden("session") | {"late_events": 999}).encode(), "late_events (999) is more than total_events"),
        (b" " * (1024 * 1024 + 1), "too large, the limit is 1048576 bytes"),
    ],
)
def test_a_session_that_cannot_be_used(sgc: Run, tmp_path: Path, raw: bytes, problem: str) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(raw)
    for command in ("evaluate", "assign", "coach"):
        code, _, line = sgc(command, path)
        assert code == 1
        assert problem in line


def test_a_session_that_is_no_plain_file(sgc: Run, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(SESSION)
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "link.json", tmp_path / "pipe.json", tmp_path):
        assert sgc("evaluate", path)[0] == 14


def test_help_is_no_error(sgc: Run) -> None:
    code, out, _ = sgc("--help")
    assert code == 0
    assert "exit codes:" in out
    assert "--trust-key" in sgc("ota-verify", "--help")[1]


# As a process


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc to see what the command waits for")
def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while it waits for a folder that somebody else holds: 130, one line, nothing left behind."""
    with Folder.open(tmp_path) as folder, folder.lock():
        process = real_sgc("ota-bundle", "--session", SESSION, "--out", tmp_path)
        wait_until_open(process, tmp_path)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"ERROR: interrupted\n")
    assert os.listdir(tmp_path) == []


def test_interrupted_before_it_is_loaded() -> None:
    """Ctrl-C while modules are loaded ends it the same way."""
    code = "import sys\nclass Interrupted:\n    def find_spec(name, *_):\n"
    code += "        if name == 'pydantic': raise KeyboardInterrupt\n"
    code += "sys.meta_path.insert(0, Interrupted)\nfrom sg_coach.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"ERROR: interrupted\n")


def test_the_package_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "sg_coach", "--version"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sgc {__version__}\n".encode(), b"")


def wait_until_open(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the process has opened a folder (it then waits for its lock)."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        descriptors = Path(f"/proc/{process.pid}/fd")
        if any(os.path.realpath(link) == str(folder.resolve()) for link in descriptors.iterdir()):
            return
        time.sleep(0.01)
    raise AssertionError("it never opened the folder")


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    limit = (1_000_000, 1_000_000)
    process = real_sgc(
        *("ota-bundle", "--session", SESSION, "--out", tmp_path / "out", "--attach", f"large={tmp_path / 'large'}"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, b"")
    assert err.startswith(b"ERROR: ")
    assert err.count(b"\n") == 1
    assert os.listdir(tmp_path / "out") == []


def test_a_reader_that_stops(tmp_path: Path) -> None:
    process = real_sgc("evaluate", SESSION)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1
    process.stderr.close()


def test_the_locale_does_not_matter(tmp_path: Path) -> None:
    environ = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = real_sgc("assign", SESSION, "--canonical", env=environ)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert "Clave Lock – 2-Bar Loop (Salsa Minor)" in out.decode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "stdout", "problem"),
    [
        ("--help", ">&-", "ERROR: stdout: Bad file descriptor\n"),
        (f"evaluate {SESSION}", ">&-", "ERROR: stdout: Bad file descriptor\n"),
        (f"evaluate {SESSION}", ">/dev/full", "ERROR: stdout: No space left on device\n"),
    ],
)
def test_output_that_nobody_can_get_is_no_success(arguments: str, stdout: str, problem: str) -> None:
    command = f"unset PYTHONUNBUFFERED; exec {sys.executable} -m sg_coach {arguments} {stdout}"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, problem)


def test_where_stderr_is_closed_stdout_stays_empty() -> None:
    command = f"exec {sys.executable} -m sg_coach evaluate nowhere.json 2>&-"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
