"""The async face of blocking disk code, for code that is not hot.

A durable change is one synchronous function built on `sg_coach.files.Folder` and run by `run_blocking`: file calls
awaited one by one leave half a change behind when a cancellation comes between them. Reading may be done piecewise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import aiofiles
import anyio
import anyio.to_thread

from sg_coach.errors import InvalidInput
from sg_coach.plainfile import open_plain

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def run_blocking(
    function: Callable[[Unpack[Ts]], T], *args: *Ts, limiter: anyio.CapacityLimiter | None = None
) -> T:
    """Run a blocking function in a thread: the one way from the event loop to the disk.

    It either never starts or runs to its end: a cancellation is delivered before it starts (also while it waits for
    the `limiter`) or after it ended, never in between. It must therefore end by itself.
    """
    return await anyio.to_thread.run_sync(function, *args, abandon_on_cancel=False, limiter=limiter)


async def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a plain file of at most `limit` bytes. On asyncio only (aiofiles).

    Raises UnsafePath for a symlink, FIFO, device, folder or a file with several hard links, InvalidInput for a larger
    file, OSError.
    """
    async with aiofiles.open(path, "rb", opener=_open_plain) as file:
        data = await file.read(limit + 1)
    if len(data) > limit:
        raise InvalidInput(f"too large: more than {limit} bytes", source=path.name)
    return data


def _open_plain(path: str, _flags: int) -> int:
    """The opener that `open` asks for; the flags of a safe reading are `open_plain`'s own."""
    return open_plain(path, shown=Path(path))
