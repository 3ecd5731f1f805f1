"""The config file: where it stands, and how it is read. `settings` decides what its values mean."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sg_coach.errors import CoachError
from sg_coach.files import Folder

from .errors import ConfigError

CONFIG_VARIABLE: Final = "SG_HYBRID_CONFIG"
MAX_CONFIG_BYTES: Final = 64 * 1024
_LONGEST_KEY: Final = 60


def find_config(environ: Mapping[str, str], named: Path | None = None) -> Path | None:
    """Return the config file to read, or None if there is none. One that somebody named must exist to be read.

    `named`, else `SG_HYBRID_CONFIG`, else the one in `XDG_CONFIG_HOME` (freedesktop.org: ignored unless absolute),
    else the one in `~/.config`.
    """
    home = environ.get("HOME", "")
    wanted = str(named) if named else environ.get(CONFIG_VARIABLE, "").strip()
    if wanted.startswith("~/") and home.startswith("/"):
        wanted = home + wanted[1:]
    if wanted:
        return Path(wanted).absolute()
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{home}/.config" if home.startswith("/") else ""
    path = Path(base, "sg-hybrid", "config.toml")
    return path if base and os.path.lexists(path) else None


def read_config(path: Path, known: Iterable[str], secrets: Iterable[str]) -> dict[str, Any]:
    """Return the values of a config file whose keys are all `known`.

    Raises ConfigError, naming the file and the line or key; also if it holds one of `secrets` for others to read.
    """
    text, mode = _read(path)
    try:
        values = tomllib.loads(text.decode("utf-8-sig"))  # some editors begin with a byte order mark
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    names = tuple(known)
    for key in values:
        if key not in names:
            raise ConfigError(f"{path}: unknown key {key[:_LONGEST_KEY]!r}; {did_you_mean(key, names)}")
    for secret in secrets:
        if secret in values and mode & 0o077:
            raise ConfigError(f"{path}: holds {secret} and other users can read it; chmod 600 it")
    return values


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the closest known name as a question, or all of them."""
    names = tuple(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with Folder.open(path.parent) as folder:
            status = folder.status(path.name)
            return folder.read(path.name, MAX_CONFIG_BYTES), status.st_mode if status else 0
    except CoachError as error:
        raise ConfigError(f"{error}; name the file itself in {CONFIG_VARIABLE}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; correct --config or {CONFIG_VARIABLE}") from error
