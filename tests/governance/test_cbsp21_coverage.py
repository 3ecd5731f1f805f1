"""How much was read: bytes as a whole and for each file, and the line that the audit keeps of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.governance.cbsp21.coverage import compare, measure, report
from scripts.governance.cbsp21.percent import percent, share_option

from .repository import script

sizes = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 1000), min_size=1, max_size=6)


def folder(root: Path, **files: int) -> Path:
    root.mkdir()
    for name, size in files.items():
        (root / name).write_bytes(b"x" * size)
    return root


def check(full: Path, scanned: Path, *options: str) -> tuple[int, list[str]]:
    done = script(
        "cbsp21/cbsp21_coverage_check.py", "--full-path", full, "--scanned-path", scanned, *options, cwd=full.parent
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_two_files(tmp_path: Path) -> None:
    full, scanned = tmp_path / "full text", tmp_path / "scanned"
    full.write_bytes(b"x" * 1000)
    scanned.write_bytes(b"x" * 950)
    code, lines = check(full, scanned)
    assert code == 0
    assert lines[:4] == ["CBSP21 Coverage: 95.00%", "full_bytes: 1000", "scanned_bytes: 950", "threshold: 0.95"]
    assert lines[4].startswith("CBSP21 PASS: ")
    scanned.write_bytes(b"x" * 949)
    code, lines = check(full, scanned)
    assert (code, lines[0]) == (1, "CBSP21 Coverage: 94.90%")
    assert lines[4].startswith("CBSP21 FAIL: ")


def test_two_folders(tmp_path: Path) -> None:
    full, scanned = folder(tmp_path / "full", a=100, b=50), folder(tmp_path / "scanned", a=100, b=50)
    (full / "inner").mkdir()
    (full / "inner" / "c d.py").write_bytes(b"xx")
    code, lines = check(full, scanned)
    assert (code, lines[5:]) == (1, ["  0.00% inner/c d.py"])
    (scanned / "inner").mkdir()
    (scanned / "inner" / "c d.py").write_bytes(b"xx")
    assert check(full, scanned)[0] == 0


def test_one_large_file_does_not_hide_a_missing_one(tmp_path: Path) -> None:
    full, scanned = folder(tmp_path / "full", large=100_000, small=10), folder(tmp_path / "scanned", large=100_000)
    code, lines = check(full, scanned)
    assert (code, lines[0], lines[-1]) == (1, "CBSP21 Coverage: 99.99%", "  0.00% small")


def test_surplus_bytes_and_files_do_not_count(tmp_path: Path) -> None:
    full = folder(tmp_path / "full", a=100, b=100)
    found = measure(full, folder(tmp_path / "scanned", a=900, c=900), 0.95)
    assert (found.scanned_bytes, found.ratio, found.below) == (100, 0.5, (("b", 0.0),))


def test_a_link_is_not_a_text_that_was_read(tmp_path: Path) -> None:
    full, scanned = folder(tmp_path / "full", a=100), folder(tmp_path / "scanned")
    (scanned / "a").symlink_to(full / "a")
    assert not measure(full, scanned, 0.95).passed


def test_the_threshold_can_be_set(tmp_path: Path) -> None:
    full, scanned = folder(tmp_path / "full", a=100), folder(tmp_path / "scanned", a=50)
    assert check(full, scanned, "--threshold", "0.5")[0] == 0
    assert check(full, scanned, "--threshold", "51")[0] == 1


@pytest.mark.parametrize("text", ["0", "-1", "101", "nan", "inf", "much", ""])
def test_a_threshold_that_is_no_share_is_refused(tmp_path: Path, text: str) -> None:
    full = folder(tmp_path / "full", a=1)
    done = script(
        "cbsp21/cbsp21_coverage_check.py",
        "--full-path",
        full,
        "--scanned-path",
        full,
        f"--threshold={text}",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "is no share" in done.stderr


@pytest.mark.parametrize("lacking", ["full", "scanned"])
def test_a_missing_path_fails(tmp_path: Path, lacking: str) -> None:
    paths = {"full": folder(tmp_path / "a", x=1), "scanned": folder(tmp_path / "b", x=1), lacking: tmp_path / "none"}
    code, lines = check(paths["full"], paths["scanned"])
    assert (code, lines[0]) == (1, "CBSP21 Coverage: 0.00%")
    assert lines[4] == f"CBSP21 FAIL: {tmp_path / 'none'} does not exist"


def test_a_file_and_a_folder_are_not_compared(tmp_path: Path) -> None:
    full = folder(tmp_path / "full", a=1)
    assert "two files or two folders" in measure(full, full / "a", 0.95).problem


def test_a_folder_without_files_proves_nothing(tmp_path: Path) -> None:
    full, scanned = folder(tmp_path / "full"), folder(tmp_path / "scanned", a=1)
    assert "holds no file" in measure(full, scanned, 0.95).problem


def test_an_empty_file_is_read_by_being_there(tmp_path: Path) -> None:
    full = folder(tmp_path / "full", a=0)
    assert measure(full, folder(tmp_path / "there", a=0), 0.95).passed
    assert not measure(full, folder(tmp_path / "not"), 0.95).passed


def test_a_long_list_is_cut() -> None:
    lines = list(report(compare({f"f{number:03}": 1 for number in range(100)}, {}, 0.95)))
    assert lines[-1] == "  and 80 more"


@given(whole=sizes, read=sizes, threshold=st.floats(0.01, 1))
def test_it_passes_exactly_if_every_file_reaches_the_threshold(
    whole: dict[str, int], read: dict[str, int], threshold: float
) -> None:
    found = compare(whole, read, threshold)
    each = [name in read and (size == 0 or min(read[name], size) / size >= threshold) for name, size in whole.items()]
    assert found.passed == all(each)
    assert 0 <= found.ratio <= 1


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *((95, 95), (0.95, 95), (1, 100), (1.0, 100), (100, 100), (0, 0), (96.5, 96.5)),
        *((100.1, None), (-1, None), (True, None), ("95", None), (None, None)),
        *((float("nan"), None), (float("inf"), None)),
    ],
)
def test_percents_and_shares(value: object, wanted: float | None) -> None:
    assert percent(value) == wanted


def test_share_option() -> None:
    assert share_option("95") == share_option("0.95") == 0.95


@pytest.fixture
def audited(tmp_path: Path) -> Any:
    def run(*, scanned: Path, **environment: str) -> tuple[int, dict[str, Any]]:
        full = tmp_path / "full"
        if not full.exists():
            folder(full, a=3)
        log = tmp_path / "logs" / "audit log.jsonl"
        done = script(
            "cbsp21/cbsp21_coverage_with_audit.py", "--full", full, "--scanned", scanned, "--log", log,
            cwd=tmp_path, **environment,
        )  # fmt: skip
        assert done.stdout.startswith("CBSP21 Coverage: ")
        return done.returncode, json.loads(log.read_text().splitlines()[-1])

    return run


def test_the_audit_line(audited: Any, tmp_path: Path) -> None:
    scanned = folder(tmp_path / "scanned", a=2)
    code, entry = audited(
        scanned=scanned, GITHUB_REPOSITORY="o/r", GITHUB_RUN_ID="7", GITHUB_SHA="abc", GITHUB_REF="refs/heads/main"
    )
    assert code == 1
    assert entry.pop("timestamp_utc").endswith("Z")
    assert entry == {
        "policy": "CBSP21",
        "repo": "o/r",
        "full_path": str(tmp_path / "full"),
        "scanned_path": str(scanned),
        "full_bytes": 3,
        "scanned_bytes": 2,
        "coverage_ratio": 0.666667,
        "repo_coverage_percent": 66.67,
        "threshold": 0.95,
        "status": "FAIL",
        "reason": "a",
        "ci": {"github_run_id": "7", "github_sha": "abc", "github_ref": "refs/heads/main"},
    }


def test_each_run_adds_a_line_and_outside_a_workflow_ci_is_empty(audited: Any, tmp_path: Path) -> None:
    audited(scanned=folder(tmp_path / "scanned", a=3))
    code, entry = audited(scanned=tmp_path / "scanned")
    assert (code, entry["status"], entry["reason"]) == (0, "PASS", "")
    assert entry["ci"] == {"github_run_id": None, "github_sha": None, "github_ref": None}
    assert len((tmp_path / "logs" / "audit log.jsonl").read_text().splitlines()) == 2


def test_a_missing_path_is_logged_as_a_failure(audited: Any, tmp_path: Path) -> None:
    code, entry = audited(scanned=tmp_path / "none")
    assert (code, entry["status"], entry["full_bytes"], entry["coverage_ratio"]) == (1, "FAIL", 0, 0.0)
    assert entry["reason"] == f"{tmp_path / 'none'} does not exist"
