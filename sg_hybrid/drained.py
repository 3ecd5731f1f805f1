"""What a drain did: which takes it looked at, and which of them could not be coached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .bundle import DiskBundles
from .errors import BundleRefused
from .models import Coached, Take


@dataclass(slots=True)
class Drained:
    """How a drain ended. A take that vanished meanwhile is in none of the lists."""

    looked_at: int = 0
    failed: list[Path] = field(default_factory=list)
    """Bundles whose take could not be coached, or its hint not made durable and listed; folders that cannot be read."""
    refused: list[Path] = field(default_factory=list)
    """Bundles whose input cannot be used; their `clip.error.json` says why."""
    missing_roots: list[Path] = field(default_factory=list)
    """Bundle roots that are not there or are no folder."""

    def look_at_roots(self, roots: Sequence[Path]) -> None:
        """Note the roots that no take can come from. Blocking."""
        for root in roots:
            try:
                os.scandir(root).close()
            except (FileNotFoundError, NotADirectoryError):
                self.missing_roots.append(root)
            except OSError:
                self.note_unreadable(root)

    def note_unreadable(self, folder: Path) -> None:
        """Note a folder that may hold takes; nobody can tell."""
        if folder not in self.failed:
            self.failed.append(folder)


class NotingBundles(DiskBundles):
    """The real bundle folders; what goes wrong in them during a drain is noted."""

    _noted: Drained | None = None

    @contextmanager
    def noting(self, drained: Drained) -> Iterator[None]:
        """Note in `drained` what goes wrong while the block runs."""
        self._noted = drained
        try:
            yield
        finally:
            self._noted = None

    async def coach(
        self, bundle: Path, decide: Callable[[Take], Coached], visible: Callable[[Coached], None]
    ) -> Coached:
        """See ports.Bundles."""
        try:
            return await super().coach(bundle, decide, visible)
        except Exception as error:
            self._note(bundle, error)
            raise

    def _note(self, bundle: Path, error: Exception) -> None:
        if self._noted is None or isinstance(error, FileNotFoundError):  # the bundle vanished: nothing to coach
            return
        where = self._noted.refused if isinstance(error, BundleRefused) else self._noted.failed
        where.append(bundle)
