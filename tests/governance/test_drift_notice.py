"""The notice of contract drift: what an issue says, what `gh` is asked, and what a hostile name can do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.releasing.drift import MAX_TESTS, Failure, body_of, failures_in

from .repository import script

HOSTILE = "test_x[`$(id)` @everyone #1 <img src=x onerror=y> ](http://evil) ```\n## owned | \u202e ;rm -rf /]"
FAKE_GH = """#!{python}
import json, pathlib, sys
text = sys.stdin.read() if "-" in sys.argv else ""
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], text]) + "\\n")
if sys.argv[1:3] == ["issue", "list"]:
    print({issues!r})
sys.exit({code})
"""


def report(path: Path, *names: str, passed: int = 1) -> Path:
    cases = [f'<testcase classname="tests.contracts.test_a" name="ok_{number}"/>' for number in range(passed)]
    cases += [f'<testcase name={quoteattr(name)}><failure message="m">trace</failure></testcase>' for name in names]
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>", "utf-8")
    return path


def notice(report: Path, *options: str, path: str) -> subprocess.CompletedProcess[str]:
    return script("ci/contract_drift_notice.py", report, *options, cwd=report.parent, PATH=path)


class Gh:
    """A `gh` that writes down what it is asked."""

    def __init__(self, folder: Path, issues: object = (), code: int = 0) -> None:
        folder.mkdir()
        self.path = str(folder)
        self._log = folder / "log"
        text = FAKE_GH.format(python=sys.executable, log=str(self._log), issues=json.dumps(issues), code=code)
        (folder / "gh").write_text(text)
        (folder / "gh").chmod(0o755)

    def asked(self) -> list[tuple[list[str], str]]:
        return [(words, text) for words, text in map(json.loads, self._log.read_text().splitlines())]


def test_a_new_issue(tmp_path: Path) -> None:
    gh = Gh(tmp_path / "bin")
    done = notice(report(tmp_path / "a report.xml", HOSTILE), path=gh.path)
    assert (done.returncode, done.stderr) == (0, "")
    listing, label, (create, text) = gh.asked()
    assert listing[0][:4] == ["issue", "list", "--label", "contract-failure"]
    assert label[0][:3] == ["label", "create", "contract-failure"]
    assert create == [
        "issue", "create", "--title", "Contract drift: contract tests fail", "--label", "contract-failure",
        "--body-file", "-",
    ]  # fmt: skip
    assert text.startswith("1 contract test(s) failed.")


def test_an_open_issue_gets_a_comment(tmp_path: Path) -> None:
    gh = Gh(tmp_path / "bin", [{"number": 17}])
    assert notice(report(tmp_path / "r.xml", "test_a"), path=gh.path).returncode == 0
    assert [words for words, _ in gh.asked()][1:] == [["issue", "comment", "17", "--body-file", "-"]]


def test_no_failure_asks_nothing(tmp_path: Path) -> None:
    done = notice(report(tmp_path / "r.xml"), path=str(tmp_path / "nothing here"))
    assert (done.returncode, done.stdout) == (0, "no contract test failed: no notice\n")


def test_without_gh_the_message_says_so(tmp_path: Path) -> None:
    done = notice(report(tmp_path / "r.xml", "test_a"), path=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "contract drift: gh is not installed: see https://cli.github.com, or look with --dry-run\n"


def test_gh_that_fails(tmp_path: Path) -> None:
    done = notice(report(tmp_path / "r.xml", "test_a"), path=Gh(tmp_path / "bin", code=4).path)
    assert done.returncode == 1
    assert "contract drift: gh issue list failed" in done.stderr


def test_a_dry_run_shows_what_gh_would_do(tmp_path: Path) -> None:
    done = notice(report(tmp_path / "r.xml", "test_a"), "--dry-run", path=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "$ gh issue list --label contract-failure --state open" in done.stdout
    assert "$ gh issue create --title 'Contract drift: contract tests fail' --label contract-failure" in done.stdout
    assert "$ gh issue comment NUMBER --body-file -" in done.stdout
    assert "- `test_a`: `m`\n" in done.stdout


def test_two_hundred_failures_are_capped() -> None:
    body = body_of([Failure("n" * 500, "m" * 5000) for _ in range(200)], "https://example.org/run")
    assert body.startswith("200 contract test(s) failed in https://example.org/run.\n")
    assert body.count("\n- ") == MAX_TESTS
    assert "\nAnd 150 more: see the report of the run.\n" in body
    assert len(body) < 65_536, "an issue's text may not be longer"


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_name_stays_inert(name: str, message: str) -> None:
    (line,) = (line for line in body_of([Failure(name, message)], "").splitlines() if line.startswith("- "))
    assert re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", line) in ("- ", "- : ")


def test_a_hostile_name_stays_on_its_line() -> None:
    body = body_of([Failure(HOSTILE, HOSTILE)], "")
    assert "\n## owned" not in body
    assert "\u202e" not in body


def test_errors_count_and_skipped_tests_do_not() -> None:
    text = (
        b'<testsuite><testcase classname="c" name="e"><error>boom\nmore</error></testcase>'
        b'<testcase name="s"><skipped/></testcase><testcase><failure/></testcase></testsuite>'
    )
    assert failures_in(text) == [Failure("c::e", "boom"), Failure("(a test without a name)", "")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not well-formed XML"),
        (b"<testsuites>", "not well-formed XML"),
        (b"<html/>", "<html> is no JUnit report"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>', "a document type or an entity"),
    ],
)
def test_what_is_no_report(tmp_path: Path, text: bytes, problem: str) -> None:
    (tmp_path / "r.xml").write_bytes(text)
    done = notice(tmp_path / "r.xml", path=str(tmp_path))
    assert done.returncode == 1
    assert f"contract drift: {tmp_path / 'r.xml'}: {problem}" in done.stderr
    assert "No such file" in notice(tmp_path / "none.xml", path=str(tmp_path)).stderr


def test_what_pytest_really_writes(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\n@pytest.mark.parametrize('x', ['a\\x00`b'])\ndef test_a(x): assert 0\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--junitxml=r.xml", "-p", "no:cacheprovider", "test_one.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=100, check=False)
    (failure,) = failures_in((tmp_path / "r.xml").read_bytes())
    assert failure.name.startswith("test_one::test_a[")
    assert failure.message.startswith("assert 0")
