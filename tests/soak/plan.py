"""What is played: sessions of takes in both layouts, the same for the same seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from sg_coach.models import ProgramRef, ProgramType, SessionRecord
from tests.fake_edges import session

NAMESPACE: Final = UUID("550e8400-e29b-41d4-a716-446655440000")
DAYS: Final = 10
RETAKE_SHARE: Final = 0.03
FIRST_NUMBER: Final = 1000
"""`total_events` of the first take: it names the take in what is sent to the service."""

PROGRAMS: Final = ("salsa_minor_Dm", "bossa_A", "funk_E")


@dataclass(frozen=True, slots=True)
class Planned:
    """One take. A retake stands on the clip of the take before it."""

    number: int
    session: int
    clip_id: str
    folder: str
    """The bundle's folder, below the place of all roots."""
    record: SessionRecord
    retake: bool

    @property
    def data(self) -> bytes:
        return self.record.model_dump_json().encode()


def plan(takes: int, sessions: int, seed: int) -> list[list[Planned]]:
    """Return the takes of each session in playing order; sessions in the order in which they begin."""
    rng = random.Random(f"{seed}:plan")
    shares = [takes // sessions + (number < takes % sessions) for number in range(sessions)]
    number, planned = FIRST_NUMBER, []
    for index, share in enumerate(shares):
        planned.append(_session(index, share, number, index * DAYS // sessions, rng))
        number += share
    return planned


def _session(index: int, takes: int, first: int, day: int, rng: random.Random) -> list[Planned]:
    ota, program = index % 2 == 1, rng.choice(PROGRAMS)
    planned: list[Planned] = []
    for place in range(takes):
        retake = place > 0 and rng.random() < RETAKE_SHARE
        clip_id = planned[-1].clip_id if retake else f"s{index:04d}_t{place:03d}"
        folder = f"ota/ota_bundle__{clip_id}" if ota else f"days/2026-02-{day + 1:02d}/{clip_id}"
        record = _record(index, first + place, program, rng)
        planned.append(Planned(first + place, index, clip_id, folder, record, retake))
    return planned


def _record(index: int, number: int, program: str, rng: random.Random) -> SessionRecord:
    return session(
        session_id=uuid5(NAMESPACE, f"session {index}"),
        program=ProgramRef(kind=ProgramType.ZTPROG, name=program),
        total_events=number,
        timing_p95_error_ms=rng.choice((18.0, 41.0, 44.5, 60.0)),
        notes_on_grid_ratio=rng.choice((0.95, 0.9, 0.75)),
    )
