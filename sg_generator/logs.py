"""Logs of the server: one event a line on stderr, readable on a terminal, JSON in a pipe. Timestamps are UTC.

No line carries a character that a terminal would act on, and a log that cannot be written stops nothing. There are no
secrets here: the generator knows no key.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from sg_coach.setting_values import LogFormat, LogLevel, wants_colours
from sg_coach.untrusted import shown

_LONGEST: Final = 1000


def configure(log_format: LogFormat, level: LogLevel) -> None:
    """Send structlog's events, and warnings of other libraries, to stderr. May be called again."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    console = log_format == "console" or (log_format == "auto" and terminal)
    renderer: Any = structlog.processors.JSONRenderer()
    if console:
        colors = terminal and wants_colours(os.environ)  # noqa: TID251 - the terminal's, no setting of ours
        renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _cleaned,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    _adopt_foreign_warnings()


def _cleaned(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name == "exception":
        return "\n".join(shown(line, _LONGEST) for line in str(value).split("\n"))
    return shown(str(value), _LONGEST)


class _Stderr:
    """A logger that writes lines; whoever closed stderr, or filled its disk, gets none."""

    def __init__(self, *_args: Any) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.log = self.msg = self._write

    def _write(self, message: str) -> None:
        try:
            print(message, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            return


class _Foreign(logging.Handler):
    """Warnings that other libraries log, as our events."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )
        except Exception:  # noqa: BLE001 - the library's contract for handlers: report, never raise into the caller
            self.handleError(record)


def _adopt_foreign_warnings() -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Foreign):
            root.removeHandler(handler)
    root.addHandler(_Foreign(logging.WARNING))
