"""`sg-hybrid ai`: the switch, what is in force and why, a trial call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio.from_thread import start_blocking_portal

from sg_coach.files import Folder
from sg_hybrid.clock import SystemClock
from sg_hybrid.queue_lock import QueueLock
from sg_hybrid.simulator import Fault, Outcome, Simulator, error, serve
from sg_hybrid.switch import read_mode
from tests.fakes import EPOCH
from tests.late_replies import put_file, queued

from .cli import Cli, is_one_line

KEY = "sk-ant-very-secret-0123456789"


@contextmanager
def service(*outcomes: Outcome) -> Iterator[Simulator]:
    """The simulator in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(outcomes)) as simulator:
        yield simulator


@pytest.mark.parametrize(("mode", "setting", "word"), [("on", "false", "on"), ("off", "true", "off")])
def test_the_switch_goes_before_the_setting(cli: Cli, mode: str, setting: str, word: str) -> None:
    done = cli("ai", mode, env={"AI_COACH_ENABLED": setting})
    assert done.exit_code == 0
    assert done.stdout.startswith(f"The AI is {word}: switched {mode} with `sg-hybrid ai {mode}`.")
    assert read_mode(cli.queue) == mode


def test_auto_leaves_it_to_the_setting(cli: Cli) -> None:
    cli("ai", "on")
    done = cli("ai", "auto", env={"AI_COACH_ENABLED": "no"})
    assert done.stdout.splitlines()[0] == "The AI is off: AI_COACH_ENABLED, environment."


def test_the_switch_says_whether_a_worker_obeys(cli: Cli) -> None:
    assert cli("ai", "off").stdout.splitlines()[-1] == "No worker runs on this queue; the next one will obey."
    with QueueLock.acquire(cli.queue, {"pid": 1}):
        assert "No worker" not in cli("ai", "on").stdout


def test_on_without_a_key_says_what_is_missing(cli: Cli) -> None:
    assert "No key: set ANTHROPIC_API_KEY." in cli("ai", "on").stdout


TODAY = {
    "live_calls": 3,
    "prepare_calls": 9,
    "tokens": 4000,
    "cost_usd": 0.01,
    "unpriced_calls": 0,
    "live": 1,
    "prepared": 2,
    "none": 1,
}


