"""What a client puts into a clip's bundle: a take, its facts, a verdict. Blocking; each a change of its own, durable.

Who makes `session.json` of a take is the worker alone: it measures `take.mid` with latency, grid and part chosen in
one place, whoever brought the file. Here the take is only laid down, so that it is noticed. Everything happens under
the folder's lock, which the worker takes, too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sg_coach.contract import (
    ERROR_FILE,
    FEEDBACK_FILE,
    FEEDBACK_REF_FILE,
    MANIFEST_FILE,
    MAX_DOCUMENT_BYTES,
    SESSION_FILE,
    TAKE_FILE,
)
from sg_coach.digest import sha256_bytes
from sg_coach.documents import document_or_none
from sg_coach.errors import InvalidInput
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object, to_json_bytes

_FEEDBACK: Final = {"feedback": FEEDBACK_FILE, "feedback_ref": FEEDBACK_REF_FILE}
_turns: Final = tuple(threading.Lock() for _ in range(64))


@contextlib.contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Hold the folder's lock. Threads of this process line up first: the lock itself knows no order, only patience."""
    with _turns[hash(folder.path) % len(_turns)], folder.lock():
        yield


def put_take(folder: Folder, midi: bytes) -> None:
    """Leave a new take; the worker measures it. Raises OSError, LockTimeout.

    Facts that stand there are of an earlier take and go first: the worker keeps those that it did not make itself.
    """
    with _alone(folder):
        _forget_refusal(folder)
        folder.unlink(SESSION_FILE)
        folder.write(TAKE_FILE, midi)


def put_session(folder: Folder, record: Mapping[str, Any]) -> None:
    """Leave the facts of a new take (checked already). Raises OSError, LockTimeout."""
    with _alone(folder):
        _forget_refusal(folder)
        folder.write(SESSION_FILE, to_json_bytes(dict(record)))


def put_feedback(folder: Folder, feedback: Mapping[str, Any]) -> None:
    """Leave `clip.feedback.json`, the reference to it, and both in the manifest. Raises OSError, LockTimeout.

    An earlier verdict is let go by the manifest before it is replaced, so that each listed hash matches at any instant.
    """
    data = to_json_bytes(dict(feedback))
    ref = to_json_bytes(
        {
            "clip_id": feedback["clip_id"],
            "created_at_utc": feedback["created_at_utc"],
            "feedback": {"path": FEEDBACK_FILE, "sha256": sha256_bytes(data), "bytes": len(data)},
        }
    )
    with _alone(folder):
        manifest = _manifest(folder)
        without = None if manifest is None else _without(manifest)
        if without is not None and without != manifest:
            folder.write(MANIFEST_FILE, to_json_bytes(without))
        folder.write(FEEDBACK_FILE, data)
        folder.write(FEEDBACK_REF_FILE, ref)
        if without is not None:
            entries = [_entry("feedback", data), _entry("feedback_ref", ref)]
            folder.write(MANIFEST_FILE, to_json_bytes({**without, "artifacts": [*without["artifacts"], *entries]}))


def _manifest(folder: Folder) -> dict[str, Any] | None:
    """The manifest, or None if it is missing or not ours to extend (then it stays as it is)."""
    try:
        raw = folder.read_if_there(MANIFEST_FILE, MAX_DOCUMENT_BYTES)
        found = None if raw is None else parse_json_object(raw)
    except InvalidInput:
        return None
    return found if found is not None and isinstance(found.get("artifacts"), list) else None


def _without(manifest: dict[str, Any]) -> dict[str, Any]:
    kept = [
        one
        for one in manifest["artifacts"]
        if not (
            isinstance(one, dict) and (one.get("artifact_id") in _FEEDBACK or one.get("path") in _FEEDBACK.values())
        )
    ]
    return {**manifest, "artifacts": kept}


def _entry(artifact_id: str, data: bytes) -> dict[str, Any]:
    return {
        "artifact_id": artifact_id,
        "kind": "feedback",
        "path": _FEEDBACK[artifact_id],
        "sha256": sha256_bytes(data),
        "bytes": len(data),
    }


def _forget_refusal(folder: Folder) -> None:
    """Why an earlier take could not be used is no news about this one (a generator's own error stays)."""
    found = document_or_none(folder, ERROR_FILE)
    if found is not None and found.get("error_code") == "VALIDATION_ERROR":
        folder.unlink(ERROR_FILE)
