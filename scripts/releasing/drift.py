"""The notice that a contract drifted: failures of the contract tests (JUnit XML) become an issue, through `gh`.

One issue is open at a time, found by its label; a later run comments on it. Names of tests and messages come from the
code under test, also of a pull request: they stand in the text as inert code, so that they mention and link nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

LABEL: Final = "contract-failure"
TITLE: Final = "Contract drift: contract tests fail"
MAX_TESTS: Final = 50
MAX_NAME: Final = 200
MAX_MESSAGE: Final = 300
_GH_TIMEOUT_S: Final = 60
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


class NoticeFailed(Exception):
    """The notice cannot be given. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed, or could not run."""

    name: str
    message: str


def failures_in(report: bytes) -> list[Failure]:
    """Return the failures that a JUnit XML report names. Raises ValueError if it is none."""
    if b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        raise ValueError("a document type or an entity has no place in a report")
    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError as error:
        raise ValueError(f"not well-formed XML ({error})") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"<{root.tag}> is no JUnit report")
    return [failure for case in root.iter("testcase") if (failure := _failure(case))]


def body_of(failures: Sequence[Failure], run: str) -> str:
    """Return the issue's text: at most 50 tests; `run` says where the report is from, or is empty."""
    lines = [f"{len(failures)} contract test(s) failed{f' in {run}' if run else ''}.", ""]
    for failure in failures[:MAX_TESTS]:
        message = f": {_inert(failure.message, MAX_MESSAGE)}" if failure.message else ""
        lines.append(f"- {_inert(failure.name, MAX_NAME)}{message}")
    if len(failures) > MAX_TESTS:
        lines += ["", f"And {len(failures) - MAX_TESTS} more: see the report of the run."]
    lines += [
        "",
        "Either the code left a contract, or a contract changed without its hash, its line in `contracts/CHANGELOG.md` "
        "and, once released, a new version. To see it: `make test`.",
    ]
    return "\n".join(lines) + "\n"


def command_for(open_issue: int | None) -> list[str]:
    """Return the `gh` command that takes the text on its standard input."""
    if open_issue is not None:
        return ["gh", "issue", "comment", str(open_issue), "--body-file", "-"]
    return ["gh", "issue", "create", "--title", TITLE, "--label", LABEL, "--body-file", "-"]


def main(arguments: Sequence[str]) -> int:
    """The command `contract_drift_notice.py`; return the exit code."""
    parser = argparse.ArgumentParser("contract_drift_notice.py", description=__doc__)
    parser.add_argument("report", type=Path, help="JUnit XML of the contract tests")
    parser.add_argument("--dry-run", action="store_true", help="print what gh would be asked, ask it nothing")
    options = parser.parse_args(arguments)
    try:
        failures = failures_in(options.report.read_bytes())
        if not failures:
            print("no contract test failed: no notice")
        elif options.dry_run:
            _show(body_of(failures, _run_of(os.environ)))
        else:
            _give(body_of(failures, _run_of(os.environ)))
    except (OSError, ValueError) as error:
        print(f"contract drift: {options.report}: {error}", file=sys.stderr)
        return 1
    except NoticeFailed as error:
        print(f"contract drift: {error}", file=sys.stderr)
        return 1
    return 0


def _failure(case: ElementTree.Element) -> Failure | None:
    found = case.find("failure")
    if found is None:
        found = case.find("error")
    if found is None:
        return None
    name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
    text = found.get("message") or found.text or ""
    return Failure(name or "(a test without a name)", text.strip().partition("\n")[0])


def _inert(text: str, limit: int) -> str:
    """Return `text` as a code span of one line: nothing in it is markup, a mention or a link."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line or ' '}`"


def _run_of(environment: Mapping[str, str]) -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""


def _show(body: str) -> None:
    print(f"$ {shlex.join(_lookup())}")
    print(f"if none is open:\n$ {shlex.join(command_for(None))}")
    print("else:\n$ gh issue comment NUMBER --body-file -")
    print(f"with this text:\n\n{body}", end="")


def _give(body: str) -> None:
    if not shutil.which("gh"):
        raise NoticeFailed("gh is not installed: see https://cli.github.com, or look with --dry-run")
    found = json.loads(_gh(_lookup()) or "[]")
    if not found:
        _gh(["gh", "label", "create", LABEL, "--force", "--description", "A contract test failed", "--color", "B60205"])
    print(_gh(command_for(found[0]["number"] if found else None), body).strip())


def _lookup() -> list[str]:
    return ["gh", "issue", "list", "--label", LABEL, "--state", "open", "--limit", "1", "--json", "number"]


def _gh(command: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, encoding="utf-8", check=True, timeout=_GH_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise NoticeFailed(f"{shlex.join(command[:3])} failed: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoticeFailed(f"{shlex.join(command[:3])}: {error}") from error
    return done.stdout
