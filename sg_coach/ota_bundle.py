"""From an assignment to a folder that a guitar can install, and to a zip of it. Whole or absent, and reproducible.

A bundle is built in a folder aside and renamed into place under the lock of `out_dir`, so nobody ever meets half of
one. The same assignment and attachments under the same `SOURCE_DATE_EPOCH` give the same bytes, folder and zip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from .archives import write_zip
from .assignment_serializer import assignment_to_json
from .build_time import build_time
from .contract import CLIP_ID_PATTERN
from .errors import InvalidInput
from .files import Folder
from .models import PracticeAssignment
from .ota_manifest import (
    ASSIGNMENT_NAME,
    ATTACHMENTS,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIGNATURE_NAME,
    OtaArtifact,
    make_manifest,
)
from .ota_seal import document_bytes
from .ota_signing import MAX_SIGNATURE_BYTES, Signer, make_signature
from .ota_verify import MAX_ASSIGNMENT_BYTES, VerifiedBundle, verify_assignment_ota_bundle, verify_assignment_ota_zip
from .trees import aside, chunks_of, file_sizes, make_subfolder, open_file, place, refuse_taken, sync_tree, write_stream
from .untrusted import MAX_ENTRIES, MAX_EXPANDED_BYTES, check_distinct, check_relative_path

__all__ = [
    "Attachment",
    "BundleBuildResult",
    "VerifiedBundle",
    "build_assignment_ota_bundle",
    "verify_assignment_ota_bundle",
    "verify_assignment_ota_zip",
]

Attachment = tuple[str, bytes | Path]
"""A relative name (`/` between its parts), and the content or the file to stream it from."""

_BUNDLE_NAME: Final = re.compile(CLIP_ID_PATTERN)
_OWN_FILES: Final = 3


@dataclass(frozen=True, slots=True)
class BundleBuildResult:
    """Where everything is now; `signature_path` and `zip_path` are None if they were not asked for."""

    bundle_dir: Path
    manifest_path: Path
    assignment_path: Path
    signature_path: Path | None
    zip_path: Path | None


def build_assignment_ota_bundle(
    *,
    assignment: PracticeAssignment,
    out_dir: Path,
    bundle_name: str | None = None,
    product: str = "smart-guitar",
    target_device_model: str | None = None,
    target_min_firmware: str | None = None,
    attachments: Sequence[Attachment] | None = None,
    make_zip: bool = True,
    write_signature: bool = True,
    signing_key: Signer | None = None,
    created_at: datetime | None = None,
    force: bool = False,
) -> BundleBuildResult:
    """Write the bundle of `assignment` into `out_dir` (created if missing), and its zip beside it.

    `bundle_name` is `ota_assignment_{assignment_id}` unless given (1 to 128 of `A-Z a-z 0-9 . _ -`). A Path among the
    `attachments` is streamed. Without `signing_key` the signature is a stub that says `none`. `created_at` is
    SOURCE_DATE_EPOCH or now unless given. `force` replaces what stands there.

    Raises InvalidInput (a bundle is there already, a value that does not fit, too much content), UnsafePath (an
    attachment's name or file), FileNotFoundError, OSError; then nothing of the new bundle is left.
    """
    if signing_key and not write_signature:
        raise InvalidInput("a signing key was given for a bundle without a signature", field="write_signature")
    name = _checked_name(f"ota_assignment_{assignment.assignment_id}" if bundle_name is None else bundle_name)
    contents = _contents(assignment, attachments or ())
    moment = created_at or build_time()
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    wanted = [name, *([f"{name}.zip"] if make_zip else [])]
    replaced = [name, f"{name}.zip"] if force else []
    with Folder.open(out.resolve()) as parent:
        refuse_taken(parent, set(wanted) - set(replaced))
        with aside(parent, name) as staging:
            with make_subfolder(staging, name) as root:
                manifest = make_manifest(
                    assignment=assignment,
                    artifacts=tuple(_write_artifacts(root, contents)),
                    created_at=moment,
                    product=product,
                    target_device_model=target_device_model,
                    target_min_firmware=target_min_firmware,
                )
                _write_documents(root, document_bytes(manifest), moment, write_signature, signing_key)
                sync_tree(root)
                if make_zip:
                    write_zip(staging, f"{name}.zip", root, file_sizes(root))
            place(staging, parent, wanted, replaces=replaced)
    return _result(out / name, signed=write_signature, zipped=make_zip)


def _checked_name(name: str) -> str:
    if not _BUNDLE_NAME.fullmatch(name):
        raise InvalidInput(
            "not 1 to 128 of A-Z a-z 0-9 . _ - with a letter or a digit first", field="bundle_name", remedy="rename it"
        )
    return name


def _contents(assignment: PracticeAssignment, attachments: Sequence[Attachment]) -> list[tuple[str, bytes | Path]]:
    """Every file that the manifest will list, by its path, the assignment first and the others sorted."""
    named = [(f"{ATTACHMENTS}/{check_relative_path(name)}", content) for name, content in attachments]
    named.sort(key=lambda item: item[0])
    check_distinct(path for path, _ in named)
    folders = {str(folder) for path, _ in named for folder in PurePosixPath(path).parents[:-1]}
    entries = len(named) + len(folders) + _OWN_FILES
    if entries > MAX_ENTRIES:
        problem = f"{entries} files and folders in all, a bundle holds {MAX_ENTRIES}"
        raise InvalidInput(problem, field="attachments", remedy="leave some out")
    document = assignment_to_json(assignment).encode("utf-8")
    _check_size(ASSIGNMENT_NAME, document, MAX_ASSIGNMENT_BYTES, "shorten its texts")
    return [(ASSIGNMENT_NAME, document), *named]


def _check_size(name: str, document: bytes, most: int, remedy: str) -> None:
    """A larger one would be refused by everybody who verifies the bundle."""
    if len(document) > most:
        raise InvalidInput(f"{len(document)} bytes, the limit is {most}", source=name, remedy=remedy)


def _write_artifacts(root: Folder, contents: list[tuple[str, bytes | Path]]) -> Iterator[OtaArtifact]:
    left = MAX_EXPANDED_BYTES - MAX_MANIFEST_BYTES - MAX_SIGNATURE_BYTES
    for path, content in contents:
        chunks = [content] if isinstance(content, bytes) else chunks_of(open_file(content))
        digest, size = write_stream(root, path, _at_most(left, chunks))
        left -= size
        own = path == ASSIGNMENT_NAME
        yield OtaArtifact(
            artifact_id="assignment" if own else f"att:{path}",
            kind="assignment" if own else "attachment",
            path=path,
            sha256=digest,
            bytes=size,
        )


def _at_most(limit: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks; raises InvalidInput when they become too much for one bundle."""
    for chunk in chunks:
        limit -= len(chunk)
        if limit < 0:
            problem = f"more than {MAX_EXPANDED_BYTES} bytes in one bundle"
            raise InvalidInput(problem, field="attachments", remedy="leave some out")
        yield chunk


def _write_documents(root: Folder, manifest: bytes, moment: datetime, signed: bool, key: Signer | None) -> None:
    _check_size(MANIFEST_NAME, manifest, MAX_MANIFEST_BYTES, "leave attachments out, or give them shorter names")
    write_stream(root, MANIFEST_NAME, [manifest])
    if signed:
        signature = make_signature(manifest, created_at=moment, key=key)
        write_stream(root, SIGNATURE_NAME, [document_bytes(signature)])


def _result(bundle_dir: Path, *, signed: bool, zipped: bool) -> BundleBuildResult:
    return BundleBuildResult(
        bundle_dir=bundle_dir,
        manifest_path=bundle_dir / MANIFEST_NAME,
        assignment_path=bundle_dir / ASSIGNMENT_NAME,
        signature_path=bundle_dir / SIGNATURE_NAME if signed else None,
        zip_path=bundle_dir.with_name(f"{bundle_dir.name}.zip") if zipped else None,
    )
