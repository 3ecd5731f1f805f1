"""One run: a forked child does its work while this process sees each of its calls, and lets one of them go wrong.

Counting is over all threads of the child, and only calls that touch `root` count. A point is aimed at by what the call
does (`rename bundles/x/.clip.coach.json.*.tmp -> …`, the n-th such one), so threads that run side by side may swap.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import re
import select
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from . import seccomp
from .syscalls import ALL, OPENS, WRITE_FLAGS, applies, numbers

SIGNALS: Final = ("KILL", "TERM")
_TEMPORARY: Final = re.compile(r"\.\d+-\d+\.tmp\b")
_AT_FDCWD: Final = -100
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Point:
    """A call of the clean run: what it does, and which one of those that do the same."""

    label: str
    nth: int

    @property
    def call(self) -> str:
        return self.label.partition(" ")[0]

    def __str__(self) -> str:
        return self.label if self.nth == 1 else f"{self.label} #{self.nth}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: a signal, or an errno; `lasting`: also at every later call that it applies to.

    `reads`: reading calls count as points, too.
    """

    kind: str
    point: Point
    lasting: bool = False
    reads: bool = False

    @property
    def errno(self) -> int:
        number: int = 0 if self.kind in SIGNALS else getattr(errno, self.kind)
        return number


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that the child made."""

    point: Point
    inode: int
    failed: bool = False


@dataclass(slots=True)
class Run:
    """How a run ended."""

    exit: int = 0
    """Exit status; negative: the signal."""
    hung: bool = False
    calls: list[Call] = field(default_factory=list)
    struck: int | None = None
    """Index of the call that went wrong first; None: the fault was not reached."""
    seconds: float = 0.0
    after_s: float = 0.0
    """From the fault to the end."""


Look = Callable[[Point], None]
"""Told of each call before it is made, while its thread waits: the disk is what a kill now would leave. A call of
another thread that was let go a moment ago may still be under way."""


def run(
    work: Callable[[], object],
    root: str,
    *,
    fault: Fault | None = None,
    look: Look = lambda _point: None,
    reads: bool = False,
    timeout_s: float = 20.0,
) -> Run:
    """Do `work` in a forked child; return how that ended. `reads`: reading calls count as points, too.

    The child exits with 0, or with 1 if `work` raised. What does not end in time is killed, and `hung`. What `look`
    raises ends the run, too.
    """
    began = time.monotonic()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _child(work, theirs, reads)
    theirs.close()
    ours.settimeout(timeout_s)
    supervisor = _Supervisor(pid, root, fault, reads, began + timeout_s, look)
    try:
        supervisor.serve(_listener_from(ours))
    except BaseException:
        supervisor.kill()  # its calls have no answer any more, so it may never end by itself
        raise
    finally:
        ours.close()
        supervisor.end()
    supervisor.run.seconds = time.monotonic() - began
    return supervisor.run


def unwatched(work: Callable[[], object], *, timeout_s: float = 20.0) -> Run:
    """Do `work` in a forked child without any fault and without being watched: next to no cost."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _work(work)
    supervisor = _Supervisor(pid, "", None, False, began + timeout_s)
    supervisor.wait()
    supervisor.end()
    supervisor.run.seconds = time.monotonic() - began
    return supervisor.run


def _child(work: Callable[[], object], sock: socket.socket, reads: bool) -> NoReturn:
    listener = seccomp.install_filter(sorted(numbers(reads)))
    sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    _work(work)


def _work(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def _listener_from(sock: socket.socket) -> int:
    message, control, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(4))
    if not message:
        raise RuntimeError("the child died before it could be watched")
    return array.array("i", control[0][2])[0]


