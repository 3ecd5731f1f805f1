"""The order of system calls that everything rests on: whole files or none, nothing followed, nothing leaked."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sg_coach import files
from sg_coach.errors import InvalidInput, LockTimeout, UnsafePath
from sg_coach.files import PRIVATE, SHARED, Folder

FDS = Path("/proc/self/fd")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
no_fds = pytest.mark.skipif(not FDS.is_dir(), reason="the list of open descriptors is Linux's")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder.open(tmp_path) as opened:
        yield opened


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Folder) -> set[str]:
    return set(folder.names())


class Failing:
    """Stands in for a function of `os`: raises `error` at the calls named (0 is the first), else does its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, error: int, *at: int) -> None:
        self.real: Callable[..., Any] = getattr(os, name)
        self.error, self.at, self.calls = error, at, list[Any]()
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.calls.append(arguments[0])
        if len(self.calls) - 1 in self.at:
            raise OSError(self.error, os.strerror(self.error))
        return self.real(*arguments, **more)


# Modes


def test_files_have_the_mode_that_was_asked_for(folder: Folder, umask: int) -> None:
    folder.write("private", b"x", mode=PRIVATE)
    folder.write("shared", b"x", mode=SHARED)
    folder.settle(folder.write_visible("visible", b"x", mode=PRIVATE))
    os.close(folder.create("new", b"x", mode=PRIVATE))
    assert {name: mode(folder.path / name) for name in folder.names()} == {
        "private": 0o600,
        "shared": 0o644,
        "visible": 0o600,
        "new": 0o600,
    }


def test_a_private_folder_and_its_missing_parents_are_0700(tmp_path: Path, umask: int) -> None:
    target = tmp_path / "a" / "b" / "queue"
    with Folder.make_private(target) as made:
        made.write("x", b"x", mode=PRIVATE)
    assert [mode(path) for path in (target, target.parent, target.parent.parent)] == [0o700] * 3


def test_an_existing_private_folder_is_tightened(tmp_path: Path) -> None:
    target = tmp_path / "queue"
    target.mkdir(mode=0o755)
    Folder.make_private(target).close()
    assert mode(target) == 0o700


@pytest.mark.parametrize("loose", [0o770, 0o707, 0o777, 0o722, 0o1777])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, loose: int) -> None:
    target = tmp_path / "queue"
    target.mkdir()
    target.chmod(loose)
    with pytest.raises(UnsafePath, match=r"queue: owned by another user or writable by others; chmod 700 it"):
        Folder.make_private(target)
    assert mode(target) == loose


@as_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "queue"
    target.mkdir(mode=0o700)
    os.chown(target, 12345, 12345)
    with pytest.raises(UnsafePath, match="owned by another user"):
        Folder.make_private(target)


# What is opened


