"""Compare the golden documents with what the product exports; with a flag, write them anew.

python scripts/update_golden.py                      say what differs (exit code 1 if anything does)
python scripts/update_golden.py --unfreeze "REASON"  write both documents and an entry in their changelog

The documents are frozen: a change breaks every reader, so it takes the flag and a reason, and a new contract version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sg_coach import (  # noqa: E402 - the repository's root has to be importable first
    canonical_assignment,
    canonical_evaluation,
    canonical_text,
    evaluate_session,
    session_from,
)

NAMES: Final = ("session", "evaluation", "assignment")


def path_of(folder: Path, name: str) -> Path:
    return folder / f"golden_vector_{name}.json"


def read(folder: Path, name: str) -> Any:
    return json.loads(path_of(folder, name).read_text(encoding="utf-8"))


def exports(folder: Path) -> dict[str, str]:
    """Return what the product says for the golden session, in canonical formatting."""
    session = session_from(read(folder, "session"))
    evaluation = evaluate_session(session)
    identity = UUID(read(folder, "assignment")["assignment_id"])
    return {
        "evaluation": canonical_text(canonical_evaluation(session, evaluation)),
        "assignment": canonical_text(canonical_assignment(session, evaluation, assignment_id=identity)),
    }


def differing(folder: Path) -> list[str]:
    """Return the names of the documents that the product no longer exports."""
    return [name for name, text in exports(folder).items() if canonical_text(read(folder, name)) != text]


def unfreeze(folder: Path, reason: str) -> None:
    """Write the documents, and their digests on top of the changelog."""
    for name, text in exports(folder).items():
        path_of(folder, name).write_text(text, encoding="utf-8")
    digests = [(path_of(folder, name).name, hashlib.sha256(path_of(folder, name).read_bytes())) for name in NAMES]
    lines = "".join(f"- `{name}` `{digest.hexdigest()}`\n" for name, digest in digests)
    changelog = folder / "CHANGELOG.md"
    head, first, rest = changelog.read_text(encoding="utf-8").partition("\n## ")
    changelog.write_text(f"{head}\n## {reason}\n{lines}{first}{rest}", encoding="utf-8")


def main(arguments: Sequence[str], folder: Path = ROOT / "fixtures" / "golden") -> int:
    parser = argparse.ArgumentParser(description="Compare the golden documents with what the product exports.")
    parser.add_argument("--unfreeze", metavar="REASON", help="write them anew, and the reason into their changelog")
    reason = parser.parse_args(arguments).unfreeze
    names = differing(folder)
    for name in names:
        print(f"{path_of(folder, name).name}: not what the product exports")
    if not names or not reason:
        return 1 if names else 0
    unfreeze(folder, reason)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
