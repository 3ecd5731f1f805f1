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
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sg_coach.setting_values import (
    MAX_SHOWN,
    FolderPath,
    FolderPaths,
    LogFormat,
    LogLevel,
    OnOff,
    setting,
    variables_of,
)

from .errors import SettingUnusable

Text = Annotated[str, StringConstraints(strip_whitespace=True)]

_MODULE: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
_HOST: Final = r"^[A-Za-z0-9.:_-]{1,253}$"


class Settings(BaseModel):
    """The settings, checked. `load_settings` is how the program gets them; keywords are for users of the library."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    bundle_roots: FolderPaths = setting(
        "SG_BUNDLE_ROOTS", "~/Downloads/sg-bundles", f"folders, absolute or below ~, separated by {os.pathsep!r}"
    )
    queue_dir: FolderPath = setting("SG_COACH_QUEUE_DIR", "~/.sg-coach-queue", "a folder, absolute or below ~")
    host: Annotated[Text, Field(pattern=_HOST)] = setting("SG_GENERATOR_HOST", "127.0.0.1", "a host name or address")
    port: int = setting("SG_GENERATOR_PORT", 8420, "a port, 1 to 65535 (0: a free one)", ge=0, le=65535)
    engine: Annotated[Text, Field(pattern=_MODULE)] = setting(
        "SG_ENGINE", "sg_generator.engine", "the name of an importable module"
    )
    emit_error_bundles: OnOff = setting("SG_EMIT_ERROR_BUNDLES", False, "true or false (also 1/0, yes/no, on/off)")
    grace_s: float = setting("SG_GENERATOR_GRACE_S", 5.0, "seconds, 0 to 300", ge=0, le=300, allow_inf_nan=False)
    ai_enabled: OnOff = setting("AI_COACH_ENABLED", False, "true or false (also 1/0, yes/no, on/off)")
    log_format: LogFormat = setting("SG_LOG_FORMAT", "auto", "auto, console or json")
    log_level: LogLevel = setting("SG_LOG_LEVEL", "info", "debug, info, warning or error")

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
        ours = {name: value for name, value in flags.items() if value is not None}
        values: dict[str, object] = {**given, **ours}
        try:
            return cls.model_validate(values, context={"environ": environ, "relative": list(ours)})
        except ValidationError as error:
            raise _explain(error, values, flags) from None


VARIABLES: Final[Mapping[str, str]] = variables_of(Settings)
"""The environment variable of each field."""


def load_settings(flags: Mapping[str, object] = MappingProxyType({})) -> Settings:
    """Return the settings of this process. Raises SettingUnusable."""
    return Settings.from_env(os.environ, flags=flags)  # noqa: TID251 - the only reader in this package


def _explain(error: ValidationError, values: Mapping[str, object], flags: Mapping[str, object]) -> SettingUnusable:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0])
    where = f"--{name.replace('_', '-')}" if flags.get(name) is not None else VARIABLES[name]
    problem = first["msg"].removeprefix("Value error, ")
    field = Settings.model_fields[name]
    value = str(values.get(name, field.default))[:MAX_SHOWN]
    return SettingUnusable(f"{where} is {value!r}: {problem}; it takes {field.description}")
