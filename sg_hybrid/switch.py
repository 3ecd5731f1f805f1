"""Whether the AI may be used now: `control.json` in the queue root over `AI_COACH_ENABLED`.

`{"ai": "on" | "off" | "auto", "set_at_utc": …}`; `auto`, and no file at all, leave it to the setting. The file is
looked at on every question (one `lstat`) and parsed only when it is another one than last time, so that a running
worker obeys `sg-hybrid ai off` at once. A file that cannot be used decides nothing: the setting holds, `why` says so.
One that the disk does not give out at the moment (too many open files) may say off: the AI is off until it does.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import PRIVATE, Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.timestamps import utc_text

from .models import AiState
from .queue_folders import CONTROL_FILE, open_root
from .settings import Settings

MAX_CONTROL_BYTES: Final = 4096

Mode = Literal["on", "off", "auto"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)


class Switch:
    """The switch as one worker sees it (implements `ports.Gate`). Costs a few microseconds a question."""

    def __init__(self, queue_dir: Path, settings: Settings) -> None:
        self._folder = queue_dir
        self._file = str(queue_dir / CONTROL_FILE)
        self._setting = settings.ai_enabled
        self._setting_origin = settings.origins.get("ai_enabled", "default")
        self._missing = settings.missing_credentials
        self._seen: object = ()
        self._state = AiState(enabled=False, key_present=not self._missing, why="")

    def state(self) -> AiState:
        """Return what is in force now, and why as a sentence."""
        seen = _signature(self._file)
        if seen != self._seen:
            try:
                self._state = self._decide()
            except OSError as error:
                why = f"The AI is off: {CONTROL_FILE} cannot be read now ({error.strerror}), and it may say so."
                return AiState(enabled=False, key_present=not self._missing, why=why)
            self._seen = seen
        return self._state

    def _decide(self) -> AiState:
        try:
            mode = read_mode(self._folder)
            doubt = ""
        except CoachError as error:
            mode, doubt = "auto", f" ({CONTROL_FILE} decides nothing: {error})"
        if mode == "auto":
            enabled = self._setting
            why = f"The AI is {_word(enabled)}: AI_COACH_ENABLED, {self._setting_origin}{doubt}."
        else:
            enabled = mode == "on"
            why = f"The AI is {mode}: switched {mode} with `sg-hybrid ai {mode}`."
        if enabled and self._missing:
            why += f" No key: set {' and '.join(self._missing)}."
        return AiState(enabled=enabled, key_present=not self._missing, why=why)


def read_mode(queue_dir: Path) -> Mode:
    """Return what the control file says; `auto` if there is none.

    Raises InvalidInput or UnsafePath (naming the file and the problem) or OSError if it cannot be used.
    """
    try:
        with Folder.open(queue_dir) as folder:
            raw = folder.read(CONTROL_FILE, MAX_CONTROL_BYTES)
    except FileNotFoundError:
        return "auto"
    try:
        return _mode(parse_json_object(raw))
    except InvalidInput as error:
        raise error.in_file(CONTROL_FILE) from None


def set_mode(queue_dir: Path, mode: Mode, now: datetime) -> None:
    """Write the control file, durably. Raises UnsafePath if the queue root is not ours alone, LockTimeout, OSError.

    The lock keeps a worker that starts right now from taking the temporary for a dead one's.
    """
    document = {"ai": _mode({"ai": mode}), "set_at_utc": utc_text(now)}
    with open_root(queue_dir) as folder, folder.lock():
        folder.write(CONTROL_FILE, to_json_bytes(document), mode=PRIVATE)


def _mode(document: dict[str, object]) -> Mode:
    for mode in MODES:
        if document.get("ai") == mode:
            return mode
    raise InvalidInput(f"not one of {', '.join(MODES)}", field="ai", remedy="use `sg-hybrid ai on|off|auto`")


def _signature(file: str) -> object:
    try:
        status = os.lstat(file)
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"
