"""What the AI client needs to know, checked once. `settings` builds it; nothing here reads the environment."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final

from sg_coach.setting_values import http_address

from .errors import ConfigError

CLOUD: Final = "cloud"
"""The provider that is a companion service; every other one speaks the Messages API."""

_VISIBLE: Final = re.compile(r"[!-~]+")
_NAME: Final = re.compile(r"[!-~]{1,200}")
_PROVIDER: Final = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AiConfig:
    """Address, key (or token) and limits of one provider of AI coaching. Times are in seconds.

    What a user can set has its default in `settings`, not here. The limits on waiting (connect 3, read 20, pool 0.25)
    are those of the design's measurements; an idle connection is kept for 240 s, so that a take of some minutes does
    not cost a new handshake.
    Raises ConfigError, naming the field and never its value if that is the key.
    """

    api_key: str = field(repr=False)
    base_url: str
    model: str
    provider: str
    """Who is asked; the first part of `model_id` where the answer does not bring its own."""
    give_up_after_s: float
    """Longest time for one `ask`, with all its retries."""
    max_open_calls: int
    """Connections open at once; a call above that fails after `pool_s`."""
    connect_s: float = 3.0
    read_s: float = 20.0
    pool_s: float = 0.25
    keepalive_s: float = 240.0
    max_tokens: int = 200
    max_reply_bytes: int = 128 * 1024
    """Longest answer on the wire: 200 tokens streamed one by one are about 30 KiB."""

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self.api_key):
            raise ConfigError(
                "api_key: empty, or holds a blank, a line break or a non-ASCII character; copy the key again, alone"
            )
        if not _NAME.fullmatch(self.model):
            raise ConfigError("model: not a model name (1 to 200 visible ASCII characters)")
        if not _PROVIDER.fullmatch(self.provider):
            raise ConfigError("provider: only a-z 0-9 _ - can stand in a model id")
        self._check_address()
        self._check_numbers()

    def _check_address(self) -> None:
        try:
            http_address(self.base_url)
        except ValueError as error:
            raise ConfigError(f"base_url: {error}") from error

    def _check_numbers(self) -> None:
        for name in ("give_up_after_s", "connect_s", "read_s", "pool_s", "keepalive_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name}: {value} is not a time above 0 s")
        for name in ("max_open_calls", "max_tokens", "max_reply_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)} is less than 1")
