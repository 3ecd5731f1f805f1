"""A bundle against the contracts: every document against its model, every entry of the manifest against its file.

Read-only and without locks: if the manifest changed while its files were read, all is looked at again. A take that
waits for its first cycle is no problem; whatever a cycle has written must hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from sg_coach.contract import (
    AI_FILE,
    COACH_FILE,
    ERROR_FILE,
    MANIFEST_FILE,
    MAX_DOCUMENT_BYTES,
    MAX_SESSION_BYTES,
    QUEUED_FILE,
    SESSION_FILE,
    TAGS_FILE,
)
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.files import Folder
from sg_coach.jsontext import parse_json_object
from sg_coach.models import CoachingDeterministic, SessionRecord

from .bundle_reader import is_legacy, is_that_file, legacy_coaching, listed_as
from .manifest import OURS, Artifact, check_manifest, coach_entry, parse_clip_identity
from .models import AiAddendum

MAX_ARTIFACT_BYTES: Final = 64 * 1024 * 1024
"""Largest listed file that is read, in bytes."""

_DOCUMENTS: Final[Mapping[str, type[BaseModel] | None]] = {
    SESSION_FILE: SessionRecord,
    COACH_FILE: CoachingDeterministic,
    AI_FILE: AiAddendum,
    QUEUED_FILE: AiAddendum,
    TAGS_FILE: None,
    ERROR_FILE: None,
}
"""Files that are read if they are there, and the model that each one must fit (None: any JSON object)."""

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a bundle."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def check_bundle(bundle: Path) -> tuple[Problem, ...]:
    """Return what is wrong with the bundle in the folder `bundle`; empty if all of it holds.

    Raises FileNotFoundError if there is no such folder, UnsafePath if it is none.
    """
    with Folder.open(bundle) as folder:
        for _ in range(_TRIES - 1):
            look = _Look(folder)
            problems = look.problems()
            if look.is_current():
                return problems
        return _Look(folder).problems()


class _Look:
    """One look at a bundle. `documents` holds what could be parsed, `raw` the bytes of what could be read."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.raw: dict[str, bytes] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        self._unreadable: list[Problem] = []
        for name in (MANIFEST_FILE, *_DOCUMENTS):
            self._read(name)
        self.manifest = self.documents.get(MANIFEST_FILE, {})

    def is_current(self) -> bool:
        """Whether the manifest is still the one that was looked at."""
        try:
            now = self._folder.read_if_there(MANIFEST_FILE, MAX_DOCUMENT_BYTES)
        except (CoachError, OSError):
            return MANIFEST_FILE not in self.raw
        return now == self.raw.get(MANIFEST_FILE)

    def problems(self) -> tuple[Problem, ...]:
        parts = (self._manifest, self._documents, self._listed, self._unlisted, self._identities, self._coaching)
        found = [*self._unreadable, *(problem for part in parts for problem in part())]
        return tuple(dict.fromkeys(found))

    def _read(self, name: str) -> None:
        limit = MAX_SESSION_BYTES if name == SESSION_FILE else MAX_DOCUMENT_BYTES
        try:
            raw = self._folder.read_if_there(name, limit)
            if raw is not None:
                self.raw[name] = raw
                self.documents[name] = parse_json_object(raw)
        except (CoachError, OSError) as error:
            self._unreadable.append(Problem(name, _reason(error, name)))

    # The documents

    def _manifest(self) -> Iterator[Problem]:
        if MANIFEST_FILE not in self.documents:
            if self._lacks_manifest():
                yield Problem(MANIFEST_FILE, "not there; every bundle needs one")
            return
        if is_legacy(self.manifest):
            document = legacy_coaching(self.manifest)
            yield from _against(CoachingDeterministic, document, MANIFEST_FILE)
            return
        yield from (Problem(MANIFEST_FILE, line) for line in check_manifest(self.manifest))
        if "coaching_source" not in self.manifest and self._had_a_cycle():
            yield Problem(MANIFEST_FILE, "coaching_source: missing; it stands there after every cycle")

    def _lacks_manifest(self) -> bool:
        """The first cycle makes one where it is missing; a failed generation leaves only its error."""
        if any(problem.file == MANIFEST_FILE for problem in self._unreadable):
            return False
        waits = SESSION_FILE in self.raw or ERROR_FILE in self.raw
        return not waits or any(name in self.raw for _, name in OURS.values())

    def _had_a_cycle(self) -> bool:
        """Whether this worker wrote the coaching; an older writer's counts as deterministic without saying so."""
        listed = [listed_as(self.manifest, name) for _, name in OURS.values()]
        return any(entry is not None and (entry["path"] != COACH_FILE or "input_sha256" in entry) for entry in listed)

    def _documents(self) -> Iterator[Problem]:
        for name, model in _DOCUMENTS.items():
            if model is not None and name in self.documents:
                yield from _against(model, self.documents[name], name)

    # The files

    def _listed(self) -> Iterator[Problem]:
        """Each listed file is there, plain, of that size and hash."""
        found = self.manifest.get("artifacts")
        for number, entry in enumerate(found if isinstance(found, list) else ()):
            try:
                artifact = Artifact.model_validate(entry)
            except ValidationError as error:
                if is_legacy(self.manifest):  # check_manifest has said it of a v1.1 manifest
                    yield from (Problem(MANIFEST_FILE, f"artifacts.{number}.{line}") for line in _lines(error))
                continue
            yield from self._same_file(artifact)

    def _same_file(self, artifact: Artifact) -> Iterator[Problem]:
        try:
            data = self.raw.get(artifact.path)
            data = _read_inside(self._folder, artifact.path) if data is None else data
        except FileNotFoundError:
            yield Problem(artifact.path, f"{MANIFEST_FILE} lists it, but it is not there")
        except (CoachError, OSError) as error:
            yield Problem(artifact.path, _reason(error, artifact.path))
        else:
            if len(data) != artifact.bytes:
                yield Problem(artifact.path, f"{len(data)} bytes, {MANIFEST_FILE} says {artifact.bytes}")
            elif not is_that_file({"sha256": artifact.sha256}, data):
                yield Problem(artifact.path, f"another hash than in {MANIFEST_FILE}: it was changed afterwards")

    def _unlisted(self) -> Iterator[Problem]:
        """The worker's own files stand in the manifest."""
        if MANIFEST_FILE in self.documents:
            for _, name in OURS.values():
                if name in self.raw and listed_as(self.manifest, name) is None:
                    yield Problem(name, f"{MANIFEST_FILE} does not list it")

    # One bundle, one take

    def _identities(self) -> Iterator[Problem]:
        """All documents are about this clip, but for the reply to an earlier one."""
        try:
            clip_id = parse_clip_identity(self.documents.get(TAGS_FILE), self.manifest, self._folder.path.name)
        except InvalidInput as error:
            yield Problem(error.source, f"{error.field}: {error.problem}")
            return
        for name in (COACH_FILE, AI_FILE):
            named = self.documents.get(name, {}).get("clip_id", clip_id)
            if named != clip_id:
                yield Problem(name, f"clip_id: {str(named)[:140]!r}, the bundle is {clip_id}")
        if self.documents.get(QUEUED_FILE, {}).get("clip_id") == clip_id:
            yield Problem(QUEUED_FILE, "clip_id: this bundle's own; a late reply goes to a later take")
        for name, queued in ((AI_FILE, False), (QUEUED_FILE, True)):
            if name in self.documents and self.documents[name].get("queued", False) is not queued:
                yield Problem(name, f"queued: contradicts its place, where it is {str(queued).lower()}")

    def _coaching(self) -> Iterator[Problem]:
        """The coaching was made from the take that is there; an AI file never stands without it."""
        if COACH_FILE not in self.raw:
            yield from (
                Problem(name, f"stands without {COACH_FILE}") for name in (AI_FILE, QUEUED_FILE) if name in self.raw
            )
            return
        made_from, session = (coach_entry(self.manifest) or {}).get("input_sha256"), self.raw.get(SESSION_FILE)
        if made_from is not None and session is not None and not is_that_file({"sha256": made_from}, session):
            yield Problem(COACH_FILE, f"made from another {SESSION_FILE} than the one there; a cycle is due")
        if not self._same_session():
            yield Problem(COACH_FILE, f"session_id: another one than in {SESSION_FILE}")

    def _same_session(self) -> bool:
        ids = [self.documents.get(name, {}).get("session_id") for name in (COACH_FILE, SESSION_FILE)]
        return None in ids or str(ids[0]).lower() == str(ids[1]).lower()


def _against(model: type[BaseModel], document: object, name: str) -> Iterator[Problem]:
    try:
        model.model_validate(document)
    except ValidationError as error:
        yield from (Problem(name, line) for line in _lines(error))


def _lines(error: ValidationError) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        field, message = ".".join(map(str, detail["loc"])), detail["msg"].removeprefix("Value error, ")
        yield f"{field}: {message}" if field else message


def _read_inside(folder: Folder, path: str) -> bytes:
    """Return a listed file, which may lie in a folder of the bundle; no part of the way may be a symlink."""
    *parents, name = path.split("/")
    here = folder.path
    for parent in parents:
        here /= parent
        Folder.open(here).close()
    with Folder.open(here) as inner:
        return inner.read(name, MAX_ARTIFACT_BYTES)


def _reason(error: CoachError | OSError, name: str) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).removeprefix(f"{name}: ")
