"""Make what can be made in fixtures/: the same input gives the same bytes.

python scripts/make_fixtures.py                  bundles/ from the sessions and the golden take; takes/
python scripts/make_fixtures.py --timing FOLDER  first sessions/ and its table from telemetry rows (`sessions.jsonl`)
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.fixtures import bundles, readme, sessions, takes  # noqa: E402 - the repository's root has to be importable first


def write_tree(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold exactly `files`."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def make_sessions(timing: Path, fixtures: Path) -> None:
    rows = sessions.read_rows(timing)
    write_tree(fixtures / "sessions", sessions.session_files(rows))
    words = fixtures / "README.md"
    words.write_text(readme.with_table(words.read_text("utf-8"), sessions.source_table(rows)), "utf-8")


def main(arguments: list[str], fixtures: Path) -> int:
    parser = argparse.ArgumentParser(description="Make fixtures/ anew.")
    parser.add_argument("--timing", type=Path, help="folder with sessions.jsonl and series.jsonl")
    timing = parser.parse_args(arguments).timing
    if timing is not None:
        make_sessions(timing, fixtures)
    write_tree(fixtures / "bundles", bundles.bundle_files(fixtures))
    write_tree(fixtures / "takes", takes.take_files())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOT / "fixtures"))
