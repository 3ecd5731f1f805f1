"""Signatures of OTA bundles: Ed25519 over the bytes of `manifest.json`, or a stub that says `none`.

Pure. The manifest lists the hash of every other file, so one signature covers the whole bundle. Keys come from
`ota_keys`, which alone needs the `cryptography` package.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol, Self
from uuid import UUID

from pydantic import Field, ValidationError, model_validator

from .errors import InvalidInput, SignatureRefused
from .field_types import NotBlank, Rfc3339, Uuid
from .jsontext import parse_json_object
from .models import Value, first_problem
from .ota_manifest import MANIFEST_NAME, SIGNATURE_NAME, Sha256Hex
from .ota_seal import check_seal, sealed
from .timestamps import utc_text

SIGNATURE_STUB_VERSION: Final = "v1"
"""Version of the shape of `signature.json`."""

SIGNATURE_NAMESPACE: Final = UUID("13ce6289-9318-547d-9cad-05c57a05e10e")
"""Namespace of signature ids (RFC 9562, version 5, of the DNS name `signature.sg-coach`)."""

MAX_SIGNATURE_BYTES: Final = 16 * 1024


class SignatureStub(Value):
    """`signature.json`: what vouches for `manifest.json`.

    `algorithm` `none` is a stub: it finds damage and proves nothing. `ed25519` has a `key_id` and the signature of the
    manifest's bytes as base64.
    """

    signature_id: Uuid
    created_at: Rfc3339
    version: Literal["v1"] = SIGNATURE_STUB_VERSION
    subject: Literal["manifest.json"] = MANIFEST_NAME
    subject_sha256: Sha256Hex
    algorithm: Literal["none", "ed25519"] = "none"
    key_id: NotBlank | None = None
    signature_b64: Annotated[str, Field(max_length=200)] | None = None
    notes: str = "unsigned-stub"

    @model_validator(mode="after")
    def _keys_fit_the_algorithm(self) -> Self:
        given = (self.key_id is not None, self.signature_b64 is not None)
        if given != ((self.algorithm != "none"),) * 2:
            raise ValueError("key_id and signature_b64 stand with ed25519, and never with none")
        return self


class Signer(Protocol):
    """A private key and its name (`ota_keys.SigningKey`)."""

    @property
    def key_id(self) -> str: ...

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        ...


class Verifier(Protocol):
    """A public key that the caller trusts, and its name (`ota_keys.TrustedKey`)."""

    @property
    def key_id(self) -> str: ...

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` was made by this key over `data`."""
        ...


def make_signature(manifest: bytes, *, created_at: datetime, key: Signer | None = None) -> SignatureStub:
    """Return the signature of a manifest's bytes; without a key the stub."""
    draft = SignatureStub(
        signature_id=SIGNATURE_NAMESPACE,
        created_at=utc_text(created_at),
        subject_sha256=hashlib.sha256(manifest).hexdigest(),
        algorithm="ed25519" if key else "none",
        key_id=key.key_id if key else None,
        signature_b64=base64.b64encode(key.sign(manifest)).decode("ascii") if key else None,
        notes="signed" if key else "unsigned-stub",
    )
    return sealed(draft, "signature_id", SIGNATURE_NAMESPACE)


def signature_from(raw: bytes) -> SignatureStub:
    """Return the signature that `raw` holds. Raises SignatureRefused if it cannot be read as one."""
    try:
        return SignatureStub.model_validate(parse_json_object(raw, max_bytes=MAX_SIGNATURE_BYTES))
    except ValidationError as error:
        raise SignatureRefused(str(first_problem(error, SIGNATURE_NAME))) from error
    except InvalidInput as error:
        raise SignatureRefused(str(error.in_file(SIGNATURE_NAME))) from error


def check_signature(signature: SignatureStub | None, manifest: bytes, trusted: Verifier | None) -> None:
    """Raise SignatureRefused unless the signature is about these bytes and, if a key is given, made by that key."""
    if signature is not None and signature.subject_sha256 != hashlib.sha256(manifest).hexdigest():
        raise SignatureRefused(f"{SIGNATURE_NAME}: subject_sha256: not the hash of this {MANIFEST_NAME}")
    if trusted is None:
        return
    if signature is None or signature.signature_b64 is None:
        raise SignatureRefused(f"{SIGNATURE_NAME}: the bundle is not signed, and a trusted key was given")
    _check_ed25519(signature.signature_b64, signature.key_id, manifest, trusted)


def _check_ed25519(signature_b64: str, key_id: str | None, manifest: bytes, trusted: Verifier) -> None:
    if key_id != trusted.key_id:
        raise SignatureRefused(f"{SIGNATURE_NAME}: key_id: signed by another key than the trusted {trusted.key_id}")
    try:
        signature = base64.b64decode(signature_b64, validate=True)
    except binascii.Error as error:
        raise SignatureRefused(f"{SIGNATURE_NAME}: signature_b64: not base64") from error
    if not trusted.verifies(signature, manifest):
        raise SignatureRefused(f"{SIGNATURE_NAME}: signature_b64: not made by {trusted.key_id} for this manifest")


def check_signature_seal(raw: bytes, signature: SignatureStub) -> None:
    """Raise SignatureRefused if `signature.json` was changed after it was made."""
    try:
        check_seal(raw, signature, "signature_id", SIGNATURE_NAMESPACE, SignatureRefused)
    except SignatureRefused as error:
        raise SignatureRefused(f"{SIGNATURE_NAME}: {error}") from error
