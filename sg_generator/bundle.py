"""Bundles on disk, each whole or absent. Blocking.

    {root}/{YYYY-MM-DD}/.{clip_id}.{pid}-{n}.tmp/   being written; readers skip names that start with a dot
    {root}/{YYYY-MM-DD}/{clip_id}/                  after one rename: complete and durable

Folders are 0700 and files 0600. The day is that of `now` in UTC. Whoever writes holds the lock of its temporary folder,
so the next writer can tell what a dead one left, and removes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from sg_coach.contract import (
    BASS_FILE,
    BUNDLE_VERSION,
    CLIP_FILE,
    COMP_FILE,
    ERROR_FILE,
    MANIFEST_FILE,
    RUNLOG_FILE,
    TAGS_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError, LockTimeout
from sg_coach.files import PRIVATE, Folder, start_writing
from sg_coach.jsontext import parse_json_object, to_compact_json, to_json_bytes
from sg_coach.timestamps import utc_text

from .errors import ErrorCode, GeneratorError, InvalidRequest, RegenerationFailed
from .midi import files_of
from .models import Arrangement, ClipRequest, request_from

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    CLIP_FILE: ("clip", "midi"),
    COMP_FILE: ("clip_comp", "midi"),
    BASS_FILE: ("clip_bass", "midi"),
    TAGS_FILE: ("clip_tags", "tags"),
    RUNLOG_FILE: ("clip_runlog", "runlog"),
    ERROR_FILE: ("clip_error", "error"),
}
"""File to its artifact id and kind."""

_MAX_TAGS_BYTES: Final = 1024 * 1024
_ATTEMPTS: Final = 1000
_ABANDONED: Final = re.compile(r"\.clip_[0-9a-f]+\.\d+-\d+\.tmp")
_serial = itertools.count()

Content = Callable[[str], dict[str, bytes]]
"""What a bundle holds, besides its manifest, for a clip id."""


class Written(NamedTuple):
    """A bundle that stands on disk."""

    clip_id: str
    folder: Path


def write_bundle(
    root: Path,
    request: ClipRequest,
    arrangement: Arrangement,
    now: datetime,
    *,
    engine_version: str,
    parent_clip_id: str | None = None,
) -> Written:
    """Write the bundle of a clip under `root`; when it returns, the bundle survives a power cut.

    `now` is aware. The same request at the same instant gets another clip id. Raises OSError, UnsafePath.
    """
    midi = files_of(arrangement)

    def content(clip_id: str) -> dict[str, bytes]:
        tags = _tags(clip_id, request, arrangement, now) | (
            {"parent_clip_id": parent_clip_id} if parent_clip_id else {}
        )
        runlog = _runlog(clip_id, request.seed, engine_version, now)
        return midi | {TAGS_FILE: to_json_bytes(tags), RUNLOG_FILE: to_json_bytes(runlog)}

    identity = {"request": request.model_dump(mode="json"), "parent_clip_id": parent_clip_id}
    return _write(root, now, identity, content)


def write_error_bundle(
    root: Path, request: Mapping[str, Any], code: ErrorCode, message: str, now: datetime, *, engine_version: str
) -> Written:
    """Write a bundle that says why there is no clip. `request` is what came, as parsed JSON."""

    def content(clip_id: str) -> dict[str, bytes]:
        error = {"clip_id": clip_id, "created_at_utc": utc_text(now), "error_code": str(code), "message": message}
        runlog = _runlog(clip_id, request.get("seed"), engine_version, now) | {"status": "failed"}
        return {ERROR_FILE: to_json_bytes(error), RUNLOG_FILE: to_json_bytes(runlog)}

    return _write(root, now, {"request": dict(request), "error": str(code)}, content)


def read_request(folder: Path) -> ClipRequest:
    """Return the request that a clip was made from, as its `clip.tags.json` tells.

    Tags of other writers may lack our own fields (`bars`, `seed`, …): the bars are then as many as the chords. Raises
    RegenerationFailed naming the file and what is wrong with it.
    """
    source = f"{folder.name}/{TAGS_FILE}"
    try:
        with Folder.open(folder) as opened:
            tags = parse_json_object(opened.read(TAGS_FILE, _MAX_TAGS_BYTES))
        chords = tags.get("chords")
        bars = len(chords) if isinstance(chords, list) else None
        return request_from({"bars": bars} | tags)
    except FileNotFoundError as error:
        raise RegenerationFailed(f"{source}: not there; name a clip that was generated as a whole") from error
    except (CoachError, GeneratorError) as error:
        raise RegenerationFailed(f"{source}: {error}") from error


@contextlib.contextmanager
def tags_to_blame(folder: Path) -> Iterator[None]:
    """Let an InvalidRequest from inside be RegenerationFailed: what cannot be used came from the folder's tags."""
    try:
        yield
    except InvalidRequest as error:
        raise RegenerationFailed(f"{folder.name}/{TAGS_FILE}: {error}") from error


