"""Are patch packets well formed? See scripts/governance/cbsp21/packets.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.governance.cbsp21.packets import main  # noqa: E402 - the repository's root has to be importable first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
