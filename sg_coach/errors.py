"""What can go wrong in the rule-based coach and on disk.

    CoachError
    ├── InvalidInput      a file or a value that cannot be used: names the file, the field, the problem
    │   └── InvalidJson   not JSON as we accept it (RFC 8259, UTF-8, no duplicate keys, finite numbers)
    ├── UnsafePath        a name, file or folder that must not be touched (symlink, FIFO, `..`, ...)
    └── LockTimeout       another process held a folder's lock for too long

`OSError` is never wrapped: its errno is what an operator looks for.
"""

from __future__ import annotations


class CoachError(Exception):
    """The coach could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self)


class InvalidInput(CoachError):
    """The input cannot be used."""

    def __init__(self, problem: str, *, source: str = "", field: str = "", remedy: str = "") -> None:
        self.problem, self.source, self.field, self.remedy = problem, source, field, remedy
        where = ": ".join(part for part in (source, field) if part)
        text = f"{where}: {problem}" if where else problem
        super().__init__(f"{text}; {remedy}" if remedy else text)

    def in_file(self, source: str) -> InvalidInput:
        """The same error, naming the file that it was found in."""
        return type(self)(self.problem, source=source, field=self.field, remedy=self.remedy)


class InvalidJson(InvalidInput):
    """The bytes are not JSON as this contract accepts it."""


class UnsafePath(CoachError):
    """The path leads somewhere that must not be touched."""


class LockTimeout(CoachError):
    """Another process holds the folder's lock."""
