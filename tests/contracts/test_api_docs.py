"""docs/openapi.json is what the server tells, and the pages about the API name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.write_api_docs import FILE, document, text
from sg_generator.cli import app, exits
from sg_generator.cli.exits import Exit
from sg_generator.errors import ErrorCode
from sg_generator.models import request_from
from sg_generator.progressions import PROGRESSIONS
from sg_generator.settings import VARIABLES, Settings

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


# docs/operating.md

OPERATING = (ROOT / "docs" / "operating.md").read_text("utf-8").partition("## The generator")[2].partition("\n## ")[0]


def test_every_variable_is_in_the_table_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| (`[^|]*`) \|", OPERATING, re.MULTILINE)
    documented = {
        variable: default
        for variables, defaults in rows
        for variable, default in zip(re.findall(r"`(\w+)`", variables), re.findall(r"`([^`]+)`", defaults), strict=True)
    }
    home = "/home/player"
    settings = Settings.from_env({"HOME": home})
    assert documented == {variable: _shown(getattr(settings, name), home) for name, variable in VARIABLES.items()}


def _shown(value: object, home: str) -> str:
    if isinstance(value, tuple):
        return _shown(value[0], home)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value).replace(home, "~")


def test_every_event_is_named() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "sg_generator").rglob("*.py"))
    logged = set(re.findall(r"\b_log\.\w+\(\s*\"([a-z_]+)\"", source))
    assert logged
    assert {event for event in logged if f"`{event}`" not in OPERATING} == set()


def test_the_exit_codes_are_frozen_and_told() -> None:
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "ADDRESS": 4,
        "INTERRUPTED": 130,
    }
    in_module = {int(code) for code in re.findall(r"^(\d+) +", exits.__doc__ or "", re.MULTILINE)}
    assert in_module == set(Exit)
    assert {int(code) for code in re.findall(r"(?:codes:|,) (\d+) ", app._EPILOG)} == set(Exit)
