"""A bundle root and a queue with something hostile in them, and a healthy take beside it that must not suffer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from structlog.testing import capture_logs

from sg_coach.jsontext import to_json_bytes
from sg_hybrid.compose import HybridWorker
from sg_hybrid.settings import Settings
from tests.fake_edges import session

DAY = "2026-02-04"
GOOD_SESSION = session().model_dump(mode="json")
DRAIN_LIMIT_S = 30.0
"""Bound of one drain, generous for a busy machine: what is tested is that it ends at all."""


@dataclass
class Place:
    """One evening's folders."""

    folder: Path
    logs: list[Any] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "bundles"

    @property
    def queue(self) -> Path:
        return self.folder / "queue"

    @property
    def pending(self) -> Path:
        path = self.queue / "pending"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.queue.chmod(0o700)
        return path

    def bundle(self, name: str = "clip_x", files: Mapping[str, bytes] | None = None, *, day: str = DAY) -> Path:
        """A bundle with a healthy take; `files` replace or add."""
        path = self.root / day / name
        path.mkdir(parents=True)
        for file, data in ({"session.json": to_json_bytes(GOOD_SESSION)} | dict(files or {})).items():
            (path / file).write_bytes(data)
        return path

    async def drain(self) -> None:
        """Let a worker do all there is to do, next to a healthy take, which it must coach."""
        good = self.bundle("clip_good") if not (self.root / DAY / "clip_good").exists() else self.root / DAY
        settings = Settings(bundle_roots=(self.root,), queue_dir=self.queue, ai_enabled=False)
        with capture_logs() as self.logs, anyio.fail_after(DRAIN_LIMIT_S):
            async with HybridWorker(settings, watch=False) as worker:
                await worker.drain()
        assert good.name != "clip_good" or is_coached(good), "the healthy take beside it suffered"

    def rejected(self, clip: str = "clip_x") -> str:
        """Why an entry was put aside; its file stands beside the reason."""
        name = f"{clip}_ai_addendum.json"
        assert not os.path.lexists(self.pending / name)
        assert os.path.lexists(self.queue / "rejected" / name)
        return (self.queue / "rejected" / f"{name}.why").read_text()


def is_coached(bundle: Path) -> bool:
    """Whether hint and manifest stand there, whole."""
    coach = bundle / "clip.coach.json"
    if not coach.exists():
        return False
    listed = json.loads((bundle / "manifest.json").read_bytes())["artifacts"]
    return any(entry["path"] == coach.name and entry["bytes"] == coach.stat().st_size for entry in listed)


def refusal(bundle: Path) -> str:
    """The one line that a refused take gets."""
    assert not (bundle / "clip.coach.json").exists()
    message = str(json.loads((bundle / "clip.error.json").read_bytes())["message"])
    assert message.isprintable()
    assert len(message) < 400
    return message
