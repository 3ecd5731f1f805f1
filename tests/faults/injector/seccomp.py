"""The kernel's side: a filter that stops its process at chosen system calls and asks another process about each.

Linux 5.5 or newer on x86-64 or aarch64; no privileges, no compiler.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from .syscalls import AARCH64, numbers

_IOCTL_RECV: Final = 0xC0502100
_IOCTL_SEND: Final = 0xC0182101
_PROCEED: Final = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_RET_NOTIFY: Final = 0x7FC00000
_RET_ALLOW: Final = 0x7FFF0000
_PR_SET_NO_NEW_PRIVS: Final = 38
_SYS_SECCOMP: Final = 277 if AARCH64 else 317
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 8
_WAIT_KILLABLE: Final = 32
_NOTICE: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")


@dataclass(frozen=True, slots=True)
class Notice:
    """A system call that waits for an answer."""

    ident: int
    tid: int
    number: int
    args: tuple[int, ...]


def install_filter(wanted: list[int]) -> int:
    """Have this process (and its children) ask about the calls in `wanted`; return the listener. Raises OSError.

    It cannot be taken off again.
    """
    jumps = [(0x15, len(wanted) - place, 0, number) for place, number in enumerate(wanted)]
    program = [(0x20, 0, 0, 0), *jumps, (0x06, 0, 0, _RET_ALLOW), (0x06, 0, 0, _RET_NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *op) for op in program))
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # the second for kernels before 5.19
        listener: int = libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, flags, filter_program)
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def receive(listener: int) -> Notice | None:
    """Return the next call that waits, or None if its caller died meanwhile."""
    buffer = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _IOCTL_RECV, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    ident, tid, _, number, _, _, *args = _NOTICE.unpack(buffer)
    return Notice(ident, tid, number, tuple(args))


def answer(listener: int, notice: Notice, error: int) -> None:
    """Let the call run (`error` 0) or fail with an errno. A caller that died meanwhile is no problem."""
    try:
        fcntl.ioctl(listener, _IOCTL_SEND, _ANSWER.pack(notice.ident, 0, -error, 0 if error else _PROCEED))
    except OSError as gone:
        if gone.errno not in (errno.ENOENT, errno.EINPROGRESS):
            raise


@cache
def why_not() -> str:
    """Return why the injector cannot work on this machine, or an empty string if it can (tried in a child)."""
    if sys.platform != "linux":
        return f"faults are injected with seccomp, which only Linux has (this is {sys.platform})"
    if platform.machine() not in ("x86_64", "amd64", "aarch64", "arm64"):
        return f"the table of system calls knows x86-64 and aarch64, not {platform.machine()}"
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    if not actions.exists() or "user_notif" not in actions.read_text():
        return "this kernel has no seccomp user notification (Linux 5.5 or newer has it)"
    return _try_in_child()


def _try_in_child() -> str:
    pid = os.fork()
    if pid == 0:
        try:
            install_filter(sorted(numbers(False)))
        except OSError as error:
            os._exit(min(error.errno or 1, 125))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return f"a seccomp filter may not be installed here ({os.strerror(code)})" if code else ""
