"""Telling files and folders apart by their status alone: what changed since the last look. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileMark:
    """Which file stands under a name. The number alone is not enough: file systems give it to the next file."""

    inode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FolderStamp:
    """What a folder's status says about its names: two equal stamps, far enough apart, mean equal names."""

    device: int
    inode: int
    mtime_ns: int


class FolderWatch:
    """Whether a folder must be listed again.

    A change in the same clock tick as the one before leaves the stamp as it was. So a listing proves nothing unless
    its stamp had stood for a while before it (git calls the other kind racily clean). `caution_s` is more than a tick
    of any file system.
    """

    def __init__(self, caution_s: float = 2.0) -> None:
        self._caution_s = caution_s
        self._stamp: FolderStamp | None = None
        self._seen_at = 0.0
        self._listed_at = float("-inf")

    def has_changed(self, stamp: FolderStamp) -> bool:
        """Tell whether somebody else certainly changed the folder since it was listed."""
        return stamp != self._stamp

    def must_list(self, stamp: FolderStamp) -> bool:
        """Tell whether somebody else may have changed the folder since it was listed."""
        return stamp != self._stamp or self._listed_at < self._seen_at + self._caution_s

    def listed(self, stamp: FolderStamp, at: float) -> None:
        """The folder was listed at `at` (monotonic seconds); `stamp` was taken before."""
        if stamp != self._stamp:
            self._stamp, self._seen_at = stamp, at
        self._listed_at = at

    def we_changed(self, before: FolderStamp, after: FolderStamp, at: float) -> None:
        """We changed the folder ourselves: that alone is no reason to list it."""
        if before == self._stamp:
            self._stamp, self._seen_at = after, at

    def distrust(self) -> None:
        """The next look must list the folder."""
        self._stamp = None
