"""`sg-hybrid run`, `coach`, `simulate` and the program as such: real processes, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from sg_hybrid.bundle_check import check_bundle
from sg_hybrid.cli import simulate
from sg_hybrid.prompt import model_id
from sg_hybrid.queue_lock import QueueLock
from sg_hybrid.secrecy import HIDDEN, redactor
from sg_hybrid.settings import VARIABLES
from sg_hybrid.simulator import PROFILES
from tests.conftest import FIXTURES
from tests.contracts.test_schemas import schema_accepts
from tests.late_replies import put_file, queued

from .cli import Cli, document, fixture_bundle, is_one_line, rewrite

PATIENCE_S = 20.0


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Whatever happens, the process does not outlive the test."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} did not appear"
        time.sleep(0.01)


def wait_for_event(process: subprocess.Popen[str], event: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == event:
            return
    pytest.fail(f"the worker ended before it said {event}")


def take(cli: Cli, clip_id: str) -> Path:
    """A real take that waits for its first cycle."""
    bundle = cli.bundles / "2026-02-04" / clip_id
    bundle.mkdir(parents=True)
    shutil.copy(FIXTURES / "sessions" / "martino_00.json", bundle / "session.json")
    return bundle


def test_run_once_coaches_what_waits_and_ends(cli: Cli) -> None:
    bundles = [take(cli, f"clip_{number}") for number in range(3)]
    done = cli.program("run", "--once")
    assert (done.returncode, done.stdout) == (0, "")
    assert [check_bundle(bundle) for bundle in bundles] == [(), (), ()]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert sorted(event["clip"] for event in events if event["event"] == "cycle") == ["clip_0", "clip_1", "clip_2"]


@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is one processor, or no Linux"
)
def test_many_takes_at_once_take_one_processor(cli: Cli) -> None:
    for number in range(150):
        take(cli, f"clip_{number}")
    program, seen = cli.start("run", "--once"), list[int]()
    with contextlib.suppress(ProcessLookupError):  # it ended
        while program.poll() is None:
            processors = len(os.sched_getaffinity(program.pid))
            if seen[-1:] != [processors]:
                seen.append(processors)
            time.sleep(0.001)
    _, error = program.communicate()
    assert program.returncode == 0, error
    all_of_them = len(os.sched_getaffinity(0))
    assert seen[:2] == [all_of_them, 1]
    assert seen[-1] == all_of_them  # on a slow machine it may gather them more than once


def test_run_once_says_which_take_the_disk_refused(cli: Cli) -> None:
    bundles = [take(cli, f"clip_{number}") for number in range(3)]
    for bundle in bundles[:2]:
        (bundle / "clip.coach.json").mkdir()  # no file can take its place
    done = cli.program("run", "--once")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ERROR: {bundles[0].parent}/clip_")
    assert "and 1 more: could not be coached" in said
    assert check_bundle(bundles[2]) == ()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_run_once_says_which_root_is_not_there(cli: Cli, tmp_path: Path, kind: str) -> None:
    bundle = take(cli, "clip_a")
    root = tmp_path / kind
    if kind == "file":
        root.touch()
    done = cli.program("run", "--once", "--bundle-root", cli.bundles, "--bundle-root", root)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"ERROR: {root}: No")
    assert ("create it" in done.stderr) == (kind == "missing")
    assert check_bundle(bundle) == ()


def test_run_once_says_that_a_take_was_refused(cli: Cli) -> None:
    bundle, refused = take(cli, "clip_a"), take(cli, "clip_b")
    (refused / "session.json").write_text("{")
    done = cli.program("run", "--once")
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith(f"ERROR: {refused}: ")
    assert check_bundle(bundle) == ()


def test_run_once_finds_the_session_of_a_reply_that_somebody_else_put_in(cli: Cli) -> None:
    earlier, later = take(cli, "clip_0"), take(cli, "clip_1")
    put_file(cli.queue, queued("clip_0", datetime.now(UTC)))
    for folder in (cli.queue, cli.queue / "pending"):
        folder.chmod(0o700)
    env = {"AI_COACH_ENABLED": "1", "ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    assert cli.program("run", "--once", env=env).returncode == 0
    assert (later / "clip.ai_coach.queued.json").exists()
    assert not (earlier / "clip.ai_coach.queued.json").exists()
    assert [path.name for path in (cli.queue / "applied").iterdir()] == ["clip_0_ai_addendum.json"]


def test_run_obeys_its_options(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("generator", "clip_generator", tmp_path / "here")
    queue = tmp_path / "other-queue"
    assert cli.program("run", "--once", "--bundle-root", tmp_path / "here", "--queue-dir", queue).returncode == 0
    assert check_bundle(bundle) == ()
    assert (bundle / "clip.coach.json").exists()
    assert (queue / "pending").is_dir()
    assert not cli.queue.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(cli: Cli, number: signal.Signals) -> None:
    with ended(cli.start("run")) as worker:
        wait_for_event(worker, "ready")
        bundle = take(cli, "clip_a")
        wait_for(bundle / "manifest.json")
        worker.send_signal(number)
        assert worker.wait(PATIENCE_S) == 0
    assert check_bundle(bundle) == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_comes_while_the_interpreter_ends_changes_nothing(
    cli: Cli, number: signal.Signals, tmp_path: Path
) -> None:
    """Taking down what the AI's client loaded takes most of a second; here it takes longer, so that it is hit."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, time; atexit.register(time.sleep, 3)")
    with ended(cli.start("run", env={"PYTHONPATH": str(tmp_path)})) as worker:
        wait_for_event(worker, "ready")
        worker.send_signal(signal.SIGTERM)
        wait_for_event(worker, "stopped")
        time.sleep(1)
        worker.send_signal(number)
        assert worker.wait(PATIENCE_S) == 0


