"""The AI service of the soak: the simulator with replies of every kind, each marked and noted in a journal.

    python -m tests.soak.service_main PORT GENERATION SEED JOURNAL

A line of the journal is written when a call comes in and when its answer was sent to the last byte.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

import anyio

from sg_hybrid.simulator import Call, Fault, Outcome, error
from sg_hybrid.simulator.connection import Connection
from sg_hybrid.simulator.server import HOST, Simulator
from sg_hybrid.simulator.texts import reply_for

from .marks import mark_of

GENERATION: Final = 1_000_000
"""Calls of one generation of the service, at most."""

IN_TIME_SHARE, LATE_SHARE, INVALID_SHARE = 0.42, 0.42, 0.08
LONGEST_S: Final = 3.0
_FAULTS: Final = tuple(fault for fault in Fault if fault is not Fault.STATUS)
_INVALID: Final = (
    "You were 4321 ms late.",
    "Now play it 77 bpm faster.",
    "",
)


@dataclass(frozen=True, slots=True)
class Answered:
    """How one call is answered, and what the journal calls it."""

    kind: str
    outcome: Outcome


def answer_for(call: Call, uid: int, seed: int) -> Answered:
    """Return the answer to a call: in time, late, words that may not be shown, or broken. Pure."""
    rng = random.Random(f"{seed}:{uid}")
    if "diagnosis" in call.facts:
        return Answered("prepare", Outcome(rng.uniform(0.05, 1.0)))
    draw = rng.random()
    if draw < IN_TIME_SHARE:
        return Answered("valid", _valid(call, uid, rng.uniform(0.02, 0.45)))
    if draw < IN_TIME_SHARE + LATE_SHARE:
        return Answered("valid", _valid(call, uid, rng.uniform(0.45, LONGEST_S)))
    if draw < IN_TIME_SHARE + LATE_SHARE + INVALID_SHARE:
        tip = rng.choice(_INVALID)
        return Answered("invalid", Outcome(0.2, text=json.dumps({"coaching_tip": f"{tip} {mark_of(uid)} 4321"})))
    if rng.random() < 0.4:
        return Answered("error", error(rng.choice((429, 500, 503, 529)), rng.choice((None, "1", "1e9", "-1", "soon"))))
    fault = rng.choice(_FAULTS)
    return Answered(fault, Outcome(rng.uniform(0.05, 1.0), fault=fault, cut_at=rng.choice((0, 300, 700))))


def _valid(call: Call, uid: int, done_s: float) -> Outcome:
    fields = reply_for(call.facts, uid)
    fields["coaching_tip"] = f"{fields['coaching_tip']} Think of {mark_of(uid)}."
    return Outcome(done_s, text=json.dumps(fields))


class Journal:
    """One line an event, written at once: a SIGKILL loses none that was written."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, event: str, **fields: Any) -> None:
        os.write(self._fd, (json.dumps({"t": time.time(), "event": event, **fields}) + "\n").encode())


class Service(Simulator):
    """A simulator that keeps a journal."""

    journal: Journal
    generation: int
    seed: int

    async def _answer(self, connection: Connection, call: Call, outcome: Outcome, arrived: float) -> None:
        uid = self.generation * GENERATION + call.number
        answered = answer_for(call, uid, self.seed)
        take = call.facts.get("total_events")
        self.journal.note("call", uid=uid, take=take, kind=answered.kind, mark=mark_of(uid))
        await super()._answer(connection, call, answered.outcome, arrived)
        self.journal.note("sent", uid=uid)


async def main(port: int, generation: int, seed: int, journal: str) -> None:
    service = Service(lambda _call: Outcome(), "soak")
    service.journal, service.generation, service.seed = Journal(journal), generation, seed
    async with await anyio.create_tcp_listener(local_host=HOST, local_port=port) as listener:
        await listener.serve(service.handle)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
