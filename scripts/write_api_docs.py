"""Write docs/openapi.json: the generator's API as its server tells it.

python scripts/write_api_docs.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

FILE: Final = ROOT / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    from sg_generator.compose import service_of
    from sg_generator.http_api import build_app
    from sg_generator.settings import Settings
    from sg_generator.watch import Hub

    nowhere = Path("/nonexistent")
    service = service_of(Settings(bundle_roots=(nowhere / "bundles",), queue_dir=nowhere / "queue"))
    return build_app(service, Hub()).openapi()


def text() -> str:
    """Return the file's content."""
    from sg_coach.jsontext import to_json_text

    return to_json_text(document())


def main() -> int:
    """Make docs/openapi.json what the server tells."""
    FILE.write_text(text(), "utf-8")
    print(f"{FILE.relative_to(ROOT)}: {len(document()['paths'])} paths")
    return 0


if __name__ == "__main__":
    sys.exit(main())
