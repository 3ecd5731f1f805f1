"""docs/grades.md holds the figures that its script computes."""

from __future__ import annotations

from pathlib import Path

from scripts.grade_table import PAGE, figures, read_takes, with_figures


def test_the_figures_are_computed(shared_data: Path) -> None:
    takes = read_takes(shared_data / "timing")
    assert len(takes) == 327
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_figures(page, figures(takes)), "run scripts/grade_table.py"


def test_every_source_has_its_licence() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Sources")[1].split("\n\n")[1]
    licences = [line.rstrip("| ").rpartition(" | ")[2] for line in table.splitlines()[2:] if line.startswith("|")]
    assert len(licences) == 4
    assert all("CC BY" in licence or "MIT" in licence for licence in licences)
