"""`python -m tests.faults`: every crash and fault point of every scenario. Exits with 1 if an invariant was broken."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from .injector.seccomp import why_not
from .report import as_json, explained, table, write_docs
from .runner import MODES, Plan, Row, run
from .scenarios import SCENARIOS
from .trial import Wrong

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def main() -> int:
    options = _options()
    if os.environ.get("PYTHONHASHSEED") != "0":  # so that a point has the same number the next time
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.faults", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    if reason := why_not():
        print(f"not tried: {reason}", file=sys.stderr)
        return 2
    plan = Plan(tuple(options.scenario or SCENARIOS), tuple(options.mode or MODES), options.every, options.point)
    began = time.monotonic()
    try:
        rows = run(plan, _progress)
    except Wrong as error:
        print(f"wrong without any fault: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - began
    result = as_json(rows, seconds)
    print(table(rows, plan.modes))
    print(explained(rows, options.show))
    print("{points} points tried, {reached} reached, {violations} violations, {seconds:.0f} s".format(**result))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.write_docs and plan == Plan():
        write_docs(rows, seconds, DOCS)
    return 1 if result["violations"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=tuple(SCENARIOS), help="only this one (may be repeated)")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this one (may be repeated)")
    parser.add_argument("--point", type=int, metavar="N", help="only this point, by its number in the report")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th point")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="so many kinds of violation are explained")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    parser.add_argument("--write-docs", action="store_true", help=f"a whole run: its figures go into {DOCS.name}")
    return parser.parse_args()


def _progress(row: Row) -> None:
    print(f"{row.scenario} {row.mode}: {row.points} points, {len(row.violations)} violations", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
