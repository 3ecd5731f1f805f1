"""Versions as people, tags and Python packages write them: 0.2.0-rc1, v0.2.0-rc1 and 0.2.0rc1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_CORE: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_TAG: Final = re.compile(rf"v(?P<core>{_CORE.pattern})(?:-rc(?P<rc>[1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Release:
    """A release: three numbers, and the number of the candidate (from 1) if it is one."""

    core: str
    rc: int | None = None

    @classmethod
    def of(cls, version: str, rc: str | None = None) -> Release:
        """Return what `--version` and `--rc` name. Raises ValueError if that is no semantic version."""
        if not _CORE.fullmatch(version):
            raise ValueError(f"{version!r} is no semantic version: three numbers as 1.2.3; a candidate is --rc N")
        if rc is not None and not re.fullmatch(r"[1-9][0-9]*", rc):
            raise ValueError(f"{rc!r} is no number of a candidate: 1, 2, …")
        return cls(version, int(rc) if rc else None)

    @classmethod
    def of_tag(cls, tag: str) -> Release:
        """Return what a tag names. Raises ValueError if it is not one of ours."""
        found = _TAG.fullmatch(tag)
        if not found:
            raise ValueError(f"{tag!r} is no tag of a release: vX.Y.Z or vX.Y.Z-rcN")
        return cls(found["core"], int(found["rc"]) if found["rc"] else None)

    @property
    def semver(self) -> str:
        return self.core if self.rc is None else f"{self.core}-rc{self.rc}"

    @property
    def tag(self) -> str:
        return f"v{self.semver}"

    @property
    def pep440(self) -> str:
        return self.semver.replace("-", "")
