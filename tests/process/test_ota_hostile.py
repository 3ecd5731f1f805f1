"""Bundles and archives that somebody made to hurt: the right exit code, one clear line, nothing written outside."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sg_coach import CoachError, main, safe_unzip
from tests.deep import is_deep
from tests.process.ota import build, contents, edit_manifest, pack

Files = dict[str, bytes]


class Ground:
    """A folder with the victim inside, and a look at everything around it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.bundle = build(root / "made", make_zip=False).bundle_dir
        self.zip = root / "hostile.zip"

    @property
    def files(self) -> Files:
        return contents(self.bundle)

    def run(self, *command: str) -> tuple[int, str]:
        """Exit code and error line of `sgc`; nothing around may change."""
        before = self._look()
        code = main(command)
        printed = self.capsys.readouterr()
        assert self._look() == before
        if code:
            assert printed.out == ""
            assert printed.err.startswith("ERROR: ")
            assert printed.err.count("\n") == 1
            assert printed.err.removesuffix("\n").isprintable()
        return code, printed.err

    def folder(self) -> tuple[int, str]:
        return self.run("ota-verify", str(self.bundle))

    def archive(self) -> tuple[int, str]:
        """Verify the zip; unpack it, too, and see that nothing lands outside of the target."""
        code, line = self.run("ota-verify-zip", str(self.zip))
        before, target = self._look(), self.root / "unpacked"
        try:
            safe_unzip(self.zip, target)
        except CoachError:
            assert not target.exists()
        else:
            shutil.rmtree(target)
        assert self._look() == before
        return code, line

    def _look(self) -> list[tuple[str, int]]:
        return sorted((str(path), path.lstat().st_size) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def ground(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ground:
    return Ground(tmp_path, capsys)


# Zips: names


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../evil", "holds . or .."),
        ("attachments/../../evil", "holds . or .."),
        ("/tmp/evil", "is absolute"),
        ("C:evil", "has a drive letter"),
        ("C:/evil", "has a drive letter"),
        ("..\\evil", "holds a backslash"),
        ("a\x1b[2Jb", "cannot be printed"),
        ("line\nbreak", "cannot be printed"),
        ("x" * 300, "longer than 255 bytes"),
        ("manifest.json ", "ends with a dot or a blank"),
        ("../evil/", "holds . or .."),
        ("ASSIGNMENT.json", "two entries for one file"),
        ("assignment.json/x", "is a file and the folder of"),
        ("assignment.json/", "two entries for one file"),
        ("Manifest.json/", "two entries for one file"),
        ("assignment.json/x/", "is a file and the folder of"),
    ],
)
def test_a_name_that_could_lead_elsewhere(ground: Ground, name: str, problem: str) -> None:
    pack(ground.zip, {**ground.files, name: b"" if name.endswith("/") else b"evil"})
    code, line = ground.archive()
    assert code == 14
    assert problem in line


def test_the_archive_is_named(ground: Ground) -> None:
    pack(ground.zip, {**ground.files, "../evil": b"evil"})
    assert ground.archive()[1].startswith(f"ERROR: {ground.zip}: the path '../evil'")
    ground.zip.write_bytes(ground.zip.read_bytes()[:-1])
    assert ground.archive()[1].startswith(f"ERROR: {ground.zip}: not a whole zip")


def test_a_name_with_a_nul(ground: Ground) -> None:
    """Some readers stop at the NUL: one archive, two names."""
    pack(ground.zip, {**ground.files, "attachmentsX": b"evil"})
    ground.zip.write_bytes(ground.zip.read_bytes().replace(b"attachmentsX", b"attach\x00.json"[:12]))
    assert ground.archive()[0] == 14


