"""What a setting may look like, for every program here that reads the environment: switches, choices, folders.

Types for the fields of a pydantic model. Validate with the context `{"environ": …, "relative": …}`: a folder below
`~` needs its HOME, and only the fields that `relative` names may hold a relative path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo

MAX_SHOWN: Final = 80
"""Longest part of a refused value that a message quotes, in characters."""

_VISIBLE: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]+")
_USER: Final = re.compile(r"\A((?>\s*[\w+.-]*://|))(?:.*:.*|[^/?#]*)@", re.DOTALL)
"""All before the last `@`, if it stands in the host's place or holds a colon: passwords hold any character."""
_NUMBERS: Final = re.compile(r"[0-9.]+")
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!\Z)|\Z)){4}")

_ON: Final = ("true", "1", "yes", "on")
_OFF: Final = ("false", "0", "no", "off")


def setting(variable: str, default: object, takes: str, **limits: Any) -> Any:
    """Declare a field: the variable that sets it, and (for messages) what it takes."""
    return Field(default, description=takes, json_schema_extra={"variable": variable}, **limits)


def variables_of(settings: type[BaseModel]) -> Mapping[str, str]:
    """Return the environment variable of each field that was declared with `setting`."""
    return {
        name: str(field.json_schema_extra["variable"])
        for name, field in settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    }


def http_address(text: str) -> str:
    """Return `text` if it is http(s)://host[:port][/path] that a connection can be made to; else raise ValueError."""
    parts = urlsplit(text)  # raises ValueError for a broken IPv6 host
    usable = parts.scheme in ("http", "https") and _has_port(parts) and _VISIBLE.fullmatch(text)
    if not usable or not parts.hostname:
        raise ValueError("not an address of the form https://host[:port][/path]")
    if "@" in text or parts.query or parts.fragment:
        raise ValueError("the address may not hold a user, a query or a fragment")
    if _NUMBERS.fullmatch(parts.hostname) and not _IPV4.fullmatch(parts.hostname):
        raise ValueError(f"{parts.hostname[:MAX_SHOWN]} is no IPv4 address")
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError("the host of the address holds characters that no host has")
    return text


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:  # whose text quotes what stands there: a part of a password, if that holds a slash
        return False


def without_user(address: str) -> str:
    """Return `address`, or what somebody took for one, for a message: user and password are hidden."""
    return _USER.sub(r"\1[hidden]@", address)


def wants_colours(environ: Mapping[str, str]) -> bool:
    """Whether a terminal may be written to in colours, as far as its user says: `NO_COLOR`, and a `TERM` without."""
    return not environ.get("NO_COLOR") and environ.get("TERM") not in ("dumb", "unknown")


def choice(value: object) -> object:
    """Return a word without blanks around it, in small letters."""
    return value.strip().lower() if isinstance(value, str) else value


def folder(value: object, info: ValidationInfo) -> Path:
    """Return an absolute path.

    Raises ValueError for no path, another user's home, `~` without HOME, or a relative one where none is allowed.
    """
    text = os.fspath(value) if isinstance(value, str | Path) else ""
    if not text.strip() or "\0" in text:
        raise ValueError("no usable path")
    head, slash, rest = text.partition("/")
    if head == "~":
        text = f"{_home(info)}{slash}{rest}"
    elif head.startswith("~"):
        raise ValueError("another user's home is not looked up")
    elif not text.startswith("/") and not _may_be_relative(info):
        raise ValueError("a relative path, which means another folder wherever the program is started")
    return Path(text).absolute()


def _may_be_relative(info: ValidationInfo) -> bool:
    return info.context is None or info.field_name in info.context["relative"]


def _home(info: ValidationInfo) -> str:
    environ = os.environ if info.context is None else info.context["environ"]  # noqa: TID251 - made by hand, as a library
    home = str(environ.get("HOME", ""))
    if not home.startswith("/"):
        problem = f"HOME is '{home[:MAX_SHOWN]}', a relative path; correct it" if home else "HOME is not set; set it"
        raise ValueError(f"{problem}, or name a folder that does not begin with ~")
    return home


def _folders(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("no list of folders")  # noqa: TRY004 - pydantic turns ValueError into its report
    found = dict.fromkeys(folder(part, info) for part in parts if part != "")
    if not found:
        raise ValueError("names no folder")
    return tuple(found)


def _switch(value: object) -> object:
    text = str(value).strip().lower()
    if text not in _ON + _OFF:
        raise ValueError("neither on nor off")
    return text in _ON


OnOff = Annotated[bool, BeforeValidator(_switch)]
FolderPath = Annotated[Path, BeforeValidator(folder)]
FolderPaths = Annotated[tuple[Path, ...], BeforeValidator(_folders)]
LogFormat = Annotated[Literal["auto", "console", "json"], BeforeValidator(choice)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(choice)]