def test_status_tells_all_of_it(cli: Cli) -> None:
    Folder.make_private(cli.queue).close()
    put_file(cli.queue, queued("a", EPOCH))
    put_file(cli.queue, queued("b", EPOCH), folder="applied")
    today = SystemClock().now().date().isoformat()
    (cli.queue / "usage.json").write_text(json.dumps({"days": {today: TODAY, "2026-01-01": {"live": 9}}}))
    worker = {"pid": 4711, "host": "guitar", "since_utc": "2026-02-04T12:00:00.000Z", "bundle_roots": ["/music"]}
    env = {"ANTHROPIC_API_KEY": KEY, "AI_COACH_MODEL": "claude-x", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    with QueueLock.acquire(cli.queue, worker):
        document = cli.json("ai", "status", env=env)
        table = cli("ai", "status", env=env).stdout
    assert document == {
        "enabled": False,
        "why": "The AI is off: AI_COACH_ENABLED, default.",
        "key_present": True,
        "missing": [],
        "provider": "anthropic",
        "model": "claude-x",
        "base_url": "http://127.0.0.1:9",
        "reply_deadline_ms": 500,
        "worker": worker,
        "queue_dir": str(cli.queue),
        "queue": {"pending": 1, "claimed": 0, "applied": 1, "rejected": 0},
        "today": TODAY | {"daily_calls": 60, "daily_tokens": 90_000},
    }
    assert "process 4711 since 2026-02-04T12:00:00.000Z, on /music" in table
    assert "1 pending, 0 claimed, 1 applied, 0 rejected" in table
    assert "12 of 60 calls (3 live, 9 to prepare), 4000 of 90000 tokens, 0.0100 USD" in table
    assert "75% of 4 takes in time: 1 live, 2 prepared" in table
    assert KEY not in table


def test_status_of_a_companion_service(cli: Cli) -> None:
    env = {"AI_COACH_PROVIDER": "cloud", "AI_COACH_URL": "https://coach.example"}
    document = cli.json("ai", "status", env=env)
    assert (document["provider"], document["model"]) == ("cloud", None)
    assert document["base_url"] == "https://coach.example"
    assert document["missing"] == ["AI_COACH_TOKEN"]
    table = cli("ai", "status", env=env).stdout
    assert "cloud, https://coach.example\n" in table
    assert "not set: AI_COACH_TOKEN" in table


def test_ping_of_a_companion_service(cli: Cli) -> None:
    with service(Outcome()) as simulator:
        env = {"AI_COACH_PROVIDER": "cloud", "AI_COACH_URL": simulator.base_url, "AI_COACH_TOKEN": KEY}
        done = cli("ai", "ping", env=env)
    assert done.exit_code == 0, done.output
    assert KEY not in done.output


def test_status_of_nothing(cli: Cli) -> None:
    document = cli.json("ai", "status")
    assert document["worker"] is None
    assert not document["key_present"]
    said = cli("ai", "status")
    assert "none runs on this queue" in said.stdout
    assert said.stderr.startswith(f"NOTE: {cli.queue}: no queue there")
    assert not cli.queue.exists()
    cli.queue.mkdir(0o700)
    assert cli("ai", "status").stderr == ""


def test_ping_tells_how_fast(cli: Cli) -> None:
    with service(Outcome(), Outcome()) as simulator:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": simulator.base_url}
        done = cli("ai", "ping", env=env)
        document = cli.json("ai", "ping", env=env)
    assert done.exit_code == 0
    assert document["ok"]
    assert document["connected"]
    assert document["model_id"] == "simulator:scripted@latest"
    assert document["coaching_tip"] or document["coaching_tip"] is None
    assert document["reply_ms"] >= document["first_token_ms"] > 0
    assert document["in_time"] is (document["tip_ms"] < 500)
    assert f"{simulator.base_url}, model " in done.stdout
    assert "the deadline is 500 ms" in done.stdout


def test_a_tip_that_is_there_before_the_rest_of_its_reply_is_in_time(cli: Cli) -> None:
    with service(Outcome(done_s=3.0, first_token_s=0.05)) as simulator:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": simulator.base_url, "AI_COACH_DEADLINE_MS": "2500"}
        document = cli.json("ai", "ping", env=env)
    assert document["tip_ms"] < 2500 < document["reply_ms"]
    assert document["in_time"]


def test_a_late_reply_to_ping_is_fine_and_said(cli: Cli) -> None:
    with service(Outcome(0.2)) as simulator:
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": simulator.base_url, "AI_COACH_DEADLINE_MS": "100"}
        done = cli("ai", "ping", env=env)
    assert done.exit_code == 0
    assert "late: it would wait for the next take" in done.stdout


@pytest.mark.parametrize(
    ("outcome", "kind", "says"),
    [
        (error(401), "refused", "check ANTHROPIC_API_KEY"),
        (error(404), "refused", "check AI_COACH_MODEL and ANTHROPIC_BASE_URL"),
        (Outcome(fault=Fault.HTML), "invalid", "login page"),
        (Outcome(fault=Fault.HANG), "timeout", "no complete reply within 0.6 s"),
    ],
)
def test_ping_tells_what_to_fix(cli: Cli, outcome: Outcome, kind: str, says: str) -> None:
    with service(outcome, outcome) as simulator:
        env = {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": simulator.base_url,
            "AI_COACH_LATE_WINDOW_S": "0.6",
        }
        done = cli("ai", "ping", env=env)
        document = cli.json("ai", "ping", env=env)
    assert done.exit_code == 1
    assert says in done.stdout
    assert KEY not in done.output
    assert document["error_kind"] == kind
    assert not document["in_time"]


def test_ping_of_nobody(cli: Cli) -> None:
    with service() as simulator:
        gone = simulator.base_url
    done = cli("ai", "ping", env={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": gone})
    assert done.exit_code == 1
    assert "could not be opened" in done.stdout
    assert "unreachable" in done.stdout


def test_ping_without_a_key(cli: Cli) -> None:
    done = cli("ai", "ping")
    assert done.exit_code == 3
    assert is_one_line(done)
    assert "ANTHROPIC_API_KEY" in done.stderr


def test_ping_without_a_key_says_so_to_a_program(cli: Cli) -> None:
    done = cli("ai", "ping", "--json")
    assert done.exit_code == 3
    said = json.loads(done.stdout)
    assert (said["ok"], said["error_kind"]) == (False, "config")
    assert done.stderr == f"ERROR: {said['error']}\n"


@pytest.mark.parametrize(("mode", "enabled"), [("on", True), ("off", False), ("auto", False)])
def test_the_switch_tells_a_program(cli: Cli, mode: str, enabled: bool) -> None:
    said = cli.json("ai", mode, env={"ANTHROPIC_API_KEY": KEY})
    assert (said["mode"], said["enabled"], said["worker"]) == (mode, enabled, None)
    assert said["why"] == cli.json("ai", "status", env={"ANTHROPIC_API_KEY": KEY})["why"]
