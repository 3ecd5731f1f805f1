"""A small git repository to try the commands on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PLAIN = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_AUTHOR_DATE": "2026-02-04T12:00:00Z",
    "GIT_COMMITTER_DATE": "2026-02-04T12:00:00Z",
}


def environment(**changes: str) -> dict[str, str]:
    """The environment without what a person, or a workflow that runs these tests, set for git and the commands."""
    foreign = ("GIT_", "GITHUB_", "CBSP21_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, **_PLAIN, **changes}


def run(*command: str | Path, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False, timeout=100
    )


def script(name: str, *arguments: str | Path, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run one of our own scripts."""
    return run(sys.executable, ROOT / "scripts" / name, *arguments, cwd=cwd, **changes)


@dataclass(frozen=True)
class Repository:
    root: Path

    @classmethod
    def begin(cls, root: Path) -> Repository:
        root.mkdir(parents=True)
        repository = cls(root)
        repository.git("init", "-q", "-b", "main")
        return repository

    def git(self, *arguments: str | Path) -> str:
        done = run("git", *arguments, cwd=self.root)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, path: str, text: str = "x = 1\n") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def commit(self, message: str = "feat: a change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def manifest(self, *paths: str, **changes: Any) -> None:
        """Write a manifest that names `paths` as read in full."""
        entries = [{"path": path, "file_context_coverage_percent": 100} for path in paths]
        texts = {"patch_id": "P1", "title": "A change", "intent": "Try it.", "change_type": "code"}
        document = {"schema_version": "cbsp21_patch_input_v1", **texts, "changed_files": entries, **changes}
        self.write(".cbsp21/patch_input.json", json.dumps(document))
