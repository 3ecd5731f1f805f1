"""Logs: one event a line on stderr, readable on a terminal, JSON in a pipe.

Whatever a value holds, no line carries a secret or a character that a terminal would act on (control, ANSI, bidi,
zero-width), and a log that cannot be written never stops a cycle. Timestamps are the log library's, UTC.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sg_coach.setting_values import wants_colours

from .plaintext import printable
from .secrecy import HIDDEN, redactor

MAX_VALUE: Final = 4000
"""Longest value in a log line, in characters; tracebacks are not cut."""

_SECRET_NAME: Final = re.compile(
    r"(?:.*[_.-])?(?:key|apikey|token|authorization|secret|password|cookie)", re.IGNORECASE
)
_DEEPEST: Final = 6

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure(
    log_format: LogFormat = "auto",
    level: LogLevel = "info",
    stream: TextIO | None = None,
    *,
    secrets: Iterable[str] = (),
    colors: bool | None = None,
) -> None:
    """Send structlog's events, and warnings of other libraries, to `stream` (stderr).

    `auto` is `console` on a terminal and `json` elsewhere; colours are for terminals that want them
    (NO_COLOR, TERM=dumb), unless `colors` says otherwise.
    `secrets` are hidden wherever they stand in a value. May be called again.
    """
    out: TextIO | None = stream or sys.stderr  # None if the process was started with stderr closed
    terminal = out is not None and out.isatty()
    console = log_format == "console" or (log_format == "auto" and terminal)
    if colors is None:
        colors = terminal and wants_colours(os.environ)  # noqa: TID251 - the terminal's, no setting of ours
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            Cleaner(secrets),
            _console(colors) if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=_Patient(out)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    _adopt_foreign_warnings()


class Cleaner:
    """A structlog processor: hides secrets (by name and by value) and leaves only printable characters."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._redact = redactor(secrets)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        exception = event.pop("exception", None)
        cleaned = self._mapping(event, 0)
        if exception is not None:
            cleaned["exception"] = self._redact(printable(str(exception), keep_lines=True))
        return cleaned

    def _mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {self._text(str(name)): self._named(str(name), value, depth) for name, value in values.items()}

    def _named(self, name: str, value: object, depth: int) -> object:
        if _SECRET_NAME.fullmatch(name) and not isinstance(value, int | float | None):
            return HIDDEN
        return self._value(value, depth)

    def _value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # JSON has no NaN
        if depth < _DEEPEST and isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self._value(item, depth + 1) for item in value]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        cleaned = self._redact(printable(text))  # in this order: invisible characters could split a secret
        return cleaned if len(cleaned) <= MAX_VALUE else cleaned[:MAX_VALUE] + "…"


def _console(colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


class _Patient:
    """A stream whose troubles (closed, full, a narrow encoding) stay its own: a hint matters more than its log line."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or io.StringIO()
        self._lost = stream is None

    def write(self, text: str) -> None:
        """Write what can be written."""
        if self._lost:
            return
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return


class _Foreign(logging.Handler):
    """Warnings that other libraries log, as our events."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            structlog.get_logger().log(record.levelno, message, logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - the library's contract for handlers: report, never raise into the caller
            self.handleError(record)


def _adopt_foreign_warnings() -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Foreign):
            root.removeHandler(handler)
    root.addHandler(_Foreign(logging.WARNING))