def test_the_same_name_twice(ground: Ground) -> None:
    pack(ground.zip, ground.files)
    with zipfile.ZipFile(ground.zip, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("assignment.json", b"evil")
    code, line = ground.archive()
    assert code == 14
    assert "two entries for one file" in line


def test_the_same_folder_twice(ground: Ground) -> None:
    pack(ground.zip, {**ground.files, "attachments/": b""})
    assert ground.archive()[0] == 0
    with zipfile.ZipFile(ground.zip, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("attachments/", b"")
    code, line = ground.archive()
    assert code == 14
    assert "two entries for one file" in line


# Zips: kinds


def special(mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("attachments/special")
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        (0o120777, "a symlink"),
        (0o010644, "not a plain file"),
        (0o020644, "not a plain file"),
        (0o040755, "not a plain"),
    ],
)
def test_an_entry_that_is_no_plain_file(ground: Ground, mode: int, problem: str) -> None:
    pack(ground.zip, ground.files)
    with zipfile.ZipFile(ground.zip, "a") as archive:
        archive.writestr(special(mode), b"/etc/passwd")
    code, line = ground.archive()
    assert code == 14
    assert problem in line


@pytest.mark.parametrize(("flag", "problem"), [(0x1, "encrypted"), (0x40, "encrypted"), (0x2000, "encrypted")])
def test_an_encrypted_entry(ground: Ground, flag: int, problem: str) -> None:
    pack(ground.zip, ground.files)
    ground.zip.write_bytes(with_flag(ground.zip.read_bytes(), flag))
    code, line = ground.archive()
    assert code == 14
    assert problem in line


def with_flag(raw: bytes, flag: int) -> bytes:
    """The archive with a flag set in every entry, in both places."""
    changed = bytearray(raw)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = changed.find(signature)
        while start >= 0:
            (flags,) = struct.unpack_from("<H", changed, start + offset)
            struct.pack_into("<H", changed, start + offset, flags | flag)
            start = changed.find(signature, start + 4)
    return bytes(changed)


def test_an_entry_whose_sizes_come_after_its_data(ground: Ground) -> None:
    class Pipe(io.RawIOBase):
        """A target that cannot be sought in: the writer has to stream."""

        def __init__(self) -> None:
            self.written = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.written += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for name, data in ground.files.items():
            archive.writestr(name, data)
    ground.zip.write_bytes(pipe.written)
    code, line = ground.archive()
    assert code == 14
    assert "streamed" in line


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_firmware_does_not_know(ground: Ground, method: int) -> None:
    pack(ground.zip, ground.files, method=method)
    code, line = ground.archive()
    assert code == 14
    assert "neither stored nor deflated" in line or "flags" in line


@pytest.mark.parametrize("kind", [0x0001, 0x7075])
def test_an_extra_field_that_says_something_else(ground: Ground, kind: int) -> None:
    info = zipfile.ZipInfo("attachments/extra")
    info.extra = struct.pack("<2H", kind, 16) + bytes(16)
    pack(ground.zip, ground.files)
    with zipfile.ZipFile(ground.zip, "a") as archive:
        archive.writestr(info, b"x")
    assert ground.archive()[0] == 14


# Zips: amounts


def test_a_bomb(ground: Ground) -> None:
    pack(ground.zip, {**ground.files, "attachments/bomb": bytes(20_000_000)}, method=zipfile.ZIP_DEFLATED)
    assert ground.zip.stat().st_size < 30_000
    code, line = ground.archive()
    assert code == 14
    assert "more than 100:1" in line


def test_too_much_in_many_small_steps(ground: Ground) -> None:
    """Each entry stays under 100:1; together they are too much."""
    block = random.Random(1).randbytes(160_000) + bytes(9_800_000)
    pack(
        ground.zip,
        {**ground.files, **{f"attachments/{number}": block for number in range(27)}},
        method=zipfile.ZIP_DEFLATED,
    )
    assert ground.zip.stat().st_size < 8_000_000
    code, line = ground.archive()
    assert code == 14
    assert "unpacked, the limit is 268435456" in line


@pytest.mark.parametrize("count", [4097, 65_536])
def test_too_many_entries(ground: Ground, count: int) -> None:
    pack(ground.zip, {f"attachments/{number}": b"" for number in range(count)})
    assert ground.archive()[0] == 14


def test_overlapping_entries(ground: Ground) -> None:
    """A quoted bomb: every entry of the directory leads to the same data."""
    pack(ground.zip, {**ground.files, "attachments/a": b"A" * 1000})
    raw = ground.zip.read_bytes()
    with zipfile.ZipFile(ground.zip) as archive:
        start = archive.start_dir
    directory, end = raw[start:-22], bytearray(raw[-22:])
    again = directory[directory.rindex(b"PK\x01\x02") :].replace(b"attachments/a", b"attachments/b")
    entries = directory.count(b"PK\x01\x02") + 1
    struct.pack_into("<2HL", end, 8, entries, entries, len(directory) + len(again))
    ground.zip.write_bytes(raw[:start] + directory + again + end)
    code, line = ground.archive()
    assert code == 14
    assert "contradicts" in line or "overlaps" in line


def test_a_bomb_inside_is_never_opened(ground: Ground) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(20_000_000))
    built = build(ground.root / "nested", attachments=[("bomb.zip", bomb.getvalue())])
    assert built.zip_path
    ground.zip = built.zip_path
    assert ground.archive()[0] == 0


