"""Where the soak happens: bundles and queue on a small file system of their own, logs and journals beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KIB_A_TAKE: Final = 48
SPARE_KIB: Final = 32 * 1024


@dataclass(slots=True)
class Place:
    """The folders of one soak. `can_fill`: the small file system is there, so the disk can get full."""

    base: Path
    takes: int
    can_fill: bool = False

    @classmethod
    def make(cls, base: Path, takes: int) -> Place:
        """Make the folders, on a tmpfs of their own where this process may mount one."""
        place = cls(base, takes)
        for folder in (place.disk, place.logs):
            folder.mkdir(parents=True)
        if os.geteuid() == 0 and shutil.which("mount"):
            options = f"size={place.size_kib}k,mode=700"
            command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place.disk)]
            place.can_fill = subprocess.run(command, capture_output=True, check=False).returncode == 0
        for folder in (*place.roots, place.archive):
            folder.mkdir()
        place.step_clock(0.0)
        return place

    @property
    def disk(self) -> Path:
        return self.base / "disk"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def queue(self) -> Path:
        return self.disk / "queue"

    @property
    def roots(self) -> tuple[Path, Path]:
        return self.disk / "days", self.disk / "ota"

    @property
    def archive(self) -> Path:
        return self.disk / "archive"

    @property
    def offset(self) -> Path:
        return self.base / "clock-offset"

    @property
    def size_kib(self) -> int:
        return self.takes * KIB_A_TAKE + SPARE_KIB

    def step_clock(self, offset_s: float) -> None:
        """Set the worker's wall clock, as an offset to this machine's."""
        part = self.base / "clock-offset.part"
        part.write_text(str(offset_s))
        part.rename(self.offset)

    def fill_disk(self) -> None:
        """Leave no free block."""
        status = os.statvfs(self.disk)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
        self._resize(used)

    def free_disk(self) -> None:
        """Give the blocks back."""
        self._resize(self.size_kib)

    def _resize(self, kib: int) -> None:
        if self.can_fill:
            options = f"remount,size={max(kib, 4)}k"
            subprocess.run(["mount", "-o", options, str(self.disk)], capture_output=True, check=False)

    def remove(self) -> None:
        """Unmount and delete everything."""
        if self.can_fill:
            subprocess.run(["umount", "-l", str(self.disk)], capture_output=True, check=False)
        shutil.rmtree(self.base, ignore_errors=True)
