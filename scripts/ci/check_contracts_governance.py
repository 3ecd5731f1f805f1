"""Check the rules for contracts/ (see scripts/governance/contracts.py); --write writes the hash files first."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.governance.contracts import main  # noqa: E402 - the repository's root has to be importable first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOT / "contracts", ROOT / "tests/contracts/test_schemas.py"))
