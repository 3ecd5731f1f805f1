"""What can go wrong in the generator.

    GeneratorError            `code` GENERATION_ERROR: the clip could not be made
    ├── InvalidRequest        VALIDATION_ERROR: names the field or the chord symbol, its place, the problem, the remedy
    │   └── UnreadableChord   VALIDATION_ERROR: a chord symbol that nobody could play from
    ├── RegenerationFailed    REGENERATION_ERROR: the parent clip is there, but nothing can be made from it
    ├── EngineUnavailable     ENGINE_UNAVAILABLE: the module that SG_ENGINE names could not be imported
    ├── NotFound              NOT_FOUND: no such clip, no such page
    ├── SettingUnusable       an option or variable that cannot be used (exit code 3)
    └── AddressUnusable       the server cannot listen there (exit code 4)

`sg_coach.errors` covers input files and disk paths; `OSError` is never wrapped.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    """What a client branches on; codes are only ever added."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    GENERATION_ERROR = "GENERATION_ERROR"
    REGENERATION_ERROR = "REGENERATION_ERROR"
    ENGINE_UNAVAILABLE = "ENGINE_UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"


class GeneratorError(Exception):
    """The clip could not be made."""

    code: ClassVar[ErrorCode] = ErrorCode.GENERATION_ERROR

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self)


class InvalidRequest(GeneratorError):
    """The request cannot be used."""

    code = ErrorCode.VALIDATION_ERROR

    def __init__(self, problem: str, *, field: str = "", remedy: str = "") -> None:
        self.problem, self.field, self.remedy = problem, field, remedy
        text = f"{field}: {problem}" if field else problem
        super().__init__(f"{text}; {remedy}" if remedy else text)


class UnreadableChord(InvalidRequest):
    """A chord symbol cannot be read."""


class RegenerationFailed(GeneratorError):
    """Nothing can be made from the parent clip."""

    code = ErrorCode.REGENERATION_ERROR


class EngineUnavailable(GeneratorError):
    """The engine's module could not be imported."""

    code = ErrorCode.ENGINE_UNAVAILABLE


class NotFound(GeneratorError):
    """There is no such thing."""

    code = ErrorCode.NOT_FOUND


class SettingUnusable(GeneratorError):
    """A setting cannot be used."""


class AddressUnusable(GeneratorError):
    """The server cannot listen there."""
