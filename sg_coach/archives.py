"""Zip files: written the same way every time, and read only after their structure was checked. Blocking.

Writing: entries sorted by path, stored (what a compressor makes differs from version to version), fixed time
(1980-01-01) and mode (0644). The archive's comment seals its directory: `sha256:` and the digest of every byte from
the start of the central directory to the comment's length field.

Reading: the standard library decodes, but it takes archives that two readers see differently (junk before or
between entries, overlapping entries, local headers that contradict the directory). Here every byte must belong to
exactly one entry, the directory or its end, in this order, and each entry must say the same in both places.
Refused besides: encryption, symlinks, devices, twin names, unsafe paths, ZIP64, data after the end, a comment that is
not our seal, streamed entries (data descriptors), and amounts above the limits of `untrusted`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple

from .errors import HashMismatch, UnsafeArchive, UnsafePath
from .files import Folder
from .trees import (
    CHUNK_BYTES,
    aside,
    chunks_of,
    create_file,
    make_subfolder,
    open_file,
    open_inside,
    place,
    sync_tree,
    write_stream,
)
from .untrusted import MAX_ENTRIES, MAX_RATIO, check_amount, check_distinct, check_relative_path, shown

_END: Final = struct.Struct("<4s4H2LH")
_LOCAL: Final = struct.Struct("<4s2B4HL2L2H")
_SEAL_PREFIX: Final = b"sha256:"
_SEAL_LENGTH: Final = len(_SEAL_PREFIX) + 64
_SEALED_PART_OF_END: Final = _END.size - 2
_ZIP64_LOCATOR: Final = (20, b"PK\x06\x07")
_MAX_DIRECTORY_BYTES: Final = MAX_ENTRIES * 2048
_FIXED_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_MODE: Final = (stat.S_IFREG | 0o644) << 16
_ALLOWED_FLAGS: Final = 0x0806  # how hard the compressor tried (two bits), and names in UTF-8
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RENAMING_EXTRAS: Final = {0x0001: "ZIP64 sizes", 0x7075: "another name"}
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError, struct.error)


# Writing


def write_zip(folder: Folder, name: str, root: Folder, paths: Iterable[str]) -> None:
    """Write the files `paths` (relative to `root`) as the new archive `name` in `folder`, durably and reproducibly."""
    with os.fdopen(create_file(folder, name), "r+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(paths):
                _add(archive, path, open_inside(root, path))
        _add_seal(file)
        file.flush()
        os.fsync(file.fileno())


def _add(archive: zipfile.ZipFile, path: str, fd: int) -> None:
    info = zipfile.ZipInfo(path, _FIXED_TIME)
    info.create_system, info.external_attr, info.file_size = 3, _PLAIN_MODE, os.fstat(fd).st_size
    with contextlib.closing(chunks_of(fd)) as chunks, archive.open(info, "w") as entry:
        for chunk in chunks:
            entry.write(chunk)


def _add_seal(file: IO[bytes]) -> None:
    end = _read_end(file)
    seal = _seal_of(file, end)
    file.seek(end.position + _SEALED_PART_OF_END)
    file.write(struct.pack("<H", len(seal)) + seal)


# Structure


class _End(NamedTuple):
    """The record at the end of an archive."""

    position: int
    entries: int
    directory_size: int
    directory_start: int
    comment: bytes


def _read_end(file: IO[bytes]) -> _End:
    """Return the end record; it must be the last thing in the file, with no comment or one of a seal's length."""
    size = file.seek(0, os.SEEK_END)
    for comment_length in (0, _SEAL_LENGTH):
        position = size - _END.size - comment_length
        if position < 0:
            continue
        file.seek(position)
        signature, disk, disk_of_directory, here, entries, length, start, given = _END.unpack(file.read(_END.size))
        if signature == b"PK\x05\x06" and given == comment_length:
            end = _End(position, entries, length, start, file.read(comment_length))
            if (disk, disk_of_directory, here) != (0, 0, entries) or start + length != position:
                raise UnsafeArchive("the end record contradicts the file: parts, or data before the directory")
            return end
    raise UnsafeArchive("not a whole zip: the end record is missing, or something stands after it")


def _seal_of(file: IO[bytes], end: _End) -> bytes:
    file.seek(end.directory_start)
    sealed = file.read(end.directory_size + _SEALED_PART_OF_END)
    return _SEAL_PREFIX + hashlib.sha256(sealed).hexdigest().encode("ascii")


def _check_end(file: IO[bytes], end: _End) -> None:
    check_amount(end.entries, 0)
    if end.directory_size > _MAX_DIRECTORY_BYTES:
        raise UnsafeArchive(f"a directory of {end.directory_size} bytes")
    back, signature = _ZIP64_LOCATOR
    file.seek(max(0, end.position - back))
    if file.read(len(signature)) == signature:
        raise UnsafeArchive("a ZIP64 archive; a bundle never needs one")
    if end.comment and end.comment != _seal_of(file, end):
        raise UnsafeArchive("the archive's comment is not the seal of its directory: the directory was changed")


