"""Exit codes, and the one place where an exception becomes a line on stderr and a code.

0    fine
1    it failed
2    wrong usage, a request that cannot be used, or a file or folder that is not there
3    a setting that cannot be used
4    the address is taken or cannot be used
130  interrupted
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from enum import IntEnum

import typer

from sg_coach.streams import lost_or, lost_output
from sg_coach.untrusted import shown


class Exit(IntEnum):
    """What the shell gets; a contract, because scripts branch on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    ADDRESS = 4
    INTERRUPTED = 130


_LONGEST = 2000


def exit_code_of(command: Callable[[], object]) -> int:
    """Run `command` and return its exit code; what it raises is said in one line on stderr.

    A bug of ours is said with its traceback, so that it can be reported. SystemExit goes through.
    """
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
            traceback.print_exception(cause)
            line = f"{type(cause).__name__}: {cause}; this is a bug of sg-generator, please report it"
        if line:
            print(f"ERROR: {shown(line, _LONGEST)}", file=sys.stderr, flush=True)
    return code if isinstance(code, int) else Exit.OK


def explained(error: BaseException) -> tuple[Exit, str | None]:
    """Return the exit code of an exception, and what to say: nothing (""), or None if it is a bug."""
    from sg_coach.errors import CoachError
    from sg_generator.errors import AddressUnusable, GeneratorError, InvalidRequest, NotFound, SettingUnusable

    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Exit.INTERRUPTED, ""
    if isinstance(error, typer.TyperException):
        return Exit.USAGE, _misuse(error)
    if isinstance(error, SettingUnusable):
        return Exit.CONFIG, str(error)
    if isinstance(error, AddressUnusable):
        return Exit.ADDRESS, str(error)
    if isinstance(error, GeneratorError):
        return Exit.USAGE if isinstance(error, InvalidRequest | NotFound) else Exit.FAILED, str(error)
    if isinstance(error, CoachError):
        return Exit.FAILED, str(error)
    if isinstance(error, ModuleNotFoundError):
        return Exit.FAILED, _missing_package(error)
    if isinstance(error, OSError):
        return Exit.USAGE if isinstance(error, FileNotFoundError) else Exit.FAILED, _system_error(error)
    return Exit.FAILED, None


def _cause(error: BaseException) -> BaseException:
    """The exception that a task group's report is about: its first one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _misuse(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "sg-generator"
    return f"{error.format_message().rstrip('.')}; see `{command} --help`"


def _missing_package(error: ModuleNotFoundError) -> str | None:
    package = (error.name or "").partition(".")[0]
    if package in ("", "sg_generator", "sg_coach"):
        return None
    return f"the package {package} is not installed; pip install 'sg-hybrid[generator]'"


def _system_error(error: OSError) -> str:
    from sg_generator.failures import system_error

    return system_error(error)
