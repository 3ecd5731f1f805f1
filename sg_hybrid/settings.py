"""Every setting of the worker, and the only reader of them in the environment and in the config file.

A value is taken from the first that has it: command-line flag, environment, config file, default. An empty variable
counts as unset. The config file is TOML with the field names as keys; it is the one that `SG_HYBRID_CONFIG` names, else
`$XDG_CONFIG_HOME/sg-hybrid/config.toml`, else `~/.config/sg-hybrid/config.toml`.

    field               variable                   default
    ------------------  -------------------------  ---------------------------
    ai_enabled          AI_COACH_ENABLED           false
    reply_deadline_ms   AI_COACH_DEADLINE_MS       500
    give_up_after_s     AI_COACH_LATE_WINDOW_S     30
    spool_ttl_s         AI_COACH_QUEUE_TTL_S       300
    applied_keep_days   AI_COACH_APPLIED_KEEP_DAYS 30
    ai_provider         AI_COACH_PROVIDER          anthropic
    ai_model            AI_COACH_MODEL             claude-haiku-5-5
    anthropic_api_key   ANTHROPIC_API_KEY          not set
    anthropic_base_url  ANTHROPIC_BASE_URL         https://api.anthropic.com
    cloud_url           AI_COACH_URL               not set
    cloud_token         AI_COACH_TOKEN             not set
    queue_dir           SG_COACH_QUEUE_DIR         ~/.sg-coach-queue
    bundle_roots        SG_BUNDLE_ROOTS            ~/Downloads/sg-bundles
    prepare             AI_COACH_PREPARE           true
    prepared_keep_h     AI_COACH_PREPARED_KEEP_H   24
    daily_calls         AI_COACH_DAILY_CALLS       60
    daily_tokens        AI_COACH_DAILY_TOKENS      90000
    grace_s             AI_COACH_GRACE_S           5
    sweep_interval_s    AI_COACH_SWEEP_S           5
    latency_book        SG_LATENCY_BOOK            not set
    rescan_interval_s   SG_RESCAN_S                60
    watcher             SG_WATCHER                 auto
    max_open_calls      AI_COACH_MAX_OPEN_CALLS    64
    log_format          SG_LOG_FORMAT              auto
    log_level           SG_LOG_LEVEL               info
    notify_socket       NOTIFY_SOCKET              not set
    watchdog_usec       WATCHDOG_USEC              not set
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from sg_coach.setting_values import (
    MAX_SHOWN,
    FolderPath,
    FolderPaths,
    LogFormat,
    LogLevel,
    OnOff,
    choice,
    folder,
    http_address,
    setting,
    variables_of,
    without_user,
)

from .config_file import did_you_mean, find_config, read_config
from .errors import ConfigError

_MODEL: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$"
_KEY: Final = re.compile(r"[!-~]{1,512}")
_SECRETS: Final = ("anthropic_api_key", "cloud_token")
_ADDRESSES: Final = ("anthropic_base_url", "cloud_url")


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a switch, not a number")  # noqa: TRY004 - pydantic turns ValueError into its report
    return value


def _key(value: object) -> object:
    if value is None:
        return None
    text = (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()
    if not _KEY.fullmatch(text):
        raise ValueError("the key holds blanks, control or non-ASCII characters, or is too long")
    return SecretStr(text)


def _url(value: object) -> object:
    return http_address(value.strip().rstrip("/") if isinstance(value, str) else "")


Whole = Annotated[int, BeforeValidator(_number)]
MaybeWhole = Annotated[int | None, BeforeValidator(_number)]
Seconds = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
"""The order decides what is said of `nan`: that it is not finite, before any limit is looked at."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=_MODEL)]
Key = Annotated[SecretStr | None, BeforeValidator(_key)]
Url = Annotated[str, BeforeValidator(_url)]
MaybeUrl = Annotated[str | None, BeforeValidator(lambda value: value if value is None else _url(value))]
Provider = Annotated[Literal["anthropic", "cloud"], BeforeValidator(choice)]
MaybeFile = Annotated[Path | None, BeforeValidator(lambda value, info: None if value is None else folder(value, info))]
Watcher = Annotated[Literal["auto", "inotify", "portable"], BeforeValidator(choice)]