def test_a_closed_terminal_does_not_end_a_worker_that_ignores_it(cli: Cli) -> None:
    nohup = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "os.execv(sys.executable, [sys.executable, '-m', 'sg_hybrid', 'run'])",
    ]
    process = subprocess.Popen(nohup, env=cli.environ(), stderr=subprocess.PIPE, text=True)
    with ended(process) as worker:
        wait_for_event(worker, "ready")
        worker.send_signal(signal.SIGHUP)
        bundle = take(cli, "clip_a")
        wait_for(bundle / "manifest.json")
        worker.send_signal(signal.SIGTERM)
        wait_for_event(worker, "stopping")
        assert worker.wait(PATIENCE_S) == 0


def test_a_signal_ends_a_drain_that_waits_for_the_ai(cli: Cli) -> None:
    bundle = take(cli, "clip_a")
    with ended(cli.start("simulate", "--profile", "lan")) as simulator:
        env = exported(simulator) | {"AI_COACH_ENABLED": "1", "AI_COACH_GRACE_S": "1"}
        simulator.send_signal(signal.SIGSTOP)  # takes calls and never answers
        with ended(cli.start("run", "--once", env=env)) as worker:
            wait_for(bundle / "manifest.json")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_S) == 0
        simulator.send_signal(signal.SIGCONT)


def test_a_second_worker_says_who_holds_the_queue(cli: Cli) -> None:
    with QueueLock.acquire(cli.queue, {"pid": 4711, "host": "guitar", "since_utc": "2026-02-04T12:00:00.000Z"}):
        done = cli.program("run", "--once")
    assert done.returncode == 4
    assert is_one_line(done)
    assert "process 4711 on guitar" in done.stderr


def test_coach_writes_and_shows(cli: Cli) -> None:
    bundle = take(cli, "clip_a")
    done = cli("coach", bundle)
    assert (done.exit_code, done.stderr) == (0, "")
    assert document(bundle / "clip.coach.json")["coach_hint"] in done.stdout
    assert check_bundle(bundle) == ()


