"""The simulator with a profile, as a process of its own. Prints its address."""

from __future__ import annotations

import sys
from typing import Any

import anyio

from sg_hybrid.simulator import from_profile, serve


async def main(profile: Any, seed: int) -> None:
    async with serve(from_profile(profile, seed), name=profile) as simulator:
        print(simulator.base_url, flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
