"""What can go wrong in the rule-based coach and on disk.

    CoachError
    ├── InvalidInput      a file or a value that cannot be used: names the file, the field, the problem
    │   └── InvalidJson   not JSON as we accept it (RFC 8259, UTF-8, no duplicate keys, finite numbers)
    ├── UnsafePath        a name, file or folder that must not be touched (symlink, FIFO, `..`, ...)
    │   └── UnsafeArchive a zip or bundle whose structure must not be trusted (bomb, twin names, unlisted file, ...)
    ├── ManifestMissing   an OTA bundle without `manifest.json`
    ├── ArtifactMissing   a file that the manifest lists is not there
    ├── HashMismatch      a file is not the one that the manifest lists (size or SHA-256)
    ├── SignatureRefused  the signature does not fit the manifest, or is not the trusted key's
    ├── ExtraMissing      an optional package is needed and not installed
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


class UnsafeArchive(UnsafePath):
    """The archive or bundle is built in a way that must not be trusted."""


class ManifestMissing(CoachError):
    """The bundle has no manifest.json."""


class ArtifactMissing(CoachError):
    """A file that the manifest lists is not there."""


class HashMismatch(CoachError):
    """A file is not the one that the manifest lists."""


class SignatureRefused(CoachError):
    """The signature does not fit, or is not the trusted key's."""


class ExtraMissing(CoachError):
    """An optional package is needed and not installed."""


class LockTimeout(CoachError):
    """Another process holds the folder's lock."""