class Settings(BaseModel):
    """The settings, checked. `Settings.from_env` is how a program gets them; keywords are for users of the library."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    ai_enabled: OnOff = setting("AI_COACH_ENABLED", False, "true or false (also 1/0, yes/no, on/off)")
    reply_deadline_ms: Whole = setting("AI_COACH_DEADLINE_MS", 500, "whole milliseconds, 1 to 60000", ge=1, le=60_000)
    give_up_after_s: Seconds = setting("AI_COACH_LATE_WINDOW_S", 30.0, "seconds, up to 600", gt=0, le=600)
    spool_ttl_s: Seconds = setting("AI_COACH_QUEUE_TTL_S", 300.0, "seconds, up to 86400 (a day)", gt=0, le=86_400)
    applied_keep_days: Whole = setting("AI_COACH_APPLIED_KEEP_DAYS", 30, "whole days, 0 to 3650", ge=0, le=3650)
    ai_provider: Provider = setting("AI_COACH_PROVIDER", "anthropic", "anthropic or cloud")
    ai_model: Name = setting("AI_COACH_MODEL", "claude-haiku-5-5", "a model name of A-Z a-z 0-9 . _ : / @ -")
    anthropic_api_key: Key = setting("ANTHROPIC_API_KEY", None, "the key as the provider shows it")
    anthropic_base_url: Url = setting("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "an http or https address")
    cloud_url: MaybeUrl = setting("AI_COACH_URL", None, "the http or https address of a companion service")
    cloud_token: Key = setting("AI_COACH_TOKEN", None, "the token as the companion service shows it")
    queue_dir: FolderPath = setting("SG_COACH_QUEUE_DIR", "~/.sg-coach-queue", "a folder, absolute or below ~")
    bundle_roots: FolderPaths = setting(
        "SG_BUNDLE_ROOTS", "~/Downloads/sg-bundles", f"folders, absolute or below ~, separated by {os.pathsep!r}"
    )
    prepare: OnOff = setting("AI_COACH_PREPARE", True, "true or false (also 1/0, yes/no, on/off)")
    prepared_keep_h: Seconds = setting("AI_COACH_PREPARED_KEEP_H", 24.0, "hours, up to 720", gt=0, le=720)
    daily_calls: Whole = setting("AI_COACH_DAILY_CALLS", 60, "a whole number, 0 to 1000000", ge=0, le=1_000_000)
    daily_tokens: Whole = setting(
        "AI_COACH_DAILY_TOKENS", 90_000, "a whole number, 0 to 1000000000", ge=0, le=1_000_000_000
    )
    grace_s: Seconds = setting("AI_COACH_GRACE_S", 5.0, "seconds, 0 to 300", ge=0, le=300)
    sweep_interval_s: Seconds = setting("AI_COACH_SWEEP_S", 5.0, "seconds, 0.01 to 3600", ge=0.01, le=3600)
    latency_book: MaybeFile = setting("SG_LATENCY_BOOK", None, "a file, absolute or below ~")
    rescan_interval_s: Seconds = setting("SG_RESCAN_S", 60.0, "seconds, 0.01 to 86400", ge=0.01, le=86_400)
    watcher: Watcher = setting("SG_WATCHER", "auto", "auto, inotify or portable")
    max_open_calls: Whole = setting("AI_COACH_MAX_OPEN_CALLS", 64, "a whole number, 1 to 1024", ge=1, le=1024)
    log_format: LogFormat = setting("SG_LOG_FORMAT", "auto", "auto, console or json")
    log_level: LogLevel = setting("SG_LOG_LEVEL", "info", "debug, info, warning or error")
    notify_socket: str | None = setting("NOTIFY_SOCKET", None, "the socket of the service manager (set by systemd)")
    watchdog_usec: MaybeWhole = setting("WATCHDOG_USEC", None, "whole microseconds, from 1 (set by systemd)", ge=1)

    origins: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Where each field that is not a default came from: `flag`, `environment` or `file …`."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.give_up_after_s * 1000 < self.reply_deadline_ms:
            raise ValueError(
                f"AI_COACH_LATE_WINDOW_S ({self.give_up_after_s:g} s) ends before AI_COACH_DEADLINE_MS "
                f"({self.reply_deadline_ms} ms); make it longer"
            )
        if self.queue_dir in self.bundle_roots:
            raise ValueError(f"SG_COACH_QUEUE_DIR and SG_BUNDLE_ROOTS both name {self.queue_dir}; use two folders")
        return self

    @property
    def missing_credentials(self) -> tuple[str, ...]:
        """The variables that the chosen provider still needs; empty if it can be asked."""
        needed = ("cloud_url", "cloud_token") if self.ai_provider == "cloud" else ("anthropic_api_key",)
        return tuple(VARIABLES[name] for name in needed if getattr(self, name) is None)

    @property
    def can_prepare(self) -> bool:
        """Whether tips are prepared: wanted, and the provider can (a companion service answers finished takes only)."""
        return self.prepare and self.ai_provider != "cloud"

    @property
    def secrets(self) -> list[str]:
        """What no log may show."""
        return [value.get_secret_value() for name in _SECRETS if (value := getattr(self, name)) is not None]

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str],
        *,
        flags: Mapping[str, object] = MappingProxyType({}),
        config_file: Path | None = None,
    ) -> Self:
        """Return the settings of these sources. `flags` are by field name (None: not given).

        `config_file` comes before `SG_HYBRID_CONFIG`. Raises ConfigError, naming the source, the value and the choices.
        """
        values, origins = _layered(environ, flags, config_file)
        try:
            context = {"environ": environ, "relative": [name for name in origins if origins[name] == "flag"]}
            return cls.model_validate({**values, "origins": origins}, context=context)
        except ValidationError as error:
            raise _explain(error, values, origins) from None


VARIABLES: Final[Mapping[str, str]] = variables_of(Settings)
"""The environment variable of each field."""


class Row(NamedTuple):
    """One line of `sg-hybrid config show`."""

    field: str
    variable: str
    value: str
    origin: str


def load_settings(flags: Mapping[str, object] = MappingProxyType({}), config_file: Path | None = None) -> Settings:
    """Return the settings of this process. Raises ConfigError."""
    return Settings.from_env(os.environ, flags=flags, config_file=config_file)  # noqa: TID251 - the only reader


def describe(settings: Settings) -> list[Row]:
    """Return a row a field, in the order of the table above; secrets are not shown."""
    return [
        Row(name, variable, _shown(getattr(settings, name)), settings.origins.get(name, "default"))
        for name, variable in VARIABLES.items()
    ]


def _layered(
    environ: Mapping[str, str], flags: Mapping[str, object], config_file: Path | None
) -> tuple[dict[str, object], dict[str, str]]:
    """The values that somebody gave, the strongest source of each, and which source that was."""
    path = find_config(environ, config_file)
    layers: dict[str, Mapping[str, object]] = {
        f"file {path}": read_config(path, VARIABLES, _SECRETS) if path else {},
        "environment": {name: environ[variable] for name, variable in VARIABLES.items() if variable in environ},
        "flag": {name: value for name, value in flags.items() if value is not None},
    }
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers.items():
        given = {name: value for name, value in layer.items() if not (isinstance(value, str) and not value.strip())}
        values |= given
        origins |= dict.fromkeys(given, origin)
    return values, origins


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "set (hidden)"
    if isinstance(value, tuple):
        return os.pathsep.join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _explain(error: ValidationError, values: Mapping[str, object], origins: Mapping[str, str]) -> ConfigError:
    """Translate pydantic's report: the source, the value (unless secret), the problem, what it takes."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    problem = first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0]) if first["loc"] else ""
    if name not in VARIABLES:
        return ConfigError(f"{name}: no such setting; {did_you_mean(name, VARIABLES)}" if name else problem)
    origin = origins.get(name, "default")
    field, variable = Settings.model_fields[name], VARIABLES[name]
    sources = {"flag": f"option {name}", "environment": variable, "default": variable}
    where = sources.get(origin, f"{origin}: {name}")
    given = str(values.get(name, field.default))
    quoted = (without_user(given) if name in _ADDRESSES else given)[:MAX_SHOWN]
    value = "" if name in _SECRETS else f" is {quoted!r}"
    return ConfigError(f"{where}{value}: {problem}; it takes {field.description}")
