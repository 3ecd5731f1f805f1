"""Bundles for tests, and what somebody could do to them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sg_coach import BundleBuildResult, build_assignment_ota_bundle, session_from
from sg_coach.ota_seal import document_bytes
from sg_coach.ota_signing import make_signature
from tests.takes import assignment_of, golden

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, UTC)
ATTACHMENTS = [("notes/a.txt", b"one"), ("b.mid", b"MThd")]


def build(out: Path, **options: Any) -> BundleBuildResult:
    """The bundle of the golden take, with two attachments, at a fixed time."""
    chosen: dict[str, Any] = {"attachments": ATTACHMENTS, "created_at": NOW} | options
    return build_assignment_ota_bundle(assignment=assignment_of(session_from(golden("session"))), out_dir=out, **chosen)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], object], *, fix_stub: bool = True) -> None:
    """Change the manifest as a forger would: written well, and with a stub that fits it."""
    path = bundle / "manifest.json"
    document = json.loads(path.read_bytes())
    change(document)
    raw = (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    path.write_bytes(raw)
    if fix_stub:
        (bundle / "signature.json").write_bytes(document_bytes(make_signature(raw, created_at=NOW)))


def pack(target: Path, files: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    """A zip as another tool would write it."""
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return target