def _check_entry(info: zipfile.ZipInfo) -> None:
    """Check what the directory says about one entry."""
    path = info.orig_filename
    check_relative_path(path.removesuffix("/"))
    kind = stat.S_IFMT(info.external_attr >> 16)
    problems = (
        (info.flag_bits & 0x2041 != 0, "encrypted"),
        (info.flag_bits & 0x0008 != 0, "streamed (sizes after the data); pack it again with sizes in front"),
        (info.flag_bits & ~_ALLOWED_FLAGS != 0, "flags that are not known"),
        (kind == stat.S_IFLNK, "a symlink"),
        (kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG), "not a plain file"),
        (info.compress_type not in _METHODS, "neither stored nor deflated"),
        (info.is_dir() and info.file_size > 0, "a folder with content"),
        (info.compress_type == 0 and info.compress_size != info.file_size, "two sizes for one stored file"),
        (info.file_size > MAX_RATIO * info.compress_size, f"packed more than {MAX_RATIO}:1"),
    )
    problem = next((text for found, text in problems if found), None) or _extra_problem(info.extra)
    if problem:
        raise UnsafeArchive(f"'{shown(path)}': {problem}")


def _extra_problem(extra: bytes) -> str | None:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind in _RENAMING_EXTRAS:
            return f"an extra field with {_RENAMING_EXTRAS[kind]}"
        extra = extra[4 + length :]
    return "an extra field that is cut off" if extra else None


def _check_local(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Compare an entry's local header with the directory; return where the entry ends."""
    file.seek(info.header_offset)
    values = _LOCAL.unpack(file.read(_LOCAL.size))
    signature, version, reserved, flags, method, clock, date, crc, packed, size, name_length, extra_length = values
    name, extra = file.read(name_length), file.read(extra_length)
    moment = (date >> 9) + 1980, date >> 5 & 15, date & 31, clock >> 11, clock >> 5 & 63, (clock & 31) * 2
    said = (version, reserved, flags, method, moment, crc, packed, size, name)
    if signature != b"PK\x03\x04" or said != _wanted(info) or _extra_problem(extra):
        raise UnsafeArchive(f"'{shown(info.orig_filename)}': its local header contradicts the directory")
    return int(info.header_offset + _LOCAL.size + name_length + extra_length + packed)


def _wanted(info: zipfile.ZipInfo) -> tuple[object, ...]:
    """What a local header has to say, in its own order."""
    name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x0800 else "cp437")
    fixed = (info.extract_version, info.reserved, info.flag_bits, info.compress_type, info.date_time)
    return (*fixed, info.CRC, info.compress_size, info.file_size, name)


def _check_structure(file: IO[bytes], infos: list[zipfile.ZipInfo], end: _End) -> None:
    if len(infos) != end.entries:
        raise UnsafeArchive(f"{len(infos)} entries, the end record says {end.entries}")
    check_amount(len(infos), sum(info.file_size for info in infos))
    for info in infos:
        _check_entry(info)
    check_distinct(
        [info.orig_filename for info in infos if not info.is_dir()],
        [info.orig_filename.removesuffix("/") for info in infos if info.is_dir()],
    )
    expected = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset != expected:
            raise UnsafeArchive(f"'{shown(info.orig_filename)}': overlaps another entry, or junk stands before it")
        expected = _check_local(file, info)
    if expected != end.directory_start:
        raise UnsafeArchive("junk stands before the directory")


# Reading


class CheckedZip:
    """An open archive whose structure was checked; `sizes` are its files, unpacked, by their relative paths."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = {info.orig_filename: info for info in archive.infolist() if not info.is_dir()}
        self.sizes: Mapping[str, int] = {path: info.file_size for path, info in self._infos.items()}

    def chunks(self, path: str) -> Generator[bytes, None, None]:
        """Yield a file's content. Raises HashMismatch where the content does not fit its checksum."""
        try:
            with self._archive.open(self._infos[path]) as entry:
                while data := entry.read(CHUNK_BYTES):
                    yield data
        except _BROKEN as error:
            raise HashMismatch(f"{shown(path)}: damaged in the archive ({shown(str(error))})") from error


@contextlib.contextmanager
def open_checked_zip(path: Path) -> Iterator[CheckedZip]:
    """Open an archive and check its structure; nothing is unpacked.

    Raises UnsafeArchive or UnsafePath, naming the archive, for anything that must not be trusted, FileNotFoundError.
    """
    with os.fdopen(open_file(path), "rb") as file:
        try:
            end = _read_end(file)
            _check_end(file, end)
            archive = zipfile.ZipFile(file)
            _check_structure(file, archive.infolist(), end)
        except _BROKEN as error:
            raise UnsafeArchive(f"{path}: not a whole zip ({shown(str(error))})") from error
        except UnsafePath as error:
            raise type(error)(f"{path}: {error}") from error
        with archive:
            yield CheckedZip(archive)


def safe_unzip(archive: Path, target: Path) -> list[str]:
    """Unpack a checked archive into the new folder `target`; return the relative paths, sorted.

    The folder appears whole or not at all, and nothing is written anywhere else. Raises as `open_checked_zip`,
    HashMismatch for damaged content, InvalidInput if `target` is there already.
    """
    with (
        open_checked_zip(archive) as checked,
        Folder.open(target.parent.resolve()) as parent,
        aside(parent, target.name) as staging,
    ):
        with make_subfolder(staging, target.name) as root:
            for path in sorted(checked.sizes):
                write_stream(root, path, checked.chunks(path))
            sync_tree(root)
        place(staging, parent, [target.name])
        return sorted(checked.sizes)