# Zips: structure


@pytest.mark.parametrize("keep", [0, 1, 21, 22, 100, -1, -22, -100])
def test_a_truncated_archive(ground: Ground, keep: int) -> None:
    pack(ground.zip, ground.files)
    ground.zip.write_bytes(ground.zip.read_bytes()[:keep])
    code, line = ground.archive()
    assert code == 14
    assert "whole zip" in line


@pytest.mark.parametrize("own", [True, False])
def test_every_truncation_of_a_sealed_archive(ground: Ground, own: bool) -> None:
    built = build(ground.root / "built")
    assert built.zip_path
    raw = built.zip_path.read_bytes() if own else pack(ground.zip, ground.files).read_bytes()
    for keep in range(0, len(raw), 1 if is_deep() else 13):
        ground.zip.write_bytes(raw[:keep])
        assert main(["ota-verify-zip", str(ground.zip)]) == 14
    ground.capsys.readouterr()


@pytest.mark.parametrize("where", ["before", "after", "between", "before the directory"])
def test_junk(ground: Ground, where: str) -> None:
    pack(ground.zip, ground.files)
    raw = ground.zip.read_bytes()
    with zipfile.ZipFile(ground.zip) as archive:
        start = archive.start_dir
    moved = bytearray(raw[-22:])
    struct.pack_into("<L", moved, 16, start + 4)
    ground.zip.write_bytes(
        {
            "before": b"JUNK" + raw,
            "after": raw + b"JUNK",
            "between": raw[:start] + b"JUNK" + raw[start:-22] + bytes(moved),
            "before the directory": raw[:start] + b"JUNK" + raw[start:],
        }[where]
    )
    assert ground.archive()[0] == 14


def test_a_comment_that_is_not_our_seal(ground: Ground) -> None:
    for comment in (b"hello", b"sha256:" + b"0" * 64):
        pack(ground.zip, ground.files)
        with zipfile.ZipFile(ground.zip, "a") as archive:
            archive.comment = comment
        assert ground.archive()[0] == 14


def test_a_local_header_that_names_another_file(ground: Ground) -> None:
    pack(ground.zip, ground.files)
    raw = ground.zip.read_bytes()
    ground.zip.write_bytes(raw.replace(b"assignment.json", b"assignmenX.json", 1))
    code, line = ground.archive()
    assert code == 14
    assert "contradicts the directory" in line


@pytest.mark.parametrize(("name", "expected"), [("assignment.json", 12), ("manifest.json", 13), ("signature.json", 13)])
def test_a_bad_checksum(ground: Ground, name: str, expected: int) -> None:
    """The content is whole, the archive's own checksum of it is not."""
    pack(ground.zip, ground.files)
    with zipfile.ZipFile(ground.zip) as archive:
        crc = struct.pack("<L", archive.getinfo(name).CRC)
    ground.zip.write_bytes(ground.zip.read_bytes().replace(crc, b"\0\1\2\3"))
    code, line = ground.archive()
    assert code == expected
    assert name in line


