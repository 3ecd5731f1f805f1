"""Is this bundle whole, undamaged and from somebody we trust? Everything in it is untrusted until it was checked.

The order of the checks is the contract, because the exit codes of `sgc` follow from the first one that fails:

    1. names, kinds, amounts of what is there (a zip: its whole structure)     UnsafePath, UnsafeArchive   14
    2. `manifest.json` is there                                               ManifestMissing             10
    3. `signature.json`: hash of the manifest's bytes, then the trusted key   SignatureRefused            13
    4. only now the manifest is parsed; its paths first                       UnsafePath 14, InvalidInput  1
    5. nothing is there that the manifest does not list                       UnsafeArchive               14
    6. every artifact is there, with its size and hash                        ArtifactMissing 11, HashMismatch 12
    7. the assignment can be read and is the one that the manifest names      InvalidInput                 1
    8. the seals of signature and manifest (`ota_seal`)                       SignatureRefused 13, HashMismatch 12
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from .archives import CheckedZip, open_checked_zip
from .errors import ArtifactMissing, HashMismatch, InvalidInput, ManifestMissing, SignatureRefused, UnsafeArchive
from .files import Folder
from .jsontext import parse_json_object
from .models import PracticeAssignment, first_problem
from .ota_manifest import (
    ASSIGNMENT_NAME,
    MANIFEST_NAME,
    MANIFEST_NAMESPACE,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    OtaArtifact,
    OtaBundleManifest,
    manifest_from,
)
from .ota_seal import check_seal
from .ota_signing import (
    MAX_SIGNATURE_BYTES,
    SignatureStub,
    Verifier,
    check_signature,
    check_signature_seal,
    signature_from,
)
from .trees import chunks_of, file_sizes, open_inside
from .untrusted import shown

MAX_ASSIGNMENT_BYTES = 1024 * 1024
"""Largest assignment that is read (1 MiB)."""


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle that passed every check. `trusted` is true if a trusted key was given (and so made the signature)."""

    manifest: OtaBundleManifest
    assignment: PracticeAssignment
    signature: SignatureStub | None
    trusted: bool


class BundleSource(Protocol):
    """Where a bundle is read from: its files by their relative paths, with their sizes."""

    @property
    def sizes(self) -> Mapping[str, int]: ...

    def chunks(self, path: str) -> Generator[bytes, None, None]: ...


def verify_assignment_ota_bundle(bundle_dir: Path, *, trusted_key: Verifier | None = None) -> VerifiedBundle:
    """Check a bundle folder and return what it holds; raise at the first check that fails (see the module).

    With `trusted_key` (`ota_keys.load_trusted_key`) a stub, no signature or another key's is refused.
    Raises FileNotFoundError if there is no such folder.
    """
    with Folder.open(Path(bundle_dir)) as folder:
        return verify_source(_FolderSource(folder), trusted_key)


def verify_assignment_ota_zip(zip_path: Path, *, trusted_key: Verifier | None = None) -> VerifiedBundle:
    """Check a zipped bundle, its files at the root or all in one folder; nothing is unpacked. Raises as the other."""
    with open_checked_zip(Path(zip_path)) as archive:
        return verify_source(_ZipSource(archive), trusted_key)


class _FolderSource:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.sizes: Mapping[str, int] = file_sizes(folder)

    def chunks(self, path: str) -> Generator[bytes, None, None]:
        return chunks_of(open_inside(self._folder, path))


class _ZipSource:
    def __init__(self, archive: CheckedZip) -> None:
        self._archive = archive
        self._prefix = _common_folder(archive.sizes)
        start = len(self._prefix)
        self.sizes: Mapping[str, int] = {path[start:]: size for path, size in archive.sizes.items()}

    def chunks(self, path: str) -> Generator[bytes, None, None]:
        return self._archive.chunks(self._prefix + path)


def _common_folder(paths: Mapping[str, int]) -> str:
    """The one folder that everything is in, with its slash; empty if the manifest is at the root."""
    first = {path.partition("/")[0] for path in paths}
    if MANIFEST_NAME in paths or len(first) != 1:
        return ""
    prefix = f"{first.pop()}/"
    return prefix if prefix + MANIFEST_NAME in paths else ""


