"""From an exception to the answer that a client gets: HTTP 200, `status` failed, a code, one line. Pure."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sg_coach.errors import CoachError
from sg_coach.untrusted import shown

from .answers import Failed
from .errors import ErrorCode, GeneratorError

EXPECTED: Final = (GeneratorError, CoachError, OSError)
"""What can happen; everything else is a bug of ours."""

_LONGEST: Final = 500
_OUTER: Final = ("body", "query", "path")


def failure_of(error: Exception, otherwise: ErrorCode = ErrorCode.GENERATION_ERROR) -> Failed | None:
    """Return the answer for an error that can happen, None for a bug of ours.

    `otherwise` is the code of what has none of its own: a disk that refuses, a file that cannot be read.
    """
    if isinstance(error, GeneratorError):
        code = otherwise if error.code is ErrorCode.GENERATION_ERROR else error.code
        return _failed(code, error.message)
    if isinstance(error, CoachError):
        return _failed(otherwise, error.message)
    if isinstance(error, OSError):
        return _failed(otherwise, system_error(error))
    return None


def bug() -> Failed:
    """The answer for what should not happen; the log has the rest."""
    return _failed(
        ErrorCode.GENERATION_ERROR, "a bug of sg-generator; its log (stderr) has the details, please report it"
    )


def invalid(details: Sequence[Mapping[str, Any]]) -> Failed:
    """Return the answer for pydantic's report: its first problem, naming the field, without echoing large input."""
    first = details[0]
    place = [part for part in first["loc"] if part not in _OUTER]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    problem = _of_lists(str(first["msg"]).removeprefix("Value error, "))
    given = first.get("input")
    if isinstance(given, str | int | float) and first["type"] != "missing":
        problem = f"'{shown(str(given), 40)}' cannot be used: {problem}"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _failed(ErrorCode.VALIDATION_ERROR, f"{field or 'body'}: {problem}{more}")


def _of_lists(problem: str) -> str:
    """JSON has lists where the models have tuples."""
    return problem.replace("Tuple", "List").replace("tuple", "list")


def no_such_call(status: int, method: str, path: str) -> Failed:
    """Return the answer for a path or method that this API does not have."""
    call = f"{shown(method, 20)} {shown(path, 80)}"
    if status == 405:
        return _failed(ErrorCode.VALIDATION_ERROR, f"{call}: the path is right, the method is not; see /openapi.json")
    return _failed(ErrorCode.NOT_FOUND, f"{call}: there is no such call; see /openapi.json")


def system_error(error: OSError) -> str:
    """Return the file, if it is known, and the problem."""
    problem = error.strerror or str(error) or type(error).__name__
    return f"{os.fspath(error.filename)!s}: {problem}" if isinstance(error.filename, str | os.PathLike) else problem


@contextlib.contextmanager
def named_in(folder: Path) -> Iterator[None]:
    """Let an OSError from inside say where: a write names no file, and a file of an open folder only its last part."""
    try:
        yield
    except OSError as error:
        error.filename = str(folder / str(error.filename or ""))
        raise


def _failed(code: ErrorCode, message: str) -> Failed:
    return Failed(error_code=str(code), error_message=shown(message, _LONGEST))
