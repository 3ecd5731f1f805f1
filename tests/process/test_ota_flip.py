"""One flipped byte anywhere in a bundle or its zip is found, every byte of every file, and with the right exit code."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sg_coach import (
    BundleBuildResult,
    CoachError,
    generate_key_pair,
    load_signing_key,
    load_trusted_key,
    verify_assignment_ota_bundle,
    verify_assignment_ota_zip,
)
from sg_coach.cli import exit_code
from tests.deep import is_deep
from tests.process.ota import build

MASKS = (0x01, 0x20, 0x80, 0xFF)
"""A neighbour (another digit, another letter), the other case or another blank, no ASCII any more, all bits."""

EXPECTED = {"manifest.json": 13, "signature.json": 13, "assignment.json": 12, "attachments/b.mid": 12}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BundleBuildResult:
    return build(tmp_path_factory.mktemp("flip"), attachments=[("b.mid", b"MThd")])


def code_of(path: Path, trusted: Path | None = None) -> int:
    verify = verify_assignment_ota_zip if path.suffix == ".zip" else verify_assignment_ota_bundle
    try:
        verify(path, trusted_key=load_trusted_key(trusted) if trusted else None)
    except CoachError as error:
        return exit_code(error)
    return 0


def flipped(path: Path) -> Iterator[int]:
    """Flip each byte of a file in one of the ways (deep: in each), one after the other, and put it back at the end."""
    whole = path.read_bytes()
    try:
        for position in range(len(whole)):
            for mask in MASKS if is_deep() else (MASKS[position % len(MASKS)],):
                changed = bytearray(whole)
                changed[position] ^= mask
                path.write_bytes(changed)
                yield position
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_flipped_byte_in_the_folder(built: BundleBuildResult, name: str) -> None:
    codes = {code_of(built.bundle_dir) for _ in flipped(built.bundle_dir / name)}
    assert codes == {EXPECTED[name]}
    assert code_of(built.bundle_dir) == 0


def test_a_flipped_byte_in_the_zip(built: BundleBuildResult) -> None:
    """In a file's content the code is the one of the folder; anywhere else the archive is not to be trusted."""
    assert built.zip_path
    expected = [14] * built.zip_path.stat().st_size
    with zipfile.ZipFile(built.zip_path) as archive:
        for info in archive.infolist():
            start = info.header_offset + 30 + len(info.filename)
            expected[start : start + info.file_size] = [EXPECTED[info.filename]] * info.file_size
    assert expected.count(12) > 700
    for position in flipped(built.zip_path):
        assert code_of(built.zip_path) == expected[position], f"byte {position}"
    assert code_of(built.zip_path) == 0


def test_a_flipped_byte_of_an_unsigned_bundle(tmp_path: Path) -> None:
    """Without a signature the manifest's own id shows the damage."""
    built = build(tmp_path, write_signature=False, make_zip=False, attachments=None)
    assert 0 not in {code_of(built.bundle_dir) for _ in flipped(built.manifest_path)}


def test_a_flipped_byte_of_a_signature(tmp_path: Path) -> None:
    private, public = generate_key_pair(tmp_path / "keys")
    built = build(tmp_path, signing_key=load_signing_key(private), make_zip=False, attachments=None)
    assert built.signature_path
    assert code_of(built.bundle_dir, public) == 0
    assert {code_of(built.bundle_dir, public) for _ in flipped(built.signature_path)} == {13}
    assert {code_of(built.bundle_dir) for _ in flipped(built.signature_path)} == {13}


def test_the_seal_covers_what_no_other_check_can_see(built: BundleBuildResult) -> None:
    """A mode, for one: both places could be changed alike, were the directory not sealed."""
    assert built.zip_path
    raw = bytearray(built.zip_path.read_bytes())
    struct.pack_into("<L", raw, raw.index(b"PK\x01\x02") + 38, 0o100755 << 16)
    (built.bundle_dir.parent / "mode.zip").write_bytes(raw)
    assert code_of(built.bundle_dir.parent / "mode.zip") == 14