def test_coach_prints_the_envelope_with_the_requests_end(cli: Cli) -> None:
    bundle = take(cli, "clip_a")
    envelope = cli.json("coach", bundle)
    assert schema_accepts("coaching_envelope_v1", envelope)
    assert envelope["ai_request_status"] == "disabled"
    assert envelope["total_latency_ms"] >= 0
    again = cli.json("coach", bundle)
    assert again["deterministic"] == envelope["deterministic"]
    assert again["ai_request_status"] is None


@contextlib.contextmanager
def coaching_while_the_ai_is_silent(cli: Cli, **env: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[], None]]]:
    """`coach`, as soon as it has begun to show its take; the AI answers once it is told to."""
    bundle = take(cli, "clip_a")
    with ended(cli.start("simulate", "--profile", "lan")) as simulator:
        variables = exported(simulator) | env
        simulator.send_signal(signal.SIGSTOP)
        try:
            with ended(cli.start("coach", bundle, env=variables)) as process:
                assert process.stdout is not None
                assert process.stdout.readline().startswith("clip_a: ")
                assert process.poll() is None
                yield process, lambda: simulator.send_signal(signal.SIGCONT)
        finally:
            simulator.send_signal(signal.SIGCONT)


def test_coach_shows_its_take_first_and_then_waits_for_the_late_reply(cli: Cli) -> None:
    with coaching_while_the_ai_is_silent(cli, AI_COACH_GRACE_S="0") as (process, answer):
        time.sleep(0.5)  # far longer than the grace period
        answer()
        assert process.wait(PATIENCE_S) == 0
    assert [path.name for path in (cli.queue / "pending").iterdir()] == ["clip_a_ai_addendum.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_coach_that_waits_for_the_ai(cli: Cli, number: signal.Signals) -> None:
    with coaching_while_the_ai_is_silent(cli, AI_COACH_GRACE_S="1") as (process, _):
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    assert list((cli.queue / "pending").iterdir()) == []


def test_coach_spools_a_reply_that_comes_in_the_grace_period(cli: Cli) -> None:
    with coaching_while_the_ai_is_silent(cli, AI_COACH_GRACE_S="10") as (process, answer):
        process.send_signal(signal.SIGTERM)
        answer()
        assert process.wait(PATIENCE_S) == 0
    assert [path.name for path in (cli.queue / "pending").iterdir()] == ["clip_a_ai_addendum.json"]


def test_coach_says_why_a_take_is_refused(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("broken_nan", "clip_nan", tmp_path)
    done = cli("coach", bundle)
    assert done.exit_code == 5
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"ERROR: {bundle}: session.json")
    assert document(bundle / "clip.error.json")["error_code"] == "VALIDATION_ERROR"


def test_coach_names_the_file_that_the_disk_refused(cli: Cli) -> None:
    bundle = take(cli, "clip_a")
    (bundle / "clip.coach.json").mkdir()  # no file can take its place
    done = cli("coach", bundle)
    assert done.exit_code == 1
    assert is_one_line(done)
    assert done.stderr.startswith(f"ERROR: {bundle / 'clip.coach.json'}: ")
    assert ".tmp" not in done.stderr


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_coach_without_a_take(cli: Cli, tmp_path: Path, kind: str) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("coach", tmp_path / kind)
    assert done.exit_code == 2
    assert is_one_line(done)
    assert str(tmp_path / kind) in done.stderr


# simulate


def exported(simulator: subprocess.Popen[str]) -> dict[str, str]:
    """Read what a simulator announces; return the variables."""
    assert simulator.stdout is not None
    said = [simulator.stdout.readline() for _ in range(4)]
    assert said[0].startswith("The simulator (")
    return dict(line.removeprefix("export ").strip().split("=", 1) for line in said[1:])


def test_profiles_are_the_simulators() -> None:
    assert get_args(simulate.Profile) == tuple(PROFILES)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_serves_until_it_is_told_to_stop(cli: Cli, number: signal.Signals) -> None:
    with ended(cli.start("simulate", "--profile", "lan", "--seed", "7")) as simulator:
        variables = exported(simulator)
        assert set(variables) == {"ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "AI_COACH_ENABLED"}
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(variables["ANTHROPIC_BASE_URL"] + "/v1/messages", timeout=PATIENCE_S)
        assert answer.value.code == 405
        simulator.send_signal(number)
        assert simulator.wait(PATIENCE_S) == 0


def test_a_worker_is_led_to_the_simulator(cli: Cli) -> None:
    bundle = take(cli, "clip_a")
    with ended(cli.start("simulate", "--profile", "lan")) as simulator:
        env = exported(simulator) | {"AI_COACH_DEADLINE_MS": "20000"}
        done = cli.program("coach", bundle, env=env)
    assert done.returncode == 0
    assert "AI tip (simulator:lan@latest)" in done.stdout
    assert check_bundle(bundle) == ()


def test_the_key_of_the_simulator_hides_nothing_else() -> None:
    hide = redactor([simulate.SIMULATOR_KEY])
    names = [model_id("anthropic", f"simulator-{profile}") for profile in PROFILES]
    texts = [*names, *VARIABLES, simulate.__file__, "sg-hybrid simulate", "The simulator keeps no secret."]
    assert list(map(hide, texts)) == texts
    assert hide(f"key {simulate.SIMULATOR_KEY}") == f"key {HIDDEN}"


def test_a_port_that_is_taken(cli: Cli) -> None:
    with ended(cli.start("simulate")) as simulator:
        port = exported(simulator)["ANTHROPIC_BASE_URL"].rpartition(":")[2]
        done = cli.program("simulate", "--port", port)
    assert done.returncode == 1
    assert is_one_line(done)
    assert f"port {port}: " in done.stderr


# The program as such


def test_version_and_help(cli: Cli) -> None:
    assert cli.program("--version").stdout.startswith("sg-hybrid ")
    shown = cli.program("--help")
    assert shown.returncode == 0
    assert "Exit codes: 0 fine" in shown.stdout


@pytest.mark.parametrize(
    "args", [[], ["nonsense"], ["--nonsense"], ["show"], ["queue"], ["queue", "ls", "--state", "x"]]
)
def test_wrong_usage_is_one_clear_line(cli: Cli, args: list[str]) -> None:
    done = cli(*args)
    assert done.exit_code == 2
    assert is_one_line(done)
    command = " ".join(["sg-hybrid", *(word for word in args[:1] if word in ("show", "queue"))])
    assert f"see `{command}" in done.stderr
    assert "--help`" in done.stderr


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys, sg_hybrid.cli.app, typer.main; typer.main.get_command(sg_hybrid.cli.app.app);"
        "print(*{name.partition('.')[0] for name in sys.modules} & "
        "{'pydantic', 'anyio', 'rich', 'structlog', 'anthropic', 'sg_coach', 'h11', 'tenacity'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"


def test_rich_is_loaded_for_a_terminal_only(cli: Cli) -> None:
    code = (
        "import sys; from sg_hybrid.__main__ import main\n"
        "try: main()\n"
        "finally: print(sys.modules.get('rich'), 'structlog' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "queue", "ls"]
    done = subprocess.run(command, env=cli.environ(), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.splitlines()[-1] == "None True"


@pytest.mark.parametrize("package", ["typer", "anyio"])
def test_a_missing_package_is_said_in_one_line(cli: Cli, package: str) -> None:
    code = f"import sys; sys.modules['{package}'] = None; sys.argv = ['sg-hybrid', 'run', '--once'];"
    code += "from sg_hybrid.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert is_one_line(done)
    assert "pip install 'sg-hybrid[worker]'" in done.stderr


def test_a_narrow_locale_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    rewrite(bundle, "clip.ai_coach.json", coaching_tip="Écoute → joue ♩")
    usual = cli.program("show", bundle, "--json").stdout
    narrow = cli.program("show", bundle, "--json", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert narrow.returncode == 0
    assert json.loads(narrow.stdout) == json.loads(usual)
    assert "Écoute → joue ♩" in narrow.stdout


def test_a_reader_that_has_seen_enough_is_no_bug(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "sg_hybrid", "show", str(bundle)],
        env=cli.environ(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert process.communicate(timeout=PATIENCE_S)[1] == ""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("streams", "code", "problem"),
    [
        ("2>&-", 0, ""),
        ("<&-", 0, ""),
        (">&-", 1, "ERROR: stdout: Bad file descriptor\n"),
        (">&- 2>&-", 1, ""),
        (">/dev/full", 1, "ERROR: stdout: No space left on device\n"),
    ],
)
def test_output_that_nobody_can_get_is_no_success(
    cli: Cli, tmp_path: Path, streams: str, code: int, problem: str
) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    command = f"unset PYTHONUNBUFFERED; {sys.executable} -m sg_hybrid show {bundle} {streams}"
    done = subprocess.run(command, shell=True, env=cli.environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, problem)


def test_where_stderr_is_closed_an_error_does_not_go_to_stdout(cli: Cli) -> None:
    command = f"{sys.executable} -m sg_hybrid show /nowhere 2>&-"
    done = subprocess.run(command, shell=True, env=cli.environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_worker_without_streams_coaches(cli: Cli, closed: str) -> None:
    bundle = take(cli, "clip_0")
    command = f"{sys.executable} -m sg_hybrid run --once {closed}"
    done = subprocess.run(command, shell=True, env=cli.environ(), stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    assert check_bundle(bundle) == ()


def on_a_terminal(cli: Cli, *args: str | Path, **env: str) -> str:
    """Run with a terminal as stdout; return what it got."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "sg_hybrid", *map(str, args)],
        env=cli.environ({"TERM": "xterm-256color", "COLUMNS": "200", **env}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        parts = []
        with contextlib.suppress(OSError):  # the other side is closed
            while part := os.read(ours, 65536):
                parts.append(part)
    os.close(ours)
    return b"".join(parts).decode()


def test_a_terminal_of_unknown_width_shows_all_the_same(cli: Cli) -> None:
    assert "reply_deadline_ms" in on_a_terminal(cli, "config", "show", COLUMNS="0")


def test_colours_are_for_terminals_that_want_them(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    assert "\x1b[36m" in on_a_terminal(cli, "show", bundle)
    assert "\x1b[36m" not in on_a_terminal(cli, "show", bundle, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(cli, "show", bundle, TERM="dumb")
    assert "\x1b" not in cli.program("show", bundle).stdout


def test_tables_are_for_terminals_too(cli: Cli) -> None:
    table = on_a_terminal(cli, "config", "show")
    assert "\x1b[1m" in table
    assert "AI_COACH_ENABLED" in table


def test_markup_in_a_text_is_text(cli: Cli, tmp_path: Path) -> None:
    bundle = fixture_bundle("hybrid", "clip_hybrid", tmp_path)
    rewrite(bundle, "clip.ai_coach.json", coaching_tip="[red]Play[/red] :guitar: now")
    assert "Tip: [red]Play[/red] :guitar: now" in on_a_terminal(cli, "show", bundle)


def test_interrupted(cli: Cli) -> None:
    """A command that waits (here: for its stdin) ends with the shell's code for Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sg_hybrid", "queue", "show", "-"],
        env=cli.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        status = Path(f"/proc/{process.pid}/syscall")
        until = time.monotonic() + PATIENCE_S
        while not status.read_text().startswith("0 0x0 "):  # read(0, …)
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130


@pytest.mark.parametrize("package", ["sg_hybrid", "sg_generator"])
def test_interrupted_before_it_is_loaded(cli: Cli, package: str) -> None:
    """Ctrl-C while modules are loaded says nothing, either."""
    code = "import sys\nclass Interrupted:\n    def find_spec(name, *_):\n"
    code += "        if name == 'typer': raise KeyboardInterrupt\n"
    code += f"sys.meta_path.insert(0, Interrupted)\nfrom {package}.__main__ import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
