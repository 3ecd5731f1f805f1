"""docs/openapi.json is what the server tells, and the pages about the API name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.write_api_docs import FILE, document, text
from sg_generator.errors import ErrorCode
from sg_generator.models import request_from
from sg_generator.progressions import PROGRESSIONS

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text("utf-8")
PROMISE = (ROOT / "contracts" / "API.md").read_text("utf-8")


def calls() -> set[str]:
    paths: dict[str, Any] = document()["paths"]
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}


def test_the_document_is_what_the_server_tells() -> None:
    assert FILE.read_text("utf-8") == text(), "run `make docs`"


def test_every_call_is_described() -> None:
    assert [call for call in sorted(calls()) if f"`{call}`" not in API] == []


def test_no_call_is_described_that_is_not_there() -> None:
    described = set(re.findall(r"^\| `((?:GET|POST) /[^`?]*)`", API + PROMISE, re.MULTILINE))
    assert described - calls() <= {"GET /", "GET /openapi.json"}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_is_named(code: ErrorCode) -> None:
    assert f"`{code}`" in API
    assert f"`{code}`" in PROMISE


def test_every_answer_is_http_200_and_may_be_a_failure() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            assert set(operation["responses"]) == {"200"}, path
            if path not in ("/styles", "/progressions"):
                assert "#/components/schemas/Failed" in json.dumps(operation["responses"]), path


@pytest.mark.parametrize("form", PROGRESSIONS, ids=lambda form: form.name)
def test_each_built_in_form_is_a_ready_request(form: Any) -> None:
    assert request_from(form.model_dump()).bars == len(form.chords)