def test_only_a_folder_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "link", "dangling", "loop"):
        for opens in (Folder.open, Folder.make_private):
            with pytest.raises(UnsafePath, match=f"{name}: not a folder"):
                opens(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Folder.open(tmp_path / "none")
    assert not (tmp_path / "nowhere").exists()


def test_an_open_folder_stays_itself_whatever_its_name_leads_to_now(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "elsewhere").mkdir()
    with Folder.open(tmp_path / "bundle") as opened:
        (tmp_path / "bundle").rename(tmp_path / "moved")
        (tmp_path / "bundle").symlink_to("elsewhere")
        opened.write("clip.coach.json", b"{}")
    assert (tmp_path / "moved" / "clip.coach.json").read_bytes() == b"{}"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def plant_everything(place: Path) -> None:
    (place / "target").write_bytes(b"secret")
    (place / "symlink").symlink_to("target")
    (place / "dangling").symlink_to("nowhere")
    (place / "loop").symlink_to("loop")
    (place / "device").symlink_to("/dev/zero")
    os.mkfifo(place / "fifo")
    (place / "folder").mkdir()
    (place / "one_name").write_bytes(b"x")
    os.link(place / "one_name", place / "another_name")


@pytest.mark.parametrize(
    "name", ["symlink", "dangling", "loop", "device", "fifo", "folder", "one_name", "another_name", "socket"]
)
def test_only_plain_files_are_read(folder: Folder, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_everything(folder.path)
    monkeypatch.chdir(folder.path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(UnsafePath, match=f"{name}: "):
            folder.read(name, 100)


def test_a_file_is_read_up_to_its_limit(folder: Folder) -> None:
    folder.write("five", b"12345")
    assert folder.read("five", 5) == b"12345"
    with pytest.raises(InvalidInput, match="five: too large: 5 bytes, the limit is 4"):
        folder.read("five", 4)


def test_a_sparse_giant_is_refused_unread(folder: Folder) -> None:
    folder.write("giant", b"")
    os.truncate(folder.path / "giant", 5 * 1024**3)
    with pytest.raises(InvalidInput, match="too large: 5368709120 bytes"):
        folder.read("giant", 1024)


@no_fds
def test_a_file_that_is_larger_than_its_status_says_is_refused() -> None:
    with Folder.open(Path(f"/proc/{os.getpid()}")) as proc:  # its files have size 0
        assert b"Pid:" in proc.read("status", 65536)
        with pytest.raises(InvalidInput, match="status: too large: more than 10 bytes"):
            proc.read("status", 10)


def test_what_is_not_there(folder: Folder) -> None:
    assert folder.read_if_there("none", 10) is None
    assert folder.status("none") is None
    assert not folder.exists("none")
    assert not folder.unlink("none")
    with pytest.raises(FileNotFoundError):
        folder.read("none", 10)


def test_a_status_is_of_the_entry_itself(folder: Folder) -> None:
    (folder.path / "dangling").symlink_to("nowhere")
    status = folder.status("dangling")
    assert status is not None
    assert stat.S_ISLNK(status.st_mode)
    assert folder.exists("dangling")


# Whole or not at all


def test_a_write_replaces_the_entry_and_never_what_it_leads_to(folder: Folder) -> None:
    plant_everything(folder.path)
    for name in ("symlink", "dangling", "fifo", "one_name"):
        folder.write(name, b"new")
        assert folder.read(name, 10) == b"new"
    assert (folder.path / "target").read_bytes() == b"secret"
    assert (folder.path / "another_name").read_bytes() == b"x"
    assert not (folder.path / "nowhere").exists()


@pytest.mark.parametrize("planted", ["symlink", "file", "folder"])
def test_a_name_that_is_taken_is_not_used_for_the_temporary(
    folder: Folder, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_serial", itertools.count())
    trap, victim = folder.path / f".f.{os.getpid()}-0.tmp", folder.path / "victim"
    victim.write_bytes(b"precious")
    if planted == "symlink":
        trap.symlink_to(victim)
    elif planted == "file":
        trap.write_bytes(b"of a dead process with our id")
    else:
        trap.mkdir()
    folder.write("f", b"new")
    assert (folder.read("f", 10), victim.read_bytes()) == (b"new", b"precious")
    assert names(folder) == {"f", "victim", trap.name}


def test_names_that_are_all_taken_are_an_error_and_no_endless_loop(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_temporary", lambda name: f".{name}.1-1.tmp")
    (folder.path / ".f.1-1.tmp").write_bytes(b"")
    with pytest.raises(FileExistsError):
        folder.write("f", b"new")
    assert names(folder) == {".f.1-1.tmp"}


def test_short_writes_are_continued(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    folder.write("f", b"0123456789")
    assert folder.read("f", 100) == b"0123456789"


@pytest.mark.parametrize("call", ["write", "rename", "fsync"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@no_fds
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    folder.write("f", b"old")
    before = len(list(FDS.iterdir()))
    with monkeypatch.context() as patch:
        Failing(patch, call, error, *range(10))
        with pytest.raises(OSError, match=r".") as caught:
            folder.write("f", b"new")
    assert caught.value.errno == error
    assert caught.value.filename == str(folder.path / "f")
    assert names(folder) == {"f"}
    assert folder.read("f", 10) == b"old"
    assert len(list(FDS.iterdir())) == before


@no_fds
def test_what_cannot_be_made_visible_leaves_nothing_behind(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("f", b"old")
    before = len(list(FDS.iterdir()))
    with monkeypatch.context() as patch:
        Failing(patch, "rename", errno.ENOSPC, 0)
        with pytest.raises(OSError, match=r"/f'$"):
            folder.write_visible("f", b"new")
    assert (names(folder), folder.read("f", 10)) == ({"f"}, b"old")
    assert len(list(FDS.iterdir())) == before


def test_a_failed_fsync_is_final_for_its_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_serial", itertools.count())
    opened: list[str] = []
    real = os.open

    def noting_open(name: str, *arguments: Any, **more: Any) -> int:
        opened.append(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(os, "open", noting_open)
    fsync = Failing(monkeypatch, "fsync", errno.EIO, 0)
    folder.write("f", b"new")
    assert folder.read("f", 10) == b"new"
    assert names(folder) == {"f"}
    assert opened[:2] == [f".f.{os.getpid()}-0.tmp", f".f.{os.getpid()}-1.tmp"], "written anew, not fsynced again"
    assert len(fsync.calls) == 3
    assert fsync.calls[-1] == folder.fd


def test_a_visible_file_whose_fsync_failed_is_written_anew(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    visible = folder.write_visible("f", b"new", mode=PRIVATE)
    first = (folder.path / "f").stat().st_ino
    fsync = Failing(monkeypatch, "fsync", errno.EIO, 0)
    folder.settle(visible)
    assert len(fsync.calls) == 3, "durably: the file and its folder"
    assert fsync.calls[-1] == folder.fd
    assert (folder.read("f", 10), mode(folder.path / "f")) == (b"new", 0o600)
    assert (folder.path / "f").stat().st_ino != first
    assert names(folder) == {"f"}


def test_a_write_is_durable_in_the_right_order(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noting_fsync(fd: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def noting_rename(*arguments: Any, **more: Any) -> None:
        seen.append("rename")
        rename(*arguments, **more)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "rename", noting_rename)
    folder.write("f", b"x")
    assert seen == ["file", "rename", "folder"]
    seen.clear()
    visible = folder.write_visible("g", b"x")
    assert seen == ["rename"]
    folder.settle(visible)
    assert seen == ["rename", "file", "folder"]
    seen.clear()
    folder.write("h", b"x", durable=False)
    assert seen == ["rename"]
    seen.clear()
    folder.move("h", folder, "i")
    assert seen == ["rename", "folder", "folder"]


WRITER = """
import itertools, sys
from pathlib import Path
from sg_coach.files import Folder
with Folder.open(Path(sys.argv[1])) as folder:
    for number in itertools.count():
        folder.write("f", str(number % 10).encode() * 200_000, durable=False)
        print(number, flush=True)
"""


def test_readers_and_a_killed_writer_leave_whole_files_only(folder: Folder) -> None:
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, folder.path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(40):
                assert writer.stdout.readline()
                data = folder.read("f", 200_000)
                assert (len(data), len(set(data))) == (200_000, 1)
            writer.kill()
        data = folder.read("f", 200_000)
        assert (len(data), len(set(data))) == (200_000, 1)
    with folder.lock():
        folder.remove_stale_temporaries()
    assert names(folder) == {"f"}


def test_only_stale_temporaries_are_removed(folder: Folder) -> None:
    ours = {".f.12-0.tmp", ".clip.coach.json.99999-12.tmp", ".\udcff.1-1.tmp"}
    others = {"f", ".f.tmp", "f.12-0.tmp", ".f.12-0.tmp.json", ".hidden", "x.tmp"}
    for name in ours | others:
        (folder.path / name).write_bytes(b"")
    (folder.path / ".folder.12-0.tmp").mkdir()
    assert folder.remove_stale_temporaries() == len(ours)
    assert names(folder) == others | {".folder.12-0.tmp"}


# Moving


def test_a_moved_entry_is_in_one_place(folder: Folder) -> None:
    (folder.path / "pending").mkdir()
    (folder.path / "claimed").mkdir()
    with Folder.open(folder.path / "pending") as pending, Folder.open(folder.path / "claimed") as claimed:
        pending.write("a", b"x")
        pending.move("a", claimed, "b")
        assert (pending.names(), claimed.names()) == ([], ["b"])
        with pytest.raises(FileNotFoundError):
            pending.move("a", claimed)


def test_of_many_that_move_an_entry_one_wins(folder: Folder) -> None:
    folder.write("entry", b"x")
    barrier = threading.Barrier(8)

    def take(number: int) -> bool:
        barrier.wait(10)
        try:
            folder.move("entry", folder, f"claimed-{number}")
        except FileNotFoundError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


# The lock


def test_threads_exclude_each_other(folder: Folder) -> None:
    folder.write("count", b"0", durable=False)

    def add(_: int) -> None:
        with Folder.open(folder.path) as mine, mine.lock(30):
            mine.write("count", str(int(mine.read("count", 10)) + 1).encode(), durable=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(60)))
    assert folder.read("count", 10) == b"60"


HOLDER = """
import sys
from pathlib import Path
from sg_coach.files import Folder
with Folder.open(Path(sys.argv[1])) as folder, folder.lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_processes_exclude_each_other_and_a_dead_one_holds_nothing(folder: Folder) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockTimeout, match=r"locked by another process for more than 0\.02 s"), folder.lock(0.02):
            pytest.fail("two holders")
        holder.kill()
    with folder.lock(5):
        assert names(folder) == set(), "no lock file that a verifier could trip over"


def test_the_lock_is_free_after_an_error(folder: Folder) -> None:
    with pytest.raises(ZeroDivisionError), folder.lock():
        raise ZeroDivisionError
    with folder.lock(0):
        pass


@no_fds
def test_no_descriptor_is_left_open(folder: Folder) -> None:
    plant_everything(folder.path)
    before = len(list(FDS.iterdir()))
    for name in ("symlink", "fifo", "folder", "one_name", "none"):
        with pytest.raises((UnsafePath, FileNotFoundError)):
            folder.read(name, 100)
    folder.write("f", b"x")
    folder.settle(folder.write_visible("g", b"x"))
    with folder.lock():
        pass
    folder.write_visible("h", b"x").close()
    with Folder.open(folder.path):
        pass
    (folder.path / "folder").chmod(0o777)
    with pytest.raises(UnsafePath):
        Folder.make_private(folder.path / "folder")
    opened = Folder.open(folder.path)
    opened.close()
    opened.close()
    assert len(list(FDS.iterdir())) == before