def verify_source(source: BundleSource, trusted_key: Verifier | None = None) -> VerifiedBundle:
    """Run checks 2 to 8 of the module on a source whose names and amounts were checked."""
    if MANIFEST_NAME not in source.sizes:
        raise ManifestMissing(f"{MANIFEST_NAME}: not in the bundle")
    raw, signature_raw, signature = _read_signed(source)
    check_signature(signature, raw, trusted_key)
    manifest = manifest_from(raw)
    _check_nothing_unlisted(source, manifest)
    for artifact in manifest.artifacts:
        _check_artifact(source, artifact)
    assignment = _read_assignment(source, manifest)
    if signature is not None:
        check_signature_seal(signature_raw, signature)
    _check_manifest_seal(raw, manifest)
    return VerifiedBundle(manifest, assignment, signature, trusted_key is not None)


def _read_signed(source: BundleSource) -> tuple[bytes, bytes, SignatureStub | None]:
    """The manifest's bytes, the signature's bytes and the signature, if there is one."""
    if SIGNATURE_NAME not in source.sizes:
        return _read(source, MANIFEST_NAME, MAX_MANIFEST_BYTES), b"", None
    try:
        signature_raw = _read(source, SIGNATURE_NAME, MAX_SIGNATURE_BYTES)
        raw = _read(source, MANIFEST_NAME, MAX_MANIFEST_BYTES)
    except HashMismatch as error:
        # Damage that an archive's checksum finds is the same damage that the signature would find.
        raise SignatureRefused(str(error)) from error
    return raw, signature_raw, signature_from(signature_raw)


def _read(source: BundleSource, name: str, max_bytes: int) -> bytes:
    """The content of a small file."""
    size = source.sizes[name]
    if size > max_bytes:
        raise UnsafeArchive(f"{name}: {size} bytes, the limit is {max_bytes}")
    data = bytearray()
    with contextlib.closing(source.chunks(name)) as chunks:
        for chunk in chunks:
            data += chunk
            if len(data) > max_bytes:
                raise UnsafeArchive(f"{name}: more than {max_bytes} bytes")
    return bytes(data)


def _check_nothing_unlisted(source: BundleSource, manifest: OtaBundleManifest) -> None:
    listed = {MANIFEST_NAME, SIGNATURE_NAME, *(artifact.path for artifact in manifest.artifacts)}
    unlisted = sorted(set(source.sizes) - listed)
    if unlisted:
        more = f" (and {len(unlisted) - 1} more)" if len(unlisted) > 1 else ""
        raise UnsafeArchive(f"{shown(unlisted[0])}: not listed in {MANIFEST_NAME}{more}")


def _check_artifact(source: BundleSource, artifact: OtaArtifact) -> None:
    path = artifact.path
    if path not in source.sizes:
        raise ArtifactMissing(f"{shown(path)}: listed in {MANIFEST_NAME}, not in the bundle")
    if source.sizes[path] != artifact.bytes:
        raise HashMismatch(f"{shown(path)}: {source.sizes[path]} bytes, {MANIFEST_NAME} says {artifact.bytes}")
    digest, size = hashlib.sha256(), 0
    for chunk in source.chunks(path):
        digest.update(chunk)
        size += len(chunk)
    if (digest.hexdigest(), size) != (artifact.sha256, artifact.bytes):
        raise HashMismatch(f"{shown(path)}: not the SHA-256 that {MANIFEST_NAME} lists")


def _read_assignment(source: BundleSource, manifest: OtaBundleManifest) -> PracticeAssignment:
    raw = _read(source, ASSIGNMENT_NAME, MAX_ASSIGNMENT_BYTES)
    try:
        assignment = PracticeAssignment.model_validate(parse_json_object(raw))
    except ValidationError as error:
        raise first_problem(error, ASSIGNMENT_NAME) from error
    except InvalidInput as error:
        raise error.in_file(ASSIGNMENT_NAME) from error
    for field in ("assignment_id", "session_id"):
        if getattr(assignment, field) != getattr(manifest, field):
            raise InvalidInput(f"not the one that {MANIFEST_NAME} names", source=ASSIGNMENT_NAME, field=field)
    return assignment


def _check_manifest_seal(raw: bytes, manifest: OtaBundleManifest) -> None:
    try:
        check_seal(raw, manifest, "manifest_id", MANIFEST_NAMESPACE, HashMismatch)
    except HashMismatch as error:
        raise HashMismatch(f"{MANIFEST_NAME}: {error}") from error
