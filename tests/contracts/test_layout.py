"""What the documents say of the repository's files is so: links, paths, targets of make, the drawing of the layers."""

from __future__ import annotations

import queue
import re
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (".", "contracts", "docs", "docs/decisions", "fixtures", "queue")
DOCUMENTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))
PACKAGES = ("sg_coach", "sg_generator", "sg_hybrid")


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as the forge makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_named_files_of_the_repository_are_there(document: Path) -> None:
    """A path in code type that begins with a folder of sources; in docs/decisions it may be what was there then."""
    top = "|".join((*PACKAGES, "tests", "scripts", "benchmarks", "contracts", "requirements", r"\.github"))
    for path in re.findall(rf"`((?:{top})/[\w./*-]+)`", document.read_text("utf-8")):
        if path.startswith("benchmarks/results"):  # what a run of them writes
            continue
        found = list(ROOT.glob(path)) or [ROOT / f"{path}.py"]
        assert found[0].exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_named_targets_of_make_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("package", PACKAGES)
def test_the_drawing_of_the_layers_is_in_their_order(package: str) -> None:
    """Each name that is drawn is a module, and each row stands over the next one in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one.get("containers") == [package])
    height = {name.strip(): number for number, layer in enumerate(layers) for name in layer.split("|")}
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = re.search(rf"^{package} .*(?:\n .*)*", text, re.MULTILINE)
    assert drawn
    place = -1
    for row in drawn.group().removeprefix(package).split(">"):
        modules = re.findall(r"\w+\b(?!\*)", row)  # a pattern such as `ota_*` stands for several layers
        assert set(modules) <= height.keys(), row
        here = [height[module] for module in modules]
        assert all(number > place for number in here), row
        place = max(here, default=place)


def test_the_development_queue_is_no_package() -> None:
    assert not list((ROOT / "queue").rglob("*.py"))
    assert Path(queue.__file__ or "").is_relative_to(sysconfig.get_path("stdlib"))
