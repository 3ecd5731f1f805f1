"""The built wheel's `sg_coach` works with pydantic alone: no event loop, no network, no AI, no key package."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import FIXTURES
from tests.takes import GOLDEN_SESSION, golden

ROOT = Path(__file__).parents[2]
FOREIGN = {"anyio", "asyncio", "anthropic", "httpx", "http.client", "ssl", "cryptography", "tenacity", "structlog"}


def closure(name: str) -> set[str]:
    """A distribution and everything that it needs here (no extras)."""
    needed, waiting = set(), [name]
    while waiting:
        found = waiting.pop()
        if found in needed:
            continue
        needed.add(found)
        for text in importlib.metadata.requires(found) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return needed


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder with the wheel's files and the closure of its one dependency."""
    folder = tmp_path_factory.mktemp("alone")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    site = folder / "site"
    [wheel] = (folder / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in closure("pydantic"):
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    return site


def alone(site: Path, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program that sees that site folder and the standard library, and nothing else."""
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n{program}"
    command = [sys.executable, "-I", "-S", "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


SGC = "from sg_coach.cli import main; sys.exit(main())"


def test_the_coach_needs_pydantic_and_nothing_else(site: Path) -> None:
    program = "import sg_coach, sg_coach.cli; print(sg_coach.__file__); print(*sys.modules)"
    ran = alone(site, program)
    assert ran.returncode == 0, ran.stderr
    where, loaded = ran.stdout.splitlines()
    assert where == str(site / "sg_coach" / "__init__.py")
    assert not FOREIGN & set(loaded.split())
    assert "sg_hybrid" not in loaded
    for package in ("anyio", "anthropic", "cryptography"):
        assert alone(site, f"import {package}").returncode == 1, "it must not be within reach"


def test_every_command_works_but_keys(site: Path, tmp_path: Path) -> None:
    for command in (("evaluate", GOLDEN_SESSION), ("assign", GOLDEN_SESSION), ("coach", GOLDEN_SESSION)):
        assert alone(site, SGC, *command).returncode == 0
    said = json.loads(alone(site, SGC, "evaluate", GOLDEN_SESSION, "--canonical").stdout)
    assert said == golden("evaluation")
    built = alone(site, SGC, "ota-bundle", "--session", GOLDEN_SESSION, "--out", tmp_path, "--zip")
    folder, archive = built.stdout.split()
    assert alone(site, SGC, "ota-verify", folder).stdout == "OK\n"
    assert alone(site, SGC, "ota-verify-zip", archive).stdout == "OK\n"
    keygen, trust = ("keygen", "--out", str(tmp_path / "keys")), ("ota-verify", folder, "--trust-key", "key.pem")
    for arguments in (keygen, trust):
        refused = alone(site, SGC, *arguments)
        assert refused.returncode == 1
        assert refused.stderr == (
            "ERROR: keys need the cryptography package; install it with: pip install sg-hybrid[sign]\n"
        )


def test_a_take_needs_its_extra_and_says_so(site: Path) -> None:
    refused = alone(site, SGC, "analyze", FIXTURES / "takes" / "clip_bossa" / "take.mid")
    assert refused.returncode == 1
    assert refused.stderr == ("ERROR: MIDI files need the mido package; install it with: pip install sg-hybrid[midi]\n")
    assert alone(site, "import sg_coach.take, sg_coach.midi_file, sg_coach.take_plot").returncode == 0


def test_help_and_completion_ask_for_no_extra(site: Path) -> None:
    ran = alone(site, "import inspect, pydoc, sg_coach; pydoc.render_doc(sg_coach); inspect.getmembers(sg_coach)")
    assert ran.returncode == 0, ran.stderr


def test_the_wheel_brings_the_command(site: Path) -> None:
    [entry_points] = site.glob("*.dist-info/entry_points.txt")
    assert "sgc = sg_coach.__main__:main" in entry_points.read_text(encoding="utf-8")
