"""Every setting of the generator, and the only reader of the environment in this package.

A command-line option goes before the environment, the environment before the default; an empty variable counts as
unset.

    field               variable                default
    ------------------  ----------------------  ----------------------
    bundle_roots        SG_BUNDLE_ROOTS         ~/Downloads/sg-bundles   (new clips go into the first)
    queue_dir           SG_COACH_QUEUE_DIR      ~/.sg-coach-queue        (only looked at)
    host                SG_GENERATOR_HOST       127.0.0.1
    port                SG_GENERATOR_PORT       8420
    engine              SG_ENGINE               sg_generator.engine
    emit_error_bundles  SG_EMIT_ERROR_BUNDLES   false
    grace_s             SG_GENERATOR_GRACE_S    5
    ai_enabled          AI_COACH_ENABLED        false                    (only told by /status)
    log_format          SG_LOG_FORMAT           auto
    log_level           SG_LOG_LEVEL            info
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo

from .errors import SettingUnusable

_ON: Final = ("true", "1", "yes", "on")
_OFF: Final = ("false", "0", "no", "off")
_SHOWN: Final = 80
"""Longest part of a refused value that a message quotes, in characters."""


def _switch(value: object) -> object:
    text = str(value).strip().lower()
    if text not in _ON + _OFF:
        raise ValueError("neither on nor off")
    return text in _ON


def _choice(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _folder(value: object, info: ValidationInfo) -> Path:
    text = os.fspath(value) if isinstance(value, str | Path) else ""
    if not text.strip() or "\0" in text:
        raise ValueError("no usable path")
    head, slash, rest = text.partition("/")
    if head == "~":
        text = f"{_home(info)}{slash}{rest}"
    elif head.startswith("~"):
        raise ValueError("another user's home is not looked up")
    return Path(text).absolute()


def _folders(value: object, info: ValidationInfo) -> tuple[Path, ...]:
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("no list of folders")  # noqa: TRY004 - pydantic turns ValueError into its report
    folders = dict.fromkeys(_folder(part, info) for part in parts if part != "")
    if not folders:
        raise ValueError("names no folder")
    return tuple(folders)


def _home(info: ValidationInfo) -> str:
    home = str((info.context or {}).get("HOME", ""))
    if not home.startswith("/"):
        variable = VARIABLES[info.field_name or ""]
        raise SettingUnusable(f"HOME is not set, and {info.field_name} needs it; set HOME, or {variable} to a folder")
    return home


def _setting(variable: str, default: object, takes: str, **limits: Any) -> Any:
    """Declare a field: the variable that sets it, and (for messages) what it takes."""
    return Field(default, description=takes, json_schema_extra={"variable": variable}, **limits)


OnOff = Annotated[bool, BeforeValidator(_switch)]
FolderPath = Annotated[Path, BeforeValidator(_folder)]
FolderPaths = Annotated[tuple[Path, ...], BeforeValidator(_folders)]
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
LogFormat = Annotated[Literal["auto", "console", "json"], BeforeValidator(_choice)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_choice)]

_MODULE: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
_HOST: Final = r"^[A-Za-z0-9.:_-]{1,253}$"


class Settings(BaseModel):
    """The settings, checked. `load_settings` is how the program gets them; keywords are for users of the library."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    bundle_roots: FolderPaths = _setting(
        "SG_BUNDLE_ROOTS", "~/Downloads/sg-bundles", f"folders, absolute or below ~, separated by {os.pathsep!r}"
    )
    queue_dir: FolderPath = _setting("SG_COACH_QUEUE_DIR", "~/.sg-coach-queue", "a folder, absolute or below ~")
    host: Annotated[Text, Field(pattern=_HOST)] = _setting("SG_GENERATOR_HOST", "127.0.0.1", "a host name or address")
    port: int = _setting("SG_GENERATOR_PORT", 8420, "a port, 1 to 65535 (0: a free one)", ge=0, le=65535)
    engine: Annotated[Text, Field(pattern=_MODULE)] = _setting(
        "SG_ENGINE", "sg_generator.engine", "the name of an importable module"
    )
    emit_error_bundles: OnOff = _setting("SG_EMIT_ERROR_BUNDLES", False, "true or false (also 1/0, yes/no, on/off)")
    grace_s: float = _setting("SG_GENERATOR_GRACE_S", 5.0, "seconds, 0 to 300", ge=0, le=300, allow_inf_nan=False)
    ai_enabled: OnOff = _setting("AI_COACH_ENABLED", False, "true or false (also 1/0, yes/no, on/off)")
    log_format: LogFormat = _setting("SG_LOG_FORMAT", "auto", "auto, console or json")
    log_level: LogLevel = _setting("SG_LOG_LEVEL", "info", "debug, info, warning or error")

    @property
    def bundle_root(self) -> Path:
        """Where new clips go."""
        return self.bundle_roots[0]

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, flags: Mapping[str, object] = MappingProxyType({})) -> Self:
        """Return the settings of these sources; `flags` are by field name (None: not given).

        Raises SettingUnusable, naming the variable or option, its value and what it takes.
        """
        given = {name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable, "").strip()}
        values: dict[str, object] = {**given, **{name: value for name, value in flags.items() if value is not None}}
        try:
            return cls.model_validate(values, context=environ)
        except ValidationError as error:
            raise _explain(error, values, flags) from None


VARIABLES: Final[Mapping[str, str]] = {
    name: str(field.json_schema_extra["variable"])
    for name, field in Settings.model_fields.items()
    if isinstance(field.json_schema_extra, dict)
}
"""The environment variable of each field."""


def load_settings(flags: Mapping[str, object] = MappingProxyType({})) -> Settings:
    """Return the settings of this process. Raises SettingUnusable."""
    return Settings.from_env(os.environ, flags=flags)  # noqa: TID251 - the only reader in this package


def _explain(error: ValidationError, values: Mapping[str, object], flags: Mapping[str, object]) -> SettingUnusable:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0])
    where = f"--{name.replace('_', '-')}" if flags.get(name) is not None else VARIABLES[name]
    problem = first["msg"].removeprefix("Value error, ")
    takes = Settings.model_fields[name].description
    return SettingUnusable(f"{where} is {str(values.get(name))[:_SHOWN]!r}: {problem}; it takes {takes}")
