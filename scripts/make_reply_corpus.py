"""Make the corpus of AI texts in fixtures/replies/ anew: the same input gives the same bytes.

python scripts/make_reply_corpus.py    facts.json, accepted.jsonl, refused.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.fixtures.replies import rows  # noqa: E402 - the repository's root has to be importable first
from scripts.fixtures.reply_facts import FACTS  # noqa: E402


def corpus() -> dict[str, str]:
    """Return the files by name, as ASCII text: what is hidden in a text shows as an escape."""
    everything = rows()
    parts = {
        "accepted.jsonl": [row for row in everything if not row.why],
        "refused.jsonl": [row for row in everything if row.why],
    }
    files = {
        name: "".join(json.dumps(row.document(), sort_keys=True) + "\n" for row in part) for name, part in parts.items()
    }
    return {"facts.json": json.dumps(FACTS, indent=2) + "\n", **files}


def main() -> int:
    for name, text in corpus().items():
        (ROOT / "fixtures" / "replies" / name).write_text(text, "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
