"""Where a demo plays: its folders, and its worker's settings with the local simulator as the AI."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from .demo_takes import REPOSITORY
from .settings import Settings


def demo_bundles(chosen: Path | None) -> Path:
    """Return the bundle root that somebody chose, else a temporary folder."""
    return chosen or Path(tempfile.mkdtemp(prefix="sg-bundles-"))


def demo_queue(chosen: Path | None) -> Path:
    """Return the queue that somebody chose, else the repository's `queue/` when run there, else a temporary folder."""
    return chosen or _development_spool() or Path(tempfile.mkdtemp(prefix="sg-coach-queue-"))


def demo_settings(bundles: Path, queue: Path, simulator_url: str, **more: Any) -> Settings:
    """Return settings with the AI on, answered by a simulator; `more` are fields of Settings."""
    return Settings(
        ai_enabled=True,
        anthropic_api_key=SecretStr("demo-key-of-the-simulator"),
        anthropic_base_url=simulator_url,
        queue_dir=queue,
        bundle_roots=(bundles,),
        daily_calls=10_000,
        daily_tokens=10_000_000,
        **more,
    )


def _development_spool() -> Path | None:
    folder = REPOSITORY / "queue"
    return folder if (folder / "README.md").is_file() and (REPOSITORY / "pyproject.toml").is_file() else None
