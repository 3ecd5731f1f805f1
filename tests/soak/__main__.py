"""`python -m tests.soak`: the soak. Exit code 0 if everything held, 1 if not."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from .report import write_docs
from .soak import Options, soak

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run it, print the block for the docs."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--takes", type=int, default=20_000)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave bundles, queue and logs where they are")
    parser.add_argument("--write-docs", action="store_true", help="put plot and figures into docs/")
    options = Options(**{name: value for name, value in vars(parser.parse_args()).items() if name != "write_docs"})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it takes its processes and its disk with it
    report = soak(options)
    if "--write-docs" in sys.argv:
        write_docs(report, ROOT / "docs")
    sys.stdout.write(report.markdown() + "\n")
    sys.stdout.write(f"events of trouble in the logs: {dict(report.accounts.errors.most_common())}\n")
    sys.stdout.write(f"calls by kind: {dict(report.accounts.calls.most_common())}\n")
    return bool(report.violations)


if __name__ == "__main__":
    sys.exit(main())
