"""Does the manifest name every governed file of the change? See scripts/governance/cbsp21/gate.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.governance.cbsp21.gate import main  # noqa: E402 - the repository's root has to be importable first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOT))