def test_a_damaged_stream(ground: Ground) -> None:
    pack(ground.zip, ground.files, method=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(ground.zip) as archive:
        info = archive.getinfo("assignment.json")
    raw = bytearray(ground.zip.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    raw[start : start + 20] = b"\xff" * 20
    ground.zip.write_bytes(raw)
    assert ground.archive()[0] == 12


@pytest.mark.parametrize("raw", [b"", b"PK\x05\x06", b"not a zip", b"\x1f\x8b\x08", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_at_all(ground: Ground, raw: bytes) -> None:
    ground.zip.write_bytes(raw)
    assert ground.archive()[0] == (10 if len(raw) == 22 else 14)


@pytest.mark.parametrize("folder", ["a/b/", "a/"])
def test_a_bundle_too_deep_in_the_archive(ground: Ground, folder: str) -> None:
    files = {folder + name: data for name, data in ground.files.items()}
    pack(ground.zip, files if folder == "a/b/" else {**files, "b/other": b""})
    assert ground.archive()[0] == 10


def test_a_zip_in_a_zip(ground: Ground) -> None:
    built = build(ground.root / "inner")
    assert built.zip_path
    pack(ground.zip, {"bundle.zip": built.zip_path.read_bytes()})
    assert ground.archive()[0] == 10


def test_a_zip_behind_a_symlink_or_a_pipe(ground: Ground) -> None:
    pack(ground.root / "real.zip", ground.files)
    ground.zip.symlink_to("real.zip")
    assert ground.run("ota-verify-zip", str(ground.zip))[0] == 14
    ground.zip.unlink()
    os.mkfifo(ground.zip)
    assert ground.run("ota-verify-zip", str(ground.zip))[0] == 14


# Folders and zips: what the manifest says. Each change comes with a stub that fits it.


def first_artifact(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["artifacts"][1].update(changes)


def add(**artifact: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["artifacts"].append(artifact)


HASH = "0" * 64
CHANGES: Mapping[str, tuple[Callable[[dict[str, Any]], object], int]] = {
    "a path outside": (first_artifact(path="../../evil"), 14),
    "an absolute path": (first_artifact(path="/etc/passwd"), 14),
    "a drive": (first_artifact(path="C:\\evil"), 14),
    "the manifest itself": (first_artifact(path="manifest.json"), 14),
    "the signature": (first_artifact(path="signature.json"), 14),
    "a path twice": (add(artifact_id="x", kind="attachment", path="assignment.json", sha256=HASH, bytes=1), 14),
    "case twins": (add(artifact_id="x", kind="attachment", path="Attachments/B.mid", sha256=HASH, bytes=1), 14),
    "a folder": (first_artifact(path="attachments"), 14),
    "a file that is not there": (add(artifact_id="x", kind="attachment", path="gone", sha256=HASH, bytes=1), 11),
    "the hash of another file": (
        lambda manifest: manifest["artifacts"][1].update(sha256=manifest["artifacts"][2]["sha256"]),
        12,
    ),
    "a size of 0": (first_artifact(bytes=0), 12),
    "a size of -1": (first_artifact(bytes=-1), 1),
    "a size of 1.5": (first_artifact(bytes=1.5), 1),
    "a size as text": (first_artifact(bytes="4"), 1),
    "a short hash": (first_artifact(sha256="ab"), 1),
    "no hash": (first_artifact(sha256=None), 1),
    "an unlisted file": (lambda manifest: manifest["artifacts"].pop(), 14),
    "another assignment": (lambda manifest: manifest.update(assignment_id=manifest["session_id"]), 1),
    "no assignment": (lambda manifest: manifest["artifacts"].pop(0), 1),
    "a newer contract": (lambda manifest: manifest.update(contract="v2"), 1),
    "a surplus field": (lambda manifest: manifest.update(surplus=True), 1),
    "a new product, the id kept": (lambda manifest: manifest.update(product="other"), 12),
    "an id of its own": (lambda manifest: manifest.update(manifest_id=manifest["session_id"]), 12),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_manifest_that_lies(ground: Ground, case: str, zipped: bool) -> None:
    change, expected = CHANGES[case]
    edit_manifest(ground.bundle, change)
    if zipped:
        pack(ground.zip, ground.files)
    code, line = ground.archive() if zipped else ground.folder()
    assert code == expected, line


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"a": 1, "a": 1}', b'{"a": NaN}', b"[" * 100_000, b"\xff\xfe", b"{}{}", b'{"artifacts": [7, {}]}'],
)
def test_a_manifest_that_is_none(ground: Ground, raw: bytes) -> None:
    (ground.bundle / "manifest.json").write_bytes(raw)
    assert ground.folder()[0] == 13
    (ground.bundle / "signature.json").unlink()
    code, line = ground.folder()
    assert code == 1
    assert "manifest.json" in line


def test_a_manifest_of_100_mb(ground: Ground) -> None:
    (ground.bundle / "signature.json").unlink()
    with (ground.bundle / "manifest.json").open("ab") as file:
        file.truncate(100_000_000)
    code, line = ground.folder()
    assert code == 14
    assert "manifest.json: 100000000 bytes, the limit is 4194304" in line


def test_a_large_manifest_in_a_zip(ground: Ground) -> None:
    noise = json.dumps({"x": random.Random(1).randbytes(4_000_000).hex()}).encode()
    pack(ground.zip, {**ground.files, "manifest.json": noise}, method=zipfile.ZIP_DEFLATED)
    code, line = ground.archive()
    assert code == 14
    assert "manifest.json" in line


def test_another_manifests_signature(ground: Ground) -> None:
    other = build(ground.root / "other", product="other").bundle_dir
    shutil.copy(other / "signature.json", ground.bundle / "signature.json")
    assert ground.folder()[0] == 13


def test_swapped_files(ground: Ground) -> None:
    one, other = ground.bundle / "assignment.json", ground.bundle / "attachments" / "b.mid"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    code, line = ground.folder()
    assert code == 12
    assert "assignment.json" in line


def test_an_assignment_that_is_none(ground: Ground) -> None:
    raw = b'{"assignment_id": 1}'
    (ground.bundle / "assignment.json").write_bytes(raw)
    edit_manifest(
        ground.bundle, lambda m: m["artifacts"][0].update(bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())
    )
    code, line = ground.folder()
    assert code == 1
    assert "assignment.json: " in line


# Folders: kinds


def replace_attachment(bundle: Path) -> Path:
    path = bundle / "attachments" / "b.mid"
    path.unlink()
    return path


@pytest.mark.parametrize("kind", ["symlink", "dangling", "loop", "pipe", "folder", "hard link"])
def test_an_attachment_that_is_no_plain_file(ground: Ground, kind: str) -> None:
    outside = ground.root / "outside"
    outside.write_bytes(b"MThd")
    path = replace_attachment(ground.bundle)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "hard link":
        path.hardlink_to(outside)
    else:
        path.symlink_to({"symlink": outside, "dangling": Path("nowhere"), "loop": path}[kind])
    assert ground.folder()[0] == (11 if kind == "folder" else 14)


def test_a_folder_behind_a_symlink(ground: Ground) -> None:
    attachments = ground.bundle / "attachments"
    attachments.rename(ground.root / "elsewhere")
    attachments.symlink_to(ground.root / "elsewhere")
    assert ground.folder()[0] == 14
    link = ground.root / "link"
    link.symlink_to(ground.bundle)
    assert ground.run("ota-verify", str(link))[0] == 14


@pytest.mark.parametrize(
    "name", [b"evil", b"attachments/evil", b"\xff\xfe", b"new\nline", b".hidden", b"Manifest.JSON"]
)
def test_a_file_that_nobody_listed(ground: Ground, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(ground.bundle), name))).write_bytes(b"x")
    assert ground.folder()[0] == 14


def test_a_folder_full_of_files(ground: Ground) -> None:
    for number in range(4096):
        (ground.bundle / "attachments" / f"{number}").touch()
    code, line = ground.folder()
    assert code == 14
    assert "the limit is 4096" in line


def test_a_folder_of_sparse_files(ground: Ground) -> None:
    with (ground.bundle / "attachments" / "sparse").open("wb") as file:
        file.truncate(5 * 1024**3)
    assert ground.folder()[0] == 14


def test_a_bundle_that_is_a_file(ground: Ground) -> None:
    assert ground.run("ota-verify", str(ground.bundle / "manifest.json"))[0] == 14
