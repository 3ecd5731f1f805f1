"""`sg-hybrid queue`: late replies for people and programs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.files import Folder
from sg_hybrid.cli.queue_commands import State
from sg_hybrid.cli.queue_views import PARTS, histogram, seconds
from sg_hybrid.queue_entry import STATES
from sg_hybrid.queue_lock import QueueLock
from tests.fakes import EPOCH
from tests.late_replies import SESSION, context, names, put_file, queued

from .cli import HOSTILE, Cli, is_one_line


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_hybrid.cli.queue_commands.moment", lambda: EPOCH)


def waits(cli: Cli, clip_id: str, age_s: float, folder: str = "pending", **changes: object) -> Path:
    """A reply that stands in the queue since `age_s` seconds."""
    Folder.make_private(cli.queue).close()
    return put_file(cli.queue, queued(clip_id, EPOCH - timedelta(seconds=age_s), **changes), context(clip_id), folder)


def test_states_are_the_folders_of_the_queue() -> None:
    assert tuple(State) == STATES


@pytest.mark.parametrize("command", ["ls", "age"])
def test_no_queue_is_an_empty_one_and_said(cli: Cli, command: str) -> None:
    without = cli("queue", command)
    assert (without.exit_code, without.stderr.count("\n")) == (0, 1)
    assert without.stderr.startswith(f"NOTE: {cli.queue}: no queue there")
    as_json = cli("queue", command, "--json").stdout
    assert not cli.queue.exists()
    cli.queue.mkdir(0o700)
    empty = cli("queue", command)
    assert (empty.exit_code, empty.stdout, empty.stderr) == (0, without.stdout, "")
    assert cli("queue", command, "--json").stdout == as_json


@pytest.mark.parametrize("command", [["ls"], ["age"], ["show", "clip_a"]])
def test_a_queue_that_is_a_file_is_named(cli: Cli, command: list[str]) -> None:
    cli.queue.touch()
    done = cli("queue", *command)
    assert done.exit_code == 1
    assert is_one_line(done)
    assert done.stderr.startswith(f"ERROR: {cli.queue}: not a folder")


def test_list_tells_clip_session_age_time_left_and_tip(cli: Cli) -> None:
    waits(cli, "clip_young", 12, coaching_tip="Breathe.")
    waits(cli, "clip_old", 250.5, coaching_tip=None, timing_insight="Late on beat 2.")
    head, *lines = cli("queue", "ls").stdout.splitlines()
    assert head.split() == ["CLIP", "SESSION", "STATE", "AGE", "LEFT", "TIP"]
    assert [line.split() for line in lines] == [
        ["clip_old", SESSION, "pending", "250", "s", "50", "s", "Late", "on", "beat", "2."],
        ["clip_young", SESSION, "pending", "12", "s", "288", "s", "Breathe."],
    ]


def test_the_time_to_live_is_the_settings(cli: Cli) -> None:
    waits(cli, "clip_a", 12)
    (row,) = cli.json("queue", "ls", env={"AI_COACH_QUEUE_TTL_S": "20"})
    assert (row["age_s"], row["left_s"]) == (12, 8)


def test_list_shows_what_waits_unless_told_otherwise(cli: Cli) -> None:
    for state in State:
        waits(cli, f"clip_{state}", 5, folder=state)

    def listed(*options: str) -> list[str]:
        return [row["state"] for row in cli.json("queue", "ls", *options)]

    assert listed() == ["pending", "claimed"]
    assert listed("--state", "applied", "--state", "pending") == ["applied", "pending"]
    assert listed("--all") == list(State)


def test_json_rows_are_whole(cli: Cli) -> None:
    path = waits(cli, "clip_a", 30)
    assert cli.json("queue", "ls") == [
        {
            "clip_id": "clip_a",
            "session_id": SESSION,
            "state": "pending",
            "queued_at_utc": "2026-02-04T12:34:26.789Z",
            "age_s": 30.0,
            "left_s": 270.0,
            "tip": "Land on the click (clip_a).",
            "problem": None,
            "path": str(path),
        }
    ]


def test_an_entry_that_cannot_be_read_is_listed_with_its_problem(cli: Cli) -> None:
    waits(cli, "clip_a", 30).write_text("{")
    listed = cli("queue", "ls").stdout
    assert "clip_a_ai_addendum.json: not JSON" in listed
    assert "0 waiting" in cli("queue", "age").stdout


def test_ids_alone_are_for_the_next_command(cli: Cli) -> None:
    for number in range(3):
        waits(cli, f"clip_{number}", 10 - number)
    ids = cli("queue", "ls", "--ids").stdout
    assert ids == "clip_0\nclip_1\nclip_2\n"
    expired = cli("queue", "expire", "-", stdin=ids)
    assert (expired.exit_code, expired.stdout) == (0, "".join(f"clip_{n}: discarded\n" for n in range(3)))
    assert names(cli.queue, "pending") == names(cli.queue, "context") == []


@pytest.mark.parametrize("command", ["expire", "requeue", "show"])
def test_no_ids_on_stdin_is_nothing_to_do(cli: Cli, command: str) -> None:
    done = cli("queue", command, "-", stdin="\n")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_ids_come_from_both_sides_and_each_once(cli: Cli) -> None:
    for clip_id in ("a", "b", "c"):
        waits(cli, clip_id, 1)
    assert cli("queue", "expire", "a", "-", "a", stdin="b a\n\nb\n").stdout == "a: discarded\nb: discarded\n"
    assert names(cli.queue, "pending") == ["c_ai_addendum.json"]


def test_one_unknown_id_does_not_keep_the_others(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    done = cli("queue", "expire", "nobody", "../../etc/passwd", "clip_a")
    assert done.exit_code == 1
    assert done.stdout == "clip_a: discarded\n"
    nobody, unsafe = done.stderr.splitlines()
    assert nobody == "ERROR: nobody: no reply of this clip waits"
    assert unsafe.startswith("ERROR: ../../etc/passwd: clip_id: not 1 to 128 of A-Z")


def test_an_id_that_cannot_be_seen_is_quoted(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    done = cli("queue", "expire", "", "-", stdin=b"\xff\xfe\nclip_a\n")
    assert done.exit_code == 1
    assert done.stdout == "clip_a: discarded\n"
    empty, undecodable = done.stderr.splitlines()
    assert empty.startswith("ERROR: '': clip_id: not 1 to 128")
    assert undecodable.startswith(r"ERROR: '\udcff\udcfe': clip_id: not 1 to 128")


def test_changes_as_json(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    done = cli("queue", "expire", "clip_a", "nobody", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {"clip_id": "clip_a", "done": True, "problem": None},
        {"clip_id": "nobody", "done": False, "problem": "no reply of this clip waits"},
    ]


def test_a_rejected_reply_waits_again_from_now_on(cli: Cli) -> None:
    waits(cli, "clip_a", 4000, folder="rejected")
    (cli.queue / "rejected" / "clip_a_ai_addendum.json.why").write_text("too old for its reader\n")
    assert "too old for its reader" in cli("queue", "show", "clip_a").stdout
    assert cli("queue", "requeue", "clip_a").stdout == "clip_a: waits again\n"
    (row,) = cli.json("queue", "ls")
    assert row["age_s"] == 0
    assert names(cli.queue, "rejected") == []


def test_an_applied_reply_never_waits_again(cli: Cli) -> None:
    waits(cli, "clip_a", 40, folder="applied")
    done = cli("queue", "requeue", "clip_a")
    assert done.exit_code == 1
    assert is_one_line(done)
    assert "never shown twice" in done.stderr
    assert names(cli.queue, "pending") == []


def test_a_reply_in_full(cli: Cli) -> None:
    path = waits(cli, "clip_a", 700, timing_insight="Late on 2.", exercise_hint="Loop it.", confidence=0.5)
    shown = cli("queue", "show", "clip_a").stdout.splitlines()
    assert shown[0] == "clip_a: pending, 12 min old, 0 s left"
    assert [
        line.split(None, 1)[1].strip() for line in shown if line.startswith(("  session", "  model", "  file"))
    ] == [
        SESSION,
        "simulator:test@latest",
        str(path),
    ]
    assert {"  timing insight  Late on 2.", "  exercise hint   Loop it.", "  confidence      0.5"} < set(shown)
    (document,) = cli.json("queue", "show", "clip_a")
    assert document["reply"] == json.loads(path.read_bytes())


def test_show_says_that_there_is_no_queue(cli: Cli) -> None:
    shown = cli("queue", "show", "nobody")
    assert shown.exit_code == 1
    assert shown.stderr.splitlines()[0].startswith(f"NOTE: {cli.queue}: no queue there")


def test_show_names_the_unknown(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    shown = cli("queue", "show", "nobody")
    assert shown.exit_code == 1
    assert is_one_line(shown)


def test_what_a_reply_holds_does_not_reach_the_terminal(cli: Cli) -> None:
    waits(cli, "clip_a", 1, coaching_tip=HOSTILE)
    for command in ("ls", "show"):
        printed = cli("queue", command, *(["clip_a"] if command == "show" else [])).stdout
        assert "ared turned round next" in printed
        assert all(char.isprintable() or char == "\n" for char in printed)


def test_the_histogram_of_ages(cli: Cli) -> None:
    for clip_id, age_s in (("a", 0), ("b", 29.9), ("c", 30), ("d", 300), ("e", 301)):
        waits(cli, clip_id, age_s)
    document = cli.json("queue", "age")
    assert [bucket["count"] for bucket in document["buckets"]] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert (document["over"], document["waiting"], document["oldest_s"]) == (1, 5, 301)
    lines = cli("queue", "age").stdout.splitlines()
    assert lines[1].split() == ["to", "30", "s", "2", "#" * 40]
    assert lines[-2].split() == ["over", "1", "#" * 20]
    assert lines[-1] == "5 waiting, the oldest for 301 s; time to live 300 s"


@given(st.lists(st.none() | st.floats(0, 1e6)), st.floats(0.001, 86_400))
def test_every_age_is_counted_once(ages: list[float | None], ttl_s: float) -> None:
    result = histogram(ages, ttl_s)
    assert result.waiting == len(ages)
    assert result.over == sum(age is not None and age > ttl_s for age in ages)
    assert len(result.counts) == PARTS
    assert all(len(bar) <= 40 and bool(bar) == (count != "0") for _, count, bar in result.rows())


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "?"), (0, "0 s"), (599.4, "599 s"), (600, "10 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_lengths_of_time(value: float | None, said: str) -> None:
    assert seconds(value) == said


def test_all_of_it_works_beside_a_running_worker(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    waits(cli, "clip_b", 1)
    with QueueLock.acquire(cli.queue, {"pid": 1}):
        assert len(cli.json("queue", "ls")) == 2
        assert cli("queue", "expire", "clip_a").exit_code == 0
        assert cli("queue", "show", "clip_b").exit_code == 0


def test_a_queue_that_is_not_ours_alone_is_refused(cli: Cli) -> None:
    waits(cli, "clip_a", 1)
    (cli.queue / "pending").chmod(0o777)
    done = cli("queue", "expire", "clip_a")
    assert done.exit_code == 1
    assert is_one_line(done)
    assert names(cli.queue, "pending") == ["clip_a_ai_addendum.json"]


def test_the_flag_goes_before_the_environment(cli: Cli, tmp_path: Path) -> None:
    put_file(tmp_path / "other", queued("clip_a", EPOCH))
    assert cli("queue", "ls", "--ids", "--queue-dir", tmp_path / "other").stdout == "clip_a\n"


@pytest.mark.parametrize("command", ["show", "expire", "requeue"])
def test_a_word_of_stdin_that_is_no_id_is_not_quoted_whole(cli: Cli, command: str) -> None:
    waits(cli, "clip_a", 1.0)
    done = cli("queue", command, "-", stdin="x" * 100_000)
    assert done.exit_code == 1
    assert is_one_line(done)
    assert done.stderr.startswith("ERROR: xxx")
    assert len(done.stderr) < 1000


@pytest.mark.parametrize("command", ["show", "expire", "requeue"])
def test_a_closed_stdin_is_wrong_usage(cli: Cli, command: str) -> None:
    line = f"{sys.executable} -m sg_hybrid queue {command} - <&-"
    done = subprocess.run(line, shell=True, env=cli.environ(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert is_one_line(done)
    assert "stdin" in done.stderr
