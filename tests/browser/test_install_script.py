"""`scripts/browser.sh`: it installs a browser where it may, says in one line where it may not, and never fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "browser.sh"


class Machine:
    """A machine on which only some programs exist, each a line of shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.has("timeout", 'shift; exec "$@"')

    def has(self, name: str, does: str) -> None:
        program = self.folder / name
        program.write_text(f"#!{shutil.which('sh')}\n{does}\n")
        program.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        sh = shutil.which("sh") or "sh"
        return subprocess.run(
            [sh, SCRIPT], env={"PATH": str(self.folder)}, capture_output=True, text=True, timeout=20, check=False
        )

    @property
    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def apt_get(machine: Machine, install_works_at: int) -> None:
    """An apt-get whose install works at the n-th try (0: never)."""
    log = machine.folder / "calls"
    tries = f'case "$*" in *update*) exit 0;; esac; n=0; while read -r l; do n=$((n+1)); done < {log}; '
    machine.has("apt-get", f'echo "$*" >> {log}; {tries} [ "$n" = {install_works_at} ]')


def test_a_browser_that_is_there_is_enough(machine: Machine) -> None:
    machine.has("chromium", "")
    apt_get(machine, 1)
    result = machine.run()
    assert (result.returncode, result.stdout, machine.calls) == (0, "", [])


def test_without_root_one_line_says_why(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    apt_get(machine, 1)
    result = machine.run()
    assert result.returncode == 0
    assert result.stdout.startswith("the browser tests will be skipped: ")
    assert "only root" in result.stdout
    assert result.stdout.count("\n") == 1
    assert machine.calls == []


def test_root_installs_debians_chromium_quietly(machine: Machine) -> None:
    machine.has("id", "echo 0")
    apt_get(machine, 1)
    result = machine.run()
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    assert len(machine.calls) == 1
    assert machine.calls[0].endswith("chromium")


def test_old_package_lists_are_renewed_first(machine: Machine) -> None:
    machine.has("id", "echo 0")
    apt_get(machine, 3)
    result = machine.run()
    assert (result.returncode, result.stdout) == (0, "")
    assert [call.split()[0] for call in machine.calls] == ["install", "update", "install"]


def test_an_installation_that_fails_is_no_failure(machine: Machine) -> None:
    machine.has("id", "echo 0")
    apt_get(machine, 0)
    result = machine.run()
    assert result.returncode == 0
    assert "could not install chromium" in result.stdout
