"""Each number of the hostile corpus has a test that pytest collects, and a row in docs/reliability.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .cases import CASES, ELSEWHERE, GENERATORS

ROOT = Path(__file__).parents[2]
HERE = "tests/hostile"
ROW = re.compile(r"^\| ([A-Z]+-\d\d) \| (.+?) \| `(.+?)` \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    files = sorted({place.split("::")[0] for places in ELSEWHERE.values() for place in places})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", HERE, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def is_about(test: str, number: str) -> bool:
    """Whether a test carries the number in its name or in its parameter."""
    family, which = number.lower().split("-")
    return test.startswith(HERE) and (f"{number}-" in test or f"::test_{family}_{which}_" in test)


def test_every_number_has_a_test(collected: list[str]) -> None:
    own = {number for number in CASES if any(is_about(test, number) for test in collected)}
    missing = set(CASES) - own - set(ELSEWHERE) - {"HTTP-01"}
    assert not missing


def test_every_test_elsewhere_is_there(collected: list[str]) -> None:
    places = {place for places in ELSEWHERE.values() for place in places}
    assert [place for place in sorted(places) if not any(test.startswith(place) for test in collected)] == []


def test_the_table_in_the_report_is_this_one() -> None:
    report = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = {number: (text, test) for number, text, test in ROW.findall(report)}
    assert rows == {number: (text.replace("|", "\\|"), where(number)) for number, text in CASES.items()}


def where(number: str) -> str:
    """What the report says about where a number is tested."""
    family = number.split("-")[0]
    if family == "HTTP":
        return GENERATORS
    if number in ELSEWHERE:
        return ELSEWHERE[number][0].split("::")[0]
    files = {"ID": "ids", "JSON": "documents", "TIME": "times", "FILE": "special_files", "ENV": "environment"}
    return f"{HERE}/test_{files[family]}.py"
