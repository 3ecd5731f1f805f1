"""What must hold at every instant, for any reader: looked at while everything happens."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sg_coach.digest import sha256_bytes
from sg_coach.errors import CoachError
from sg_coach.jsontext import parse_json_object
from sg_coach.models import CoachingDeterministic
from sg_hybrid.models import AiAddendum

from .place import Place
from .players import AI_FILES

PAUSE_S = 0.004


def problems_of_bundle(bundle: Path) -> Iterator[str]:
    """Yield what a reader finds wrong in a bundle at this instant."""
    yield from _wrong(bundle / "clip.coach.json", CoachingDeterministic)
    for name in AI_FILES:
        yield from _wrong(bundle / name, AiAddendum)
    before = _bytes(bundle / "manifest.json")
    if before is None:
        return
    found = list(_against_manifest(bundle, before))
    if found and _bytes(bundle / "manifest.json") == before:  # else it is about an older manifest
        yield from found


def problems_of_queue(queue: Path) -> Iterator[str]:
    """Yield what a reader finds wrong in the folders that people look into."""
    for folder in ("pending", "applied"):
        for path in sorted((queue / folder).glob("[!.]*")):
            yield from _wrong(path, AiAddendum)


def _against_manifest(bundle: Path, raw: bytes) -> Iterator[str]:
    try:
        manifest = parse_json_object(raw)
    except CoachError as error:
        yield f"{bundle.name}/manifest.json: {error}"
        return
    artifacts: list[dict[str, Any]] = manifest.get("artifacts", [])
    for entry in artifacts:
        data = _bytes(bundle / entry["path"])
        if data is None:
            yield f"{bundle.name}: {entry['path']} is listed and not there"
        elif (sha256_bytes(data), len(data)) != (entry["sha256"], entry["bytes"]):
            yield f"{bundle.name}: {entry['path']} is not what its entry says"
    hybrid = any(entry["kind"] == "ai_coach" for entry in artifacts)
    if manifest.get("coaching_source") not in (None, "hybrid" if hybrid else "deterministic"):
        yield f"{bundle.name}: coaching_source {manifest.get('coaching_source')} with AI files {hybrid}"


def _wrong(path: Path, model: type[CoachingDeterministic] | type[AiAddendum]) -> Iterator[str]:
    raw = _bytes(path)
    if raw is None:
        return
    try:
        model.model_validate(parse_json_object(raw))
    except (CoachError, ValueError) as error:
        yield f"{path.parent.name}/{path.name}: {str(error).splitlines()[0]}"


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@dataclass(slots=True)
class Watcher:
    """A thread that looks at bundles where something may be happening, and at the queue."""

    place: Place
    rng: random.Random
    looks: int = 0
    found: list[str] = field(default_factory=list)
    _recent: list[Path] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def played(self, bundle: Path) -> None:
        """Something happens in that bundle now."""
        self._recent.append(bundle)
        del self._recent[:-100]

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            recent = list(self._recent)
            if recent:
                self.found += problems_of_bundle(self.rng.choice(recent))
            if self.looks % 50 == 0:
                self.found += problems_of_queue(self.place.queue)
            self.looks += 1
