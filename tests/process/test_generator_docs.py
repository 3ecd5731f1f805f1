"""The API's page and its OpenAPI document, against a real server with the built-in engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from .generator import SESSION, Server

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = json.loads((DOCS / "openapi.json").read_bytes())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("generator"), env={"SG_ENGINE": "sg_generator.engine"}) as running:
        yield running


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_lines_of_the_page_work_as_printed(server: Server, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = "\n".join(blocks).replace("127.0.0.1:8420", f"127.0.0.1:{server.port}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert '"failed"' not in done.stdout
    assert done.stdout.count('"status":"ok"') + done.stdout.count("event: state") >= 10
    assert json.loads((tmp_path / "generated.json").read_text())["status"] == "ok"
    assert (tmp_path / "clip.mid").read_bytes().startswith(b"MThd")
    story = server.get(f"/sessions/{SESSION}")
    assert [one["verdict"] for one in story["verdicts"]] == ["pass", "struggle"]
    assert len(story["clips"]) == 3


def _calls() -> list[tuple[str, str]]:
    found = [(method.upper(), path) for path, all_ in DOCUMENT["paths"].items() for method in all_]
    return [(method, path) for method, path in found if not path.endswith("/events")]


HOLDS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]


@pytest.mark.parametrize(("method", "path"), _calls())
def test_whatever_is_asked_the_answer_is_as_documented(server: Server, method: str, path: str) -> None:
    import schemathesis  # not above: it takes as long to import as all of the product
    from schemathesis.checks import CHECKS

    operation: Any = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    checks = CHECKS.get_by_names(HOLDS)

    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=f"http://127.0.0.1:{server.port}", checks=checks, timeout=20)

    ask()
