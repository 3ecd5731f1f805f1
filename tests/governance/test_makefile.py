"""What `make` says on a machine that lacks something: one line that names the remedy, and nothing done by halves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.governance.repository import ROOT, environment

ASKED_OF_THE_MACHINE = ("make", "sh", "git", "echo", "touch", "grep", "sed", "expand", "rm", "dirname")
WORKS = "#!/bin/sh\nexit 0\n"
TOO_OLD = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What was unpacked from an archive: the files, and no git data."""
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt", "requirements/bench.txt", "scripts/lock.sh"):
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "checkout" / name)
    return tmp_path / "checkout"


def make(checkout: Path, *words: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run make on a machine with the usual tools and these programs (their text) alone."""
    path = checkout.parent / "bin"
    path.mkdir()
    for name in ASKED_OF_THE_MACHINE:
        if found := shutil.which(name):
            (path / name).symlink_to(found)
    for name, text in programs.items():
        (path / name.replace("_", ".")).write_text(text)
        (path / name.replace("_", ".")).chmod(0o755)
    kept = {name: value for name, value in environment().items() if not name.startswith(("PYTHON", "MAKE"))}
    return subprocess.run(
        [path / "make", *words],
        cwd=checkout,
        env={**kept, "PATH": str(path), "GIT_CEILING_DIRECTORIES": str(checkout.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("programs", [{}, {"python3": TOO_OLD}], ids=["no python", "an old one"])
def test_a_machine_without_a_new_enough_python_is_told_so(checkout: Path, programs: dict[str, str]) -> None:
    done = make(checkout, "setup", **programs)
    assert done.returncode == 2
    assert done.stderr.startswith("ERROR: python3 is no Python 3.11 or newer; install one, or name it: make PYTHON=")
    assert not (checkout / ".venv").exists()


def test_a_newer_python_is_found_beside_an_old_one(checkout: Path) -> None:
    done = make(checkout, "-n", "setup", python3=TOO_OLD, python3_12=WORKS)
    assert "python3.12 -m venv .venv" in done.stdout


def test_packages_that_cannot_be_had_are_told_with_the_remedy(checkout: Path) -> None:
    pip = checkout / ".venv" / "bin" / "python"
    pip.parent.mkdir(parents=True)
    pip.write_text(TOO_OLD)
    pip.chmod(0o755)
    done = make(checkout, "setup", python3=WORKS)
    assert done.returncode == 2
    assert "ERROR: pip could not install the packages" in done.stderr
    assert "PIP_INDEX_URL" in done.stderr
    assert not (checkout / ".venv" / ".installed").exists()


def test_a_distribution_is_not_built_without_git_data(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed").touch()
    (checkout / "dist").mkdir()
    done = make(checkout, "dist", python3=WORKS)
    assert done.returncode == 2
    assert "ERROR: make dist dates its files by the last commit; run it in a git clone" in done.stderr
    assert (checkout / "dist").exists()


def test_locking_without_uv_says_what_is_missing(checkout: Path) -> None:
    done = make(checkout, "lock", python3=WORKS)
    assert done.returncode == 2
    assert "ERROR: uv is not there; install it first" in done.stderr
