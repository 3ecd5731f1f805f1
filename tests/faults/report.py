"""What a run of the fault suite found: as a table, as JSON, and as a block for docs/reliability.md."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from .runner import MODES, Row, Violation

BEGIN: Final = "<!-- faults: written by make faults -->\n"
END: Final = "<!-- faults: end -->"


_VARIABLE: Final = re.compile(r"\d{3,}")


def table(rows: Sequence[Row], modes: Sequence[str]) -> str:
    """Scenario by mode: points tried, and violations behind an exclamation mark."""
    found = {(row.scenario, row.mode): row for row in rows}
    lines = [f"{'scenario':<14}" + "".join(f"{mode:>13}" for mode in modes)]
    for name in dict.fromkeys(row.scenario for row in rows):
        cells = (_cell(found.get((name, mode))) for mode in modes)
        lines.append(f"{name:<14}" + "".join(f"{cell:>13}" for cell in cells))
    lines.append(f"{'all':<14}" + "".join(f"{_cell(_total(rows, mode)):>13}" for mode in modes))
    return "\n".join(lines)


def _total(rows: Sequence[Row], mode: str) -> Row:
    total = Row("", mode)
    for row in rows:
        if row.mode == mode:
            total.add(row)
    return total


def _cell(row: Row | None) -> str:
    if row is None or not row.points:
        return "–"
    missed = f"-{row.points - row.reached}" if row.reached < row.points else ""
    return f"{row.points}{missed}" + (f" !{len(row.violations)}" if row.violations else "")


def explained(rows: Sequence[Row], most: int) -> str:
    """The violations, equal ones together, and how to see one again."""
    kinds: dict[tuple[str, ...], list[Violation]] = {}
    for violation in (violation for row in rows for violation in row.violations):
        kinds.setdefault(tuple(_VARIABLE.sub("*", problem) for problem in violation.problems[:2]), []).append(violation)
    lines = []
    for found in list(kinds.values())[:most]:
        first = found[0]
        lines.append(f"\n{len(found)} × " + "\n    ".join(first.problems[:4]))
        lines.append(f"    at: {first.where}")
        lines.append(
            f"    again: python -m tests.faults --scenario {first.scenario} --mode {first.mode} --point {first.point}"
        )
    if len(kinds) > most:
        lines.append(f"\n… and {len(kinds) - most} more kinds")
    return "\n".join(lines)


def as_json(rows: Sequence[Row], seconds: float) -> dict[str, Any]:
    return {
        "points": sum(row.points for row in rows),
        "reached": sum(row.reached for row in rows),
        "violations": sum(len(row.violations) for row in rows),
        "seconds": round(seconds, 1),
        "rows": [asdict(row) for row in rows],
    }


def markdown(rows: Sequence[Row], seconds: float) -> str:
    """The block for the docs: points and violations by mode."""
    totals = [_total(rows, mode) for mode in MODES]
    lines = ["| mode | points tried | violations |", "|---|---:|---:|"]
    lines += [f"| `{total.mode}` | {total.points} | {len(total.violations)} |" for total in totals]
    points, violations = sum(total.points for total in totals), sum(len(total.violations) for total in totals)
    plays = len({row.scenario for row in rows})
    where = f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}"
    lines.append(f"| all | {points} | {violations} |")
    return "\n".join(lines) + f"\n\n{plays} plays, every point, {seconds / 60:.0f} minutes on {where}.\n"


def write_docs(rows: Sequence[Row], seconds: float, page: Path) -> None:
    """Put the block into the page, between its marks."""
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    page.write_text(head + BEGIN + markdown(rows, seconds) + END + rest.partition(END)[2], "utf-8")
