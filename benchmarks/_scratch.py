"""Where a benchmark writes: on the disk of the checkout, away from what was removed there lately.

On ext4 with a journal a new file is not given the number of one that was removed within the last minutes, and each of
them is looked at, one after the other, in the block group of its folder (`recently_deleted` in fs/ext4/ialloc.c). A
suite or a benchmark that removed ten thousand files makes creating one cost 0.5 ms instead of 0.03 ms, for us and for
every peer. So the scratch folder is marked as a top-level one: ext4 then spreads what is made in it over the disk.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SCRATCH: Final = Path("build") / "bench"

# ioctl(2) on a folder, numbers of x86-64 and arm64 (linux/fs.h)
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_TOP_FOLDER: Final = 0x00020000


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for one benchmark; it goes with all that is in it."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    _spread(SCRATCH)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=SCRATCH)).absolute()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spread(folder: Path) -> None:
    """Mark a folder as a top-level one; where there is no such mark (another file system) nothing needs it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            flags = array.array("l", [0])
            fcntl.ioctl(fd, _GET_FLAGS, flags, True)
            flags[0] |= _TOP_FOLDER
            fcntl.ioctl(fd, _SET_FLAGS, flags)
    finally:
        os.close(fd)
