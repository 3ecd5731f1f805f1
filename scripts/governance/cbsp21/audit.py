"""The coverage check with a line in a log, so that it can be shown later what was read before a change."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .coverage import Coverage, measure, report
from .percent import DEFAULT_SHARE, share_option

POLICY: Final = "CBSP21"
_CI_FIELDS: Final = {"github_run_id": "GITHUB_RUN_ID", "github_sha": "GITHUB_SHA", "github_ref": "GITHUB_REF"}


def audit_entry(
    coverage: Coverage, full: Path, scanned: Path, environment: Mapping[str, str], now: datetime, folder: Path
) -> dict[str, Any]:
    """Return the log's entry. `folder` names the repository where the environment does not; `now` is aware."""
    return {
        "timestamp_utc": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "policy": POLICY,
        "repo": environment.get("GITHUB_REPOSITORY") or folder.name,
        "full_path": str(full),
        "scanned_path": str(scanned),
        "full_bytes": coverage.full_bytes,
        "scanned_bytes": coverage.scanned_bytes,
        "coverage_ratio": round(coverage.ratio, 6),
        "repo_coverage_percent": round(coverage.ratio * 100, 2),
        "threshold": coverage.threshold,
        "status": "PASS" if coverage.passed else "FAIL",
        "reason": coverage.problem or ", ".join(name for name, _ in coverage.below),
        "ci": {field: environment.get(variable) for field, variable in _CI_FIELDS.items()},
    }


def append(log: Path, entry: Mapping[str, Any]) -> None:
    """Append `entry` as one line, in one write: lines of two runs never mix."""
    log.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(entry, ensure_ascii=True) + "\n"
    with log.open("ab", buffering=0) as file:
        file.write(line.encode())


def main(arguments: Sequence[str], root: Path) -> int:
    """The command `cbsp21_coverage_with_audit.py`; return the exit code."""
    parser = argparse.ArgumentParser("cbsp21_coverage_with_audit.py", description=__doc__)
    parser.add_argument("--full", type=Path, required=True, help="the text in full: a file or a folder")
    parser.add_argument("--scanned", type=Path, required=True, help="what was read of it: the same kind")
    parser.add_argument(
        "--log", type=Path, required=True, help="the log, one JSON object a line; it is made if missing"
    )
    parser.add_argument("--threshold", type=share_option, default=DEFAULT_SHARE, help="default: %(default)s")
    options = parser.parse_args(arguments)
    coverage = measure(options.full, options.scanned, options.threshold)
    append(options.log, audit_entry(coverage, options.full, options.scanned, os.environ, datetime.now(UTC), root))
    print(*report(coverage), sep="\n")
    return 0 if coverage.passed else 1
