"""How long the rules take: what stands between a take and its hint, without disk and without reading the take."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.table import Row, below, known, medians
from sg_coach import (
    CoachEvaluation,
    CoachingDeterministic,
    SessionRecord,
    apply_progression_policy,
    coaching_bytes,
    evaluate_session,
    plan_assignment,
    session_from,
)

SESSIONS = Path(__file__).parents[1] / "fixtures" / "sessions"
ROUNDS = 50
NOW = "2026-02-04T12:34:56.789Z"


def run() -> list[Row]:
    documents = [json.loads(path.read_bytes()) for path in sorted(SESSIONS.glob("*.json"))]
    takes = [session_from(document) for document in documents]
    evaluations = [evaluate_session(take) for take in takes]

    def decide() -> None:
        for _ in range(ROUNDS):
            for take in takes:
                _coach(evaluate_session(take))

    def to_bytes() -> None:
        for _ in range(ROUNDS):
            for take in takes:
                coaching_bytes(_coach(evaluate_session(take)))

    def assign() -> None:
        for _ in range(ROUNDS):
            for take, evaluation in zip(takes, evaluations, strict=True):
                plan_assignment(session=take, eval=evaluation)

    def validate() -> None:
        for _ in range(ROUNDS):
            for document in documents:
                SessionRecord.model_validate(document)

    seconds = medians(7, decide, to_bytes, assign, validate)
    decided, written, assigned, validated = (each / ROUNDS / len(takes) * 1e6 for each in seconds)
    return [
        below("evaluation + progression + hint, a take", decided, "µs", 50),
        below("the same, to the bytes of the file", written, "µs", 100),
        below("the assignment of an evaluated take", assigned, "µs", 50),
        known("the rules", decided, "µs", "validating the take's facts", validated),
    ]


def _coach(evaluation: CoachEvaluation) -> CoachingDeterministic:
    return apply_progression_policy(evaluation, clip_id="clip_abc123", created_at_utc=NOW, ema_before=70.0)
