"""Was enough read before a change? See scripts/governance/cbsp21/coverage.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.governance.cbsp21.coverage import main  # noqa: E402 - the repository's root has to be importable first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
