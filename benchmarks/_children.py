"""Processes that the benchmarks measure from outside: the real worker, and the bare sequences it is held against."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

IN_CLOSE_WRITE, IN_MOVED_TO = 0x8, 0x80
_libc = ctypes.CDLL(None, use_errno=True)


def watch(folders: list[Path], events: int) -> tuple[int, dict[int, Path]]:
    """Return an inotify descriptor and its watches. Bare on purpose: no library between the kernel and the figure."""
    fd = _libc.inotify_init1(os.O_CLOEXEC)
    return fd, {_libc.inotify_add_watch(fd, os.fsencode(folder), events): folder for folder in folders}


def events(fd: int) -> list[tuple[int, str]]:
    """Wait for events; return (watch, name) of each."""
    data, found, at = os.read(fd, 65536), [], 0
    while at < len(data):
        number, _mask, _cookie, length = struct.unpack_from("iIII", data, at)
        found.append((number, data[at + 16 : at + 16 + length].rstrip(b"\0").decode()))
        at += 16 + length
    return found


def write_bare(folder: Path, name: str, data: bytes, *, durable: bool) -> None:
    """The sequence that a careful program needs at least: open, write, (fsync), rename, (fsync of the folder)."""
    temporary = f"{folder}/.{name}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, data)
    if durable:
        os.fsync(fd)
    os.close(fd)
    os.rename(temporary, f"{folder}/{name}")
    if durable:
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def _answer_bare(root: Path, answer: Callable[[Path], None]) -> None:
    fd, watches = watch([path for path in root.iterdir() if path.is_dir()], IN_MOVED_TO)
    print("ready", flush=True)
    while True:
        for number, name in events(fd):
            if name == "session.json":
                answer(watches[number])


def bare_visible(root: Path) -> None:
    """inotify + write + rename."""
    data = b"x" * 900
    _answer_bare(root, lambda folder: write_bare(folder, "clip.coach.json", data, durable=False))


def bare_rules(root: Path) -> None:
    """inotify + read + the rules + write + rename: what the rules cost in this language, with no care taken at all."""
    from sg_coach.coach_policy import judge
    from sg_coach.jsontext import parse_json_object
    from sg_coach.models import session_from
    from sg_coach.progression import apply_progression_policy, coaching_bytes

    def answer(folder: Path) -> None:
        judged = judge(session_from(parse_json_object((folder / "session.json").read_bytes())))
        created = "2026-02-04T12:34:56.789Z"
        coaching = apply_progression_policy(judged, clip_id=folder.name, created_at_utc=created)
        write_bare(folder, "clip.coach.json", coaching_bytes(coaching), durable=False)

    _answer_bare(root, answer)


def bare_durable(root: Path) -> None:
    """inotify + open, write, fsync, rename, fsync(dir); says when each was done."""
    data = b"x" * 900

    def answer(folder: Path) -> None:
        write_bare(folder, "clip.coach.json", data, durable=True)
        print(folder.name, time.perf_counter(), flush=True)

    _answer_bare(root, answer)


def worker(root: Path) -> None:
    """The real worker; says when each coach file was durable."""
    import logging

    import anyio
    import structlog

    from sg_coach.files import Folder, Unsettled
    from sg_hybrid.compose import HybridWorker
    from sg_hybrid.settings import load_settings

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settle = Folder.settle

    def timed(self: Folder, file: Unsettled) -> None:
        settle(self, file)
        os.write(1, f"{self.path.name} {time.perf_counter()}\n".encode())

    Folder.settle = timed  # type: ignore[method-assign]

    async def main() -> None:
        settings = load_settings({"bundle_roots": (root.parent,), "queue_dir": root.parent.parent / "queue"})
        async with HybridWorker(settings, handle_signals=True) as running:
            if settings.ai_enabled:
                await running.ai_ready()
            print("ready", flush=True)
            await running.serve()

    anyio.run(main)


KINDS = {child.__name__: child for child in (bare_visible, bare_rules, bare_durable, worker)}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]))
