"""Running `sg-hybrid` in a test: in this process (quick), or as a program of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from sg_coach.jsontext import to_json_bytes
from sg_hybrid.cli.app import app
from sg_hybrid.manifest import artifact
from sg_hybrid.settings import VARIABLES
from tests.conftest import FIXTURES

OURS = (*VARIABLES.values(), "SG_HYBRID_CONFIG", "XDG_CONFIG_HOME")
HOSTILE = "a\x1b[31mred\x1b[0m\x07 \u202eturned\u200b round\x9b2J\nnext"
"""Text that would colour, ring, hide and turn around on a terminal."""


class Cli:
    """The command line with a home, a queue and a bundle root of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.queue = home / "queue"
        self.bundles = home / "bundles"
        self.bundles.mkdir()
        self.env = {
            "HOME": str(home),
            "SG_COACH_QUEUE_DIR": str(self.queue),
            "SG_BUNDLE_ROOTS": str(self.bundles),
        }

    def __call__(self, *args: str | Path, stdin: str | bytes = "", env: Mapping[str, str] | None = None) -> Result:
        """Run in this process; quick."""
        everything: dict[str, str | None] = dict.fromkeys(OURS)
        return CliRunner().invoke(app, list(map(str, args)), input=stdin, env={**everything, **self.env, **(env or {})})

    def json(self, *args: str | Path, **more: Any) -> Any:
        """Run with `--json`; return what it printed."""
        return json.loads(self(*args, "--json", **more).stdout)

    def environ(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if name not in OURS}
        return {**ours, **self.env, **(env or {})}

    def start(self, *args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it as a program; the caller ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "sg_hybrid", *map(str, args)],
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def program(
        self, *args: str | Path, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it as a program to its end."""
        return subprocess.run(
            [sys.executable, "-m", "sg_hybrid", *map(str, args)],
            env=self.environ(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def fixture_bundle(kind: str, clip_id: str, target: Path) -> Path:
    """Copy a bundle of the fixtures; return the copy."""
    source = next((FIXTURES / "bundles" / kind).rglob(clip_id))
    return Path(shutil.copytree(source, target / source.name))


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def rewrite(bundle: Path, name: str, **changes: object) -> None:
    """Change a document of a bundle, and its entry in the manifest with it."""
    data = to_json_bytes(document(bundle / name) | changes)
    (bundle / name).write_bytes(data)
    manifest = document(bundle / "manifest.json")
    for number, entry in enumerate(manifest["artifacts"]):
        if entry["path"] == name:
            manifest["artifacts"][number] = entry | artifact(entry["artifact_id"], entry["kind"], name, data)
    (bundle / "manifest.json").write_bytes(to_json_bytes(manifest))


def is_one_line(result: Result | subprocess.CompletedProcess[str]) -> bool:
    """Whether a failure was said in one clear line, and nothing else was."""
    return result.stdout == "" and result.stderr.startswith("ERROR: ") and result.stderr.count("\n") == 1
