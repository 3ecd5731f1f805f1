"""The manifest of an OTA bundle: which files it holds, for which instrument, with which hashes. Pure.

Firmware reads `manifest.json` first, checks the hashes, then uses `assignment.json`. The `manifest_id` is a UUIDv5
of everything else in the document (`ota_seal`), so a damaged manifest shows itself even where nobody signed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from .contract import COACH_CONTRACT_VERSION
from .errors import InvalidInput, UnsafePath
from .field_types import Int, NotBlank, Rfc3339, Uuid
from .jsontext import parse_json_object
from .models import PracticeAssignment, Value, first_problem
from .ota_seal import sealed
from .timestamps import utc_text
from .untrusted import check_distinct, check_relative_path

OTA_BUNDLE_CONTRACT_VERSION: Final = "v1"
"""Version of the bundle folder, its manifest and its file names."""

MANIFEST_NAME: Final = "manifest.json"
ASSIGNMENT_NAME: Final = "assignment.json"
SIGNATURE_NAME: Final = "signature.json"
ATTACHMENTS: Final = "attachments"
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""Largest manifest that is read: 4,096 artifacts with long names fit."""

MANIFEST_NAMESPACE: Final = UUID("8edff91b-b1fd-5081-98c4-2493e692ef07")
"""Namespace of manifest ids (RFC 9562, version 5, of the DNS name `manifest.sg-coach`)."""


def _relative_path(path: str) -> str:
    try:
        return check_relative_path(path)
    except UnsafePath as error:
        raise ValueError(str(error)) from error


def _lower(text: str) -> str:
    return text.lower()


Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$"), AfterValidator(_lower)]
"""64 hexadecimal digits without a prefix; upper case is accepted and lowered."""


class OtaArtifact(Value):
    """One file of the bundle. `artifact_id` is `assignment`, or `att:` and the attachment's path."""

    artifact_id: NotBlank
    kind: Literal["assignment", "attachment"]
    path: Annotated[str, AfterValidator(_relative_path)]
    sha256: Sha256Hex
    bytes: Annotated[Int, Field(ge=0)]


class OtaBundleManifest(Value):
    """`manifest.json` of a bundle. `artifacts` holds the assignment once, and no path or id twice."""

    manifest_id: Uuid
    created_at: Rfc3339
    contract: Literal["v1"] = OTA_BUNDLE_CONTRACT_VERSION
    coach_contract: Literal["v1"] = COACH_CONTRACT_VERSION
    product: NotBlank = "smart-guitar"
    target_device_model: NotBlank | None = None
    target_min_firmware: NotBlank | None = None
    assignment_id: Uuid
    session_id: Uuid
    artifacts: Annotated[tuple[OtaArtifact, ...], Field(min_length=1)]
    metadata: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _holds_the_assignment_once(self) -> Self:
        found = [(item.artifact_id, item.path) for item in self.artifacts if item.kind == "assignment"]
        if found != [("assignment", ASSIGNMENT_NAME)]:
            raise ValueError(f"artifacts: one of kind assignment, id assignment, path {ASSIGNMENT_NAME} is needed")
        ids = [item.artifact_id for item in self.artifacts]
        if len(set(ids)) != len(ids):
            raise ValueError("artifacts: an artifact_id stands twice")
        try:
            _check_paths(item.path for item in self.artifacts)
        except UnsafePath as error:
            raise ValueError(str(error)) from error
        return self


def _check_paths(paths: Iterable[str]) -> None:
    check_distinct([MANIFEST_NAME, SIGNATURE_NAME, *(check_relative_path(path) for path in paths)])


def make_manifest(
    *,
    assignment: PracticeAssignment,
    artifacts: tuple[OtaArtifact, ...],
    created_at: datetime,
    product: str = "smart-guitar",
    target_device_model: str | None = None,
    target_min_firmware: str | None = None,
) -> OtaBundleManifest:
    """Return the manifest of a bundle, its id made from the rest. Raises InvalidInput naming the field."""
    try:
        return sealed(
            OtaBundleManifest(
                manifest_id=MANIFEST_NAMESPACE,
                created_at=utc_text(created_at),
                product=product,
                target_device_model=target_device_model,
                target_min_firmware=target_min_firmware,
                assignment_id=assignment.assignment_id,
                session_id=assignment.session_id,
                artifacts=artifacts,
                metadata={"title": assignment.title, "mode": str(assignment.mode)},
            ),
            "manifest_id",
            MANIFEST_NAMESPACE,
        )
    except ValidationError as error:
        raise first_problem(error, MANIFEST_NAME) from error


def manifest_from(raw: bytes, *, source: str = MANIFEST_NAME) -> OtaBundleManifest:
    """Return the manifest that `raw` holds.

    Raises UnsafePath for a path that leads outside, to the manifest itself or twice to one file, InvalidInput for
    anything else that does not fit, naming `source` and the field.
    """
    try:
        document = parse_json_object(raw, max_bytes=MAX_MANIFEST_BYTES)
    except InvalidInput as error:
        raise error.in_file(source) from error
    artifacts = document.get("artifacts")
    if isinstance(artifacts, list):
        listed = [item.get("path") for item in artifacts if isinstance(item, dict)]
        _check_paths(path for path in listed if isinstance(path, str))
    try:
        return OtaBundleManifest.model_validate(document)
    except ValidationError as error:
        raise first_problem(error, source) from error
