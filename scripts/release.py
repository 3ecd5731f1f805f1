"""Make a release: version, changelog, commit, tag (RELEASING.md). See scripts/releasing/release.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.releasing.release import main  # noqa: E402 - the repository's root has to be importable first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], ROOT))
