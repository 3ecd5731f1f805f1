"""What is shipped: built twice, listed, installed into an empty environment out of the sources' reach, and run there.

No network: the empty environment sees, of the packages installed here, exactly those that the wheel's own metadata asks
for. What is imported but not declared is missing there.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EPOCH = "1770206400"
PACKAGES = ("sg_coach", "sg_generator", "sg_hybrid")


@dataclass(frozen=True)
class Built:
    sdist: Path
    wheel: Path

    def names(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def read(self, name: str) -> bytes:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(name)

    def sdist_names(self) -> set[str]:
        """Names in the sdist, without the folder that holds them all."""
        with tarfile.open(self.sdist) as archive:
            return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}


def build(sources: Path, target: Path) -> Built:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), "-t", "sdist", "-t", "wheel"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(
        command, cwd=sources, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def rebuilt(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built again from the sdist: elsewhere, from files of another age."""
    unpacked = tmp_path_factory.mktemp("sources")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (sources,) = unpacked.iterdir()
    for path in sources.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return build(sources, tmp_path_factory.mktemp("dist again"))


def test_the_wheel_is_pure_python(built: Built) -> None:
    assert built.wheel.name.endswith("-py3-none-any.whl")
    assert not {name for name in built.names() if name.endswith((".so", ".pyd", ".dll", ".dylib"))}


def test_the_same_sources_give_the_same_bytes(built: Built, rebuilt: Built) -> None:
    assert rebuilt.wheel.name == built.wheel.name
    assert rebuilt.wheel.read_bytes() == built.wheel.read_bytes()
    assert rebuilt.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_holds_the_packages_contracts_prompts_and_takes(built: Built) -> None:
    names = built.names()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    sources = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert {path.as_posix() for path in sources} <= names
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    for folder, place in (
        ("contracts", "sg_coach/_contracts"),
        ("sg_hybrid/prompts", "sg_hybrid/prompts"),
        ("fixtures/sessions", "sg_hybrid/_takes"),
        ("sg_generator/page", "sg_generator/page"),
    ):
        files = [path for path in (ROOT / folder).iterdir() if path.is_file()]
        assert files
        for path in files:
            assert built.read(f"{place}/{path.name}") == path.read_bytes()
    assert built.read("sg_hybrid/_takes/README.md") == (ROOT / "fixtures/README.md").read_bytes()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_tests_fixtures_and_leftovers_are_out(built: Built) -> None:
    for name in built.names() | built.sdist_names():
        parts = set(PurePosixPath(name).parts)
        assert not parts & {"tests", "benchmarks", "scripts", "__pycache__", ".venv", ".github", ".cbsp21", "queue"}, (
            name
        )
        assert not name.endswith((".pyc", ".swp", "~")), name
    assert not {name for name in built.names() if "fixtures" in PurePosixPath(name).parts}
    fixtures = {name for name in built.sdist_names() if name.startswith("fixtures/")}
    assert all(name.startswith("fixtures/sessions") or name == "fixtures/README.md" for name in fixtures)


def test_the_metadata(built: Built) -> None:
    metadata = metadata_of(built)
    assert metadata["Name"] == "sg-hybrid"
    assert metadata["Metadata-Version"] == "2.4", "one that indexes and upload tools know"
    assert f"-{metadata['Version']}-" in built.wheel.name
    assert f'__version__ = "{metadata["Version"]}"' in built.read("sg_coach/__about__.py").decode()
    assert metadata["License-Expression"] == "MIT"
    light = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [Requirement(line).name for line in light] == ["pydantic"]


@pytest.mark.timeout(300)
def test_the_worker_runs_its_demo_in_an_empty_environment(built: Built, tmp_path: Path) -> None:
    python = empty_environment(built, tmp_path / "environment", extras=("worker", "ai", "simulator", "generator"))
    (tmp_path / "tmp").mkdir()
    demo = ("demo", "--bundle-root", tmp_path / "new" / "takes")
    done = run(tmp_path, python.with_name("sg-hybrid"), *demo, TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clip.ai_coach.json" in done.stdout
    assert "expired: pending/ is empty" in done.stdout
    assert "the next clip, as the coach decided" in done.stdout
    assert str(ROOT) not in done.stdout


def test_the_light_part_runs_in_an_empty_environment(built: Built, tmp_path: Path) -> None:
    python = empty_environment(built, tmp_path / "environment", extras=())
    done = run(tmp_path, python.with_name("sgc"), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: sgc")
    code = (
        "import importlib.util, sg_coach, sg_coach.__about__ as about, pathlib\n"
        "print(pathlib.Path(sg_coach.__file__).parent, about.__version__)\n"
        "print([name for name in ('anyio', 'anthropic', 'typer', 'pytest') if importlib.util.find_spec(name)])\n"
        "print(len(list((pathlib.Path(sg_coach.__file__).parent / '_contracts').glob('*.schema.json'))))\n"
    )
    done = run(tmp_path, python, "-c", code)
    place, found, contracts = done.stdout.splitlines()
    assert place.startswith(str(tmp_path)), "the installed package runs, not the sources"
    assert place.endswith(metadata_of(built)["Version"])
    assert (found, int(contracts)) == ("[]", len(list((ROOT / "contracts").glob("*.schema.json"))))


def run(folder: Path, *command: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command far from the sources, with nothing that could lead back to them."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    environment = {**kept, "HOME": str(folder), **changes}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )


def metadata_of(built: Built) -> email.message.Message:
    (name,) = (name for name in built.names() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(built.read(name))


def empty_environment(built: Built, folder: Path, extras: tuple[str, ...]) -> Path:
    """Make an environment with the wheel and what it asks for; return its Python."""
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "-q"]
    done = run(folder, *command, "--no-index", "--no-deps", built.wheel)
    assert done.returncode == 0, done.stderr
    dependencies = folder / "dependencies"
    dependencies.mkdir()
    wanted: set[str] = set()
    for line in metadata_of(built).get_all("Requires-Dist", []):
        collect(Requirement(line), extras, wanted)
    for name in wanted:
        link(name, dependencies)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return python


def collect(requirement: Requirement, extras: tuple[str, ...], wanted: set[str]) -> None:
    """Add the name of a requirement, and of what it needs in turn, if its marker holds for one of `extras`."""
    marker = requirement.marker
    if marker and not any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
        return
    name = canonicalize_name(requirement.name)
    if name in wanted:
        return
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        raise AssertionError(f"{name} is asked for and not installed here: run make setup") from None
    wanted.add(name)
    for line in lines:
        collect(Requirement(line), tuple(requirement.extras), wanted)


def link(name: str, folder: Path) -> None:
    """Make what a package installed visible in `folder`."""
    for top in tops(name):
        target = folder / top.name
        if not target.exists():
            target.symlink_to(top)


def tops(name: str) -> Iterator[Path]:
    found = distribution(name)
    parts = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    assert parts, f"{name} lists no file"
    for part in sorted(parts):
        yield Path(str(found.locate_file(part)))
