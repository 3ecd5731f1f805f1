"""The schema files and the Python models are one contract: proved with documents of both sides and broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from pydantic import BaseModel, ValidationError
from referencing import Registry, Resource

from sg_coach.models import CoachingDeterministic, SessionRecord
from sg_hybrid.manifest import Manifest
from sg_hybrid.models import AiAddendum, Envelope
from tests.deep import examples

from . import strategies as documents
from .from_schema import documents_of

CONTRACTS = Path(__file__).parents[2] / "contracts"
SCHEMAS = {path.name: json.loads(path.read_bytes()) for path in sorted(CONTRACTS.glob("*.schema.json"))}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)
MODELS: dict[str, type[BaseModel]] = {
    "coaching_deterministic_v1": CoachingDeterministic,
    "coaching_ai_addendum_v1": AiAddendum,
    "coaching_envelope_v1": Envelope,
    "session_record_v1": SessionRecord,
    "bundle_manifest_v1": Manifest,
}
VALID: dict[str, st.SearchStrategy[Any]] = {
    "coaching_deterministic_v1": documents.coachings,
    "coaching_ai_addendum_v1": documents.addenda,
    "coaching_envelope_v1": documents.envelopes,
    "session_record_v1": documents.sessions,
    "bundle_manifest_v1": documents.manifests(),
}
WRITTEN = {"coaching_deterministic_v1", "coaching_ai_addendum_v1", "coaching_envelope_v1"}
"""Contracts whose documents are written from the model, defaults and all."""

each_contract = pytest.mark.parametrize("name", sorted(MODELS))


def validator(name: str) -> Draft202012Validator:
    schema = SCHEMAS[f"{name}.schema.json"]
    return Draft202012Validator(schema, registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER)


VALIDATORS = {name: validator(name) for name in MODELS}


def schema_accepts(name: str, document: Any) -> bool:
    return VALIDATORS[name].is_valid(document)


def model_accepts(name: str, document: Any) -> bool:
    try:
        MODELS[name].model_validate(document)
    except ValidationError as error:
        return _only_beyond_schema(error)
    return True


def _only_beyond_schema(error: ValidationError) -> bool:
    """The one rule that JSON Schema cannot say (its $comment does): no more late events than events."""
    return all("late_events (" in detail["msg"] for detail in error.errors())


def test_every_schema_has_a_model() -> None:
    assert set(SCHEMAS) == {f"{name}.schema.json" for name in MODELS}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_valid_2020_12(name: str) -> None:
    schema = SCHEMAS[name]
    assert validator_for(schema) is Draft202012Validator
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == name.removesuffix(".schema.json")


@each_contract
def test_documents_drawn_from_the_schema_are_accepted_by_the_model(name: str) -> None:
    accepted: list[bool] = []

    @examples(30)
    @given(documents_of(SCHEMAS[f"{name}.schema.json"], SCHEMAS))
    def check(document: Any) -> None:
        accepted.append(schema_accepts(name, document))
        assert model_accepts(name, document) == accepted[-1]

    check()
    assert sum(accepted) > len(accepted) / 4, "the generator misses the schema"


@each_contract
def test_valid_documents_are_accepted_by_both_and_come_back(name: str) -> None:
    @examples(30)
    @given(VALID[name])
    def check(document: Any) -> None:
        assert schema_accepts(name, document)
        assert model_accepts(name, document)
        again = MODELS[name].model_validate(document).model_dump(mode="json", exclude_unset=name not in WRITTEN)
        assert schema_accepts(name, json.loads(json.dumps(again)))

    check()


@each_contract
def test_broken_documents_get_the_same_verdict(name: str) -> None:
    verdicts: set[bool] = set()

    @examples(70)
    @given(documents.broken(VALID[name]))
    def check(document: Any) -> None:
        verdict = schema_accepts(name, document)
        verdicts.add(verdict)
        assert model_accepts(name, document) == verdict

    check()
    assert False in verdicts, "the broken documents are not broken"


@each_contract
def test_every_odd_value_in_every_place_gets_the_same_verdict(name: str) -> None:
    whole = EXAMPLES[name]()
    assert schema_accepts(name, whole)
    for place in documents.places(whole):
        for odd in documents.ODD:
            document = json.loads(json.dumps(whole))
            parent: Any = document
            for part in place[:-1]:
                parent = parent[part]
            parent[place[-1]] = odd
            assert model_accepts(name, document) == schema_accepts(name, document), (place, odd)


def coaching() -> dict[str, Any]:
    """The example of the contract."""
    return {
        "schema_id": "coaching_deterministic",
        "schema_version": "v1",
        "session_id": "550e8400-e29b-41d4-a716-446655440000",
        "clip_id": "clip_abc123",
        "created_at_utc": "2026-02-04T12:34:56.789Z",
        "score": 72.5,
        "take_result": "pass",
        "policy_id": "v1_default",
        "score_trend": 4.2,
        "decision": {
            "difficulty_delta": 0.02,
            "tempo_delta_bpm": 1.0,
            "density_bucket": "medium",
            "syncopation_bucket": "light",
        },
        "coach_hint": "Nice improvement. Keep the groove steady and aim for tighter chord landings. "
        "Tempo up by 1 BPM. Density: medium. Sync: light.",
        "rationale": "score=72.5",
    }


def addendum() -> dict[str, Any]:
    return {
        "schema_id": "coaching_ai_addendum",
        "schema_version": "v1",
        "clip_id": "clip_abc122",
        "ai_available": True,
        "ai_latency_ms": 812,
        "model_id": "anthropic:claude-3-haiku@20240307",
        "coaching_tip": "Count the beats aloud.",
        "timing_insight": None,
        "exercise_hint": "Loop two bars.",
        "ai_groove_score": 71,
        "ai_groove_breakdown": {"timing": 0.5, "dynamics": 0.5, "feel": 1},
        "confidence": 0.8,
        "queued": True,
        "queued_at_utc": "2026-02-04T12:34:57Z",
    }


def envelope() -> dict[str, Any]:
    return {
        "schema_id": "coaching_envelope",
        "schema_version": "v1",
        "source": "hybrid",
        "deterministic": coaching(),
        "ai": addendum(),
        "ai_request_status": "success",
        "total_latency_ms": 5,
    }


def session() -> dict[str, Any]:
    return {
        "session_id": "00000000-0000-0000-0000-00000000f001",
        "device_id": "sg-1",
        "started_at": "2026-02-04T12:34:00Z",
        "ended_at": "2026-02-04T12:34:56.789+01:00",
        "program": {"kind": "ztprog", "name": "salsa_minor_Dm", "path": "salsa/minor.ztprog"},
        "bpm": 108.0,
        "meter": "4/4",
        "grid": 16,
        "bars": 8,
        "timing_mean_error_ms": 13.5,
        "timing_p95_error_ms": 41.0,
        "late_events": 0,
        "total_events": 124,
        "notes_on_grid_ratio": 0.84,
        "clave_hit_ratio": 0.71,
        "panic_used": False,
        "underrun_detected": False,
        "coach_contract": "v1",
        "midi_contract": "v1",
        "error_by_beat_ms": [1.5, None, -2.0, 0.0],
        "latency_removed_ms": 18.4,
        "timing_p95_se_ms": 3.5,
        "timing_measurable": True,
        "take_sha256": "sha256:" + "0" * 64,
    }


def manifest() -> dict[str, Any]:
    digest = "sha256:" + "0" * 64
    return {
        "bundle_version": "v1.1",
        "clip_id": "clip_abc123",
        "created_at_utc": "2026-02-04T12:34:56.789Z",
        "coaching_source": "hybrid",
        "artifacts": [
            {"artifact_id": "mid", "kind": "midi", "path": "clip.mid", "sha256": "0" * 64, "bytes": 5, "origin": "daw"},
            {
                "artifact_id": "coach",
                "kind": "coach",
                "path": "clip.coach.json",
                "sha256": digest,
                "bytes": 5,
                "input_sha256": digest,
            },
            {
                "artifact_id": "ai_coach",
                "kind": "ai_coach",
                "path": "clip.ai_coach.json",
                "sha256": digest,
                "bytes": 5,
                "origin": "live",
            },
            {
                "artifact_id": "ai_coach_queued",
                "kind": "ai_coach",
                "path": "clip.ai_coach.queued.json",
                "sha256": digest,
                "bytes": 5,
            },
        ],
    }


EXAMPLES: dict[str, Callable[[], dict[str, Any]]] = {
    "coaching_deterministic_v1": coaching,
    "coaching_ai_addendum_v1": addendum,
    "coaching_envelope_v1": envelope,
    "session_record_v1": session,
    "bundle_manifest_v1": manifest,
}
