"""Folders that are missing are made: private ones, and so that a power cut leaves their names."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def make_folders(path: Path) -> None:
    """Create a folder and its missing parents. One at a time: `parents=True` would leave them to the umask."""
    for folder in reversed([] if path.exists() else [path, *path.parents]):
        if not folder.exists():
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                folder.chmod(0o700)
                _sync_names_in(folder.parent)


def _sync_names_in(path: Path) -> None:
    """Make a new folder's name durable. A parent that we may enter and not read (mode 0711) cannot be asked to."""
    with contextlib.suppress(PermissionError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
