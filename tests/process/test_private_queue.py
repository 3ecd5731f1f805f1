"""The queue is its owner's alone: modes whatever the umask, and no queue that somebody else could write to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sg_hybrid.simulator import Outcome, serve
from tests.fake_edges import session

from .cli import Cli, is_one_line

AI = {"AI_COACH_ENABLED": "true", "ANTHROPIC_API_KEY": "some-key", "AI_COACH_DEADLINE_MS": "1"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=oct)
async def test_folders_are_0700_and_files_0600_whatever_the_umask(cli: Cli, umask: int) -> None:
    """A late reply is put, a tip is prepared, figures are kept, the switch is set: all files that a queue has."""
    import anyio

    bundle = cli.bundles / "2026-02-04" / "clip_a"
    bundle.mkdir(parents=True)
    (bundle / "session.json").write_text(session().model_dump_json())
    queue = cli.home / "new" / "parents" / "queue"
    async with serve(lambda _call: Outcome(0.2)) as simulator:
        env = cli.environ({**AI, "ANTHROPIC_BASE_URL": simulator.base_url, "SG_COACH_QUEUE_DIR": str(queue)})
        for words in (["ai", "on"], ["run", "--once"]):
            command = [sys.executable, "-m", "sg_hybrid", *words]
            with anyio.fail_after(60):
                done = await anyio.run_process(command, env=env, check=False, umask=umask)
            assert done.returncode == 0, done.stderr
    files = {path.relative_to(queue).as_posix(): mode(path) for path in queue.rglob("*") if path.is_file()}
    assert {"control.json", "worker.lock", "usage.json", "pending/clip_a_ai_addendum.json"} <= files.keys()
    assert set(files.values()) == {0o600}
    folders = [queue, queue.parent, queue.parent.parent, *(path for path in queue.rglob("*") if path.is_dir())]
    assert {mode(folder) for folder in folders} == {0o700}
    assert mode(bundle / "clip.coach.json") == 0o644  # a bundle is shared with its readers


def refused(cli: Cli) -> str:
    done = cli("run", "--once")
    assert done.exit_code == 1
    assert is_one_line(done)
    return done.stderr


@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777], ids=oct)
@pytest.mark.parametrize("name", [".", "pending", "applied", "claimed", "context", "rejected", "prepared"])
def test_a_queue_that_others_may_write_is_refused(cli: Cli, name: str, bits: int) -> None:
    folder = cli.queue / name
    folder.mkdir(parents=True)
    cli.queue.chmod(0o700)
    folder.chmod(bits)
    assert f"{folder}: owned by another user or writable by others; chmod 700 it" in refused(cli)
    assert mode(folder) == bits


@pytest.mark.parametrize("command", ["run --once", "ai on", "queue requeue x", "queue expire x"])
def test_a_folder_of_other_things_is_no_queue_and_stays_open_to_others(cli: Cli, command: str) -> None:
    cli.queue.mkdir(parents=True)
    (cli.queue / "song.mp3").touch()
    cli.queue.chmod(0o755)
    done = cli(*command.split())
    assert done.exit_code == 1
    assert is_one_line(done)
    assert [path.name for path in cli.queue.iterdir()] == ["song.mp3"]
    assert mode(cli.queue) == 0o755


@pytest.mark.parametrize("name", [None, "pending", "control.json"])
def test_a_queue_that_is_open_to_others_is_closed(cli: Cli, name: str | None) -> None:
    cli.queue.mkdir(parents=True)
    if name == "pending":
        (cli.queue / name).mkdir()
    elif name:
        (cli.queue / name).write_text('{"ai": "auto"}')
    cli.queue.chmod(0o755)
    assert cli("run", "--once").exit_code in (0, 2)  # 2: there are no bundles
    assert mode(cli.queue) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("name", [".", "pending", "applied"])
def test_a_queue_of_another_user_is_refused(cli: Cli, name: str) -> None:
    folder = cli.queue / name
    folder.mkdir(parents=True)
    cli.queue.chmod(0o700)
    folder.chmod(0o700)
    os.chown(folder, 65534, 65534)
    assert "owned by another user" in refused(cli)


@pytest.mark.parametrize("name", [".", "pending", "prepared"])
def test_a_symlink_in_place_of_a_folder_is_refused_and_what_it_leads_to_untouched(cli: Cli, name: str) -> None:
    elsewhere = cli.home / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    folder = cli.queue / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    cli.queue.parent.chmod(0o700)
    if name != ".":
        cli.queue.chmod(0o700)
        folder.symlink_to(elsewhere)
    else:
        cli.queue.symlink_to(elsewhere)
    assert "a file or a symlink stands there" in refused(cli)
    assert list(elsewhere.iterdir()) == []
    assert mode(elsewhere) == 0o755


def test_the_lock_is_never_a_symlink_that_somebody_planted(cli: Cli) -> None:
    victim = cli.home / "victim"
    victim.write_text("precious")
    cli.queue.mkdir(mode=0o700)
    (cli.queue / "worker.lock").symlink_to(victim)
    done = subprocess.run(
        [sys.executable, "-m", "sg_hybrid", "run", "--once"],
        env=cli.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert victim.read_text() == "precious"
