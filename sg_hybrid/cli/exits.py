"""Exit codes, and the one place where an exception becomes a line on stderr and a code.

0    fine
1    it failed, or problems were found
2    wrong usage, or a file or folder that is not there
3    a setting that cannot be used
4    another worker holds the queue
5    the bundle's input was refused (`clip.error.json` says why)
130  interrupted
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import typer


class Exit(IntEnum):
    """What the shell gets; a contract, because scripts branch on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    QUEUE_HELD = 4
    REFUSED = 5
    INTERRUPTED = 130


_EXTRAS: Final = {"anthropic": "ai", "httpx2": "ai", "jiter": "ai", "h11": "simulator"}
"""Which extra brings a package; all others come with `worker`."""


def exit_code_of(command: Callable[[], object]) -> int:
    """Run `command` and return its exit code; what it raises is said in one line on stderr.

    A bug of ours is said with its traceback, so that it can be reported. SystemExit goes through.
    """
    from sg_coach.streams import lost_or, lost_output

    try:
        code = command()
        if (lost := lost_output()) is not None:
            raise lost
    except BrokenPipeError:  # the reader has seen enough
        lost_output()
        return Exit.FAILED
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - the boundary of the program
        cause = lost_or(_cause(error))
        code, line = explained(cause)
        if line is None:
            say("".join(traceback.format_exception(cause)).rstrip(), keep_lines=True)
            line = f"{type(cause).__name__}: {cause}; this is a bug of sg-hybrid, please report it"
        if line:
            say(f"ERROR: {line}")
    return code if isinstance(code, int) else Exit.OK


def explained(error: BaseException) -> tuple[Exit, str | None]:
    """Return the exit code of an exception, and what to say: nothing (""), or None if it is a bug."""
    from sg_coach.errors import CoachError
    from sg_hybrid.errors import HybridError

    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Exit.INTERRUPTED, ""
    if isinstance(error, typer.TyperException):
        return Exit.USAGE, _misuse(error)
    if isinstance(error, HybridError):
        return Exit(error.exit_code), str(error)
    if isinstance(error, CoachError):
        return Exit.FAILED, str(error)
    if isinstance(error, ModuleNotFoundError):
        return Exit.FAILED, _missing_package(error)
    if isinstance(error, OSError):
        return Exit.USAGE if isinstance(error, FileNotFoundError) else Exit.FAILED, _system_error(error)
    return Exit.FAILED, None


def say(text: str, *, keep_lines: bool = False) -> None:
    """Print `text` on stderr as one line (unless `keep_lines`), without secrets and characters a terminal acts on."""
    from sg_hybrid.plaintext import printable
    from sg_hybrid.secrecy import redact

    print(redact(printable(text, keep_lines=keep_lines)), file=sys.stderr, flush=True)


def _cause(error: BaseException) -> BaseException:
    """The exception that a task group's report is about: its first one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _misuse(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "sg-hybrid"
    return f"{error.format_message().rstrip('.')}; see `{command} --help`"


def _missing_package(error: ModuleNotFoundError) -> str | None:
    package = (error.name or "").partition(".")[0]
    if package in ("", "sg_hybrid", "sg_coach"):
        return None
    return f"the package {package} is not installed; pip install 'sg-hybrid[{_EXTRAS.get(package, 'worker')}]'"


def _system_error(error: OSError) -> str:
    problem = error.strerror or str(error) or type(error).__name__
    return f"{os.fspath(error.filename)!s}: {problem}" if isinstance(error.filename, str | os.PathLike) else problem
