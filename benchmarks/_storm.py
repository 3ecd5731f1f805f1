"""An AI service at its worst: a third of the calls hang, a third drip, a third fail. Prints its address."""

from __future__ import annotations

import anyio

from sg_hybrid.simulator import Call, Fault, Outcome, error, serve

WEATHER = (Outcome(fault=Fault.HANG), Outcome(2.5), error(529))


def storm(call: Call) -> Outcome:
    return WEATHER[call.number % len(WEATHER)]


async def main() -> None:
    async with serve(storm, name="storm") as simulator:
        print(simulator.base_url, flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