class _Supervisor:
    """Answers the calls of one child."""

    def __init__(
        self,
        pid: int,
        root: str,
        fault: Fault | None,
        reads: bool,
        deadline: float,
        look: Look = lambda _point: None,
    ) -> None:
        self.run = Run()
        self._look = look
        self._pid, self._root, self._fault, self._reads = pid, root, fault, reads
        self._deadline = deadline
        self._names = numbers(reads)
        self._seen: Counter[str] = Counter()
        self._struck_at = 0.0
        self._pidfd = os.pidfd_open(pid)

    def serve(self, listener: int) -> None:
        """Answer until the child is gone, or its time."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._pidfd, select.POLLIN)
        try:
            while (left := self._deadline - time.monotonic()) > 0:
                ready = dict(poll.poll(left * 1000))
                if listener in ready and ready[listener] & select.POLLIN:
                    self._answer(listener)
                elif ready:
                    return
            self.run.hung = True
        finally:
            os.close(listener)

    def wait(self) -> None:
        """Wait for the child's end, or its time."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        self.run.hung = not poll.poll(max(self._deadline - time.monotonic(), 0) * 1000)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill what is left, and fetch the exit status."""
        if self.run.hung:
            self.kill()
        self.run.exit = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.close(self._pidfd)
        if self.run.struck is not None:
            self.run.after_s = time.monotonic() - self._struck_at

    def _answer(self, listener: int) -> None:
        notice = seccomp.receive(listener)
        if notice is None:
            return
        error = 0
        try:
            call = self._decode(notice)
        except OSError:  # a bad address or descriptor: the kernel will say so
            call = None
        if call is not None:
            self._look(call.point)
            kind = self._strikes(call)
            self.run.calls.append(Call(call.point, call.inode, failed=bool(kind)))
            if kind == "KILL":
                self.kill()  # without an answer: the call must not run
                return
            if kind == "TERM":
                os.kill(self._pid, signal.SIGTERM)
            elif kind:
                error = getattr(errno, kind)
        seccomp.answer(listener, notice, error)

    def _strikes(self, call: Call) -> str:
        """Return the kind of fault that this call meets, empty for none."""
        fault = self._fault
        if fault is None:
            return ""
        first = self.run.struck is None and call.point == fault.point
        if first:
            self.run.struck = len(self.run.calls)
            self._struck_at = time.monotonic()
        lasting = fault.lasting and self.run.struck is not None and applies(fault.kind, call.point.call)
        return fault.kind if first or lasting else ""

    def _decode(self, notice: seccomp.Notice) -> Call | None:
        """Return the call if it is a point: it touches the root, and on the side that counts."""
        name = self._names[notice.number]
        paths, counts, inode = _Arguments(notice, self._reads).of(name)
        if not counts or not any(path == self._root or path.startswith(self._root + "/") for path in paths):
            return None
        label = f"{name} " + " -> ".join(os.path.relpath(path, self._root) for path in paths)
        label = _TEMPORARY.sub(".*.tmp", label)
        self._seen[label] += 1
        return Call(Point(label, self._seen[label]), inode)


class _Arguments:
    """The arguments of a call, read from the memory and the descriptors of its caller."""

    def __init__(self, notice: seccomp.Notice, reads: bool) -> None:
        self._tid, self._args, self._reads = notice.tid, notice.args, reads

    def of(self, name: str) -> tuple[list[str], bool, int]:
        """Return absolute paths, whether the call is on the side that counts, and the inode of an open file (or 0)."""
        paths: list[str] = []
        base, counts, inode = f"/proc/{self._tid}/cwd", True, 0
        for place, letter in enumerate(ALL[name].letters):
            fd = ctypes.c_int32(self._args[place] & 0xFFFFFFFF).value
            if letter == "d":
                base = f"/proc/{self._tid}/cwd" if fd == _AT_FDCWD else f"/proc/{self._tid}/fd/{fd}"
            elif letter == "p":
                path = self._text(self._args[place])
                paths.append(os.path.normpath(path if path[:1] == "/" else f"{os.readlink(base)}/{path}"))
            elif letter == "f":
                link = f"/proc/{self._tid}/fd/{fd}"
                paths.append(os.readlink(link).removesuffix(" (deleted)"))
                inode = os.stat(link).st_ino if name in ("fsync", "fdatasync") else 0
            elif letter == "o" and name in OPENS:
                counts = self._reads or bool(self._args[place] & WRITE_FLAGS)
        return paths, counts, inode

    def _text(self, address: int) -> str:
        with open(f"/proc/{self._tid}/mem", "rb", 0) as memory:
            memory.seek(address)
            raw = b""
            while b"\0" not in raw and len(raw) < 8192:  # never across a page that may not exist
                raw += memory.read(4096 - (address + len(raw)) % 4096)
        return os.fsdecode(raw.split(b"\0")[0])