def clip_id_of(identity: Mapping[str, Any], now: datetime, serial: int = 0) -> str:
    """Return the clip id of what is asked for at an instant: `clip_` and 20 hexadecimal digits, never random."""
    seed = to_compact_json({"identity": dict(identity), "at": utc_text(now), "serial": serial})
    return "clip_" + hashlib.sha256(seed.encode("utf-8", "backslashreplace")).hexdigest()[:20]


# What the files say


def _tags(clip_id: str, request: ClipRequest, arrangement: Arrangement, now: datetime) -> dict[str, Any]:
    optional = request.model_dump(mode="json", include={"session_id", "key"}, exclude_none=True)
    return {
        "clip_id": clip_id,
        "created_at": utc_text(now),
        "chords": list(request.chords),
        "tempo_bpm": request.tempo_bpm,
        "meter": request.meter,
        "bars": request.bars,
        "style": arrangement.style,
        "seed": request.seed,
        "density_bucket": request.density_bucket,
        "syncopation_bucket": request.syncopation_bucket,
        "swing_ratio": arrangement.swing_ratio,
        **optional,
    }


def _runlog(clip_id: str, seed: object, engine_version: str, now: datetime) -> dict[str, Any]:
    return {
        "clip_id": clip_id,
        "attempt_id": f"{clip_id}-1",
        "created_at": utc_text(now),
        "seed": seed,
        "engine_version": engine_version,
        "status": "ok",
    }


def _manifest(clip_id: str, files: Mapping[str, bytes], now: datetime) -> dict[str, Any]:
    return {
        "bundle_version": BUNDLE_VERSION,
        "clip_id": clip_id,
        "created_at_utc": utc_text(now),
        "coaching_source": "deterministic",
        "artifacts": [
            {
                "artifact_id": _KINDS[name][0],
                "kind": _KINDS[name][1],
                "path": name,
                "sha256": sha256_bytes(data),
                "bytes": len(data),
            }
            for name, data in files.items()
        ],
    }


# Whole or absent


def _write(root: Path, now: datetime, identity: Mapping[str, Any], content: Content) -> Written:
    with Folder.make_private(root / now.astimezone(UTC).date().isoformat()) as day:
        _remove_abandoned(day)
        for serial in range(_ATTEMPTS):
            clip_id = clip_id_of(identity, now, serial)
            if day.exists(clip_id):
                continue
            files = content(clip_id)
            files[MANIFEST_FILE] = to_json_bytes(_manifest(clip_id, files, now))
            if _appears(day, clip_id, files):
                return Written(clip_id, day.path / clip_id)
    raise FileExistsError(errno.EEXIST, "no free clip id", str(day.path))


def _appears(day: Folder, clip_id: str, files: Mapping[str, bytes]) -> bool:
    """Make a whole bundle appear; return False if another writer took the id."""
    with _stage(day, clip_id) as stage:
        _fill(stage, files)
        try:
            os.rename(stage.path.name, clip_id, src_dir_fd=day.fd, dst_dir_fd=day.fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
    day.sync()
    return True


@contextlib.contextmanager
def _stage(day: Folder, clip_id: str) -> Iterator[Folder]:
    """A new folder aside, locked; what is left of it at the end is removed."""
    with contextlib.ExitStack() as held:
        stage = next(filter(None, (_claimed(day, clip_id, held) for _ in range(_ATTEMPTS))))
        try:
            yield stage
        finally:
            shutil.rmtree(stage.path, ignore_errors=True)


def _claimed(day: Folder, clip_id: str, held: contextlib.ExitStack) -> Folder | None:
    """Make a folder and lock it until `held` ends; None if another writer took it for a dead one's in between."""
    name = f".{clip_id}.{os.getpid()}-{next(_serial)}.tmp"
    os.mkdir(name, 0o700, dir_fd=day.fd)
    with contextlib.suppress(FileNotFoundError, LockTimeout), contextlib.ExitStack() as mine:
        stage = mine.enter_context(Folder.open(day.path / name))
        mine.enter_context(stage.lock(timeout_s=0.0))
        ours, there = os.fstat(stage.fd), day.status(name)
        if there is not None and there.st_ino == ours.st_ino:
            held.push(mine.pop_all())
            return stage
    return None


def _fill(stage: Folder, files: Mapping[str, bytes]) -> None:
    with contextlib.ExitStack() as open_files:
        written = []
        for name, data in files.items():
            fd = stage.create(name, data, mode=PRIVATE)
            open_files.callback(os.close, fd)
            start_writing(fd)
            written.append(fd)
        for fd in written:
            os.fsync(fd)
    stage.sync()


def _remove_abandoned(day: Folder) -> None:
    """Remove what a killed writer left: its folder's lock went with it."""
    for name in filter(_ABANDONED.fullmatch, day.names()):
        with contextlib.suppress(OSError, CoachError), Folder.open(day.path / name) as left, left.lock(timeout_s=0.0):
            shutil.rmtree(left.path, ignore_errors=True)
