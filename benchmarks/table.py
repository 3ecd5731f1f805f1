"""Rows of a benchmark: printed as one table, written as JSON into benchmarks/results/."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One claim and what was measured in this run.

    `ours` and `peer` are in `unit`; `against` names the peer (a program on the same machine in the same run) and
    `ratio` is ours / peer. `goal` is the promise in words and `holds` whether it was kept; a row without a promise
    has none of both.
    """

    claim: str
    ours: float
    unit: str
    against: str
    peer: float | None
    ratio: float | None
    goal: str
    holds: bool | None


def below(claim: str, ours: float, unit: str, limit: float) -> Row:
    """A row that promises to stay at or under a limit."""
    return Row(claim, ours, unit, "–", None, None, f"≤ {limit:g} {unit}", ours <= limit)


def at_most(claim: str, ours: float, unit: str, against: str, peer: float, times: float) -> Row:
    """A row that promises at most `times` the peer."""
    return Row(claim, ours, unit, against, peer, ours / peer, f"≤ {times:g} ×", ours / peer <= times)


def known(claim: str, ours: float, unit: str, against: str, peer: float) -> Row:
    """A row that promises nothing: worth knowing."""
    return Row(claim, ours, unit, against, peer, ours / peer, "", None)


def medians(runs: int, *actions: Callable[[], object]) -> list[float]:
    """Return the median time of each action in seconds; they take turns, so a slow moment of the machine hits all."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(runs):
        for action, found in zip(actions, times, strict=True):
            start = time.perf_counter()
            action()
            found.append(time.perf_counter() - start)
    return [statistics.median(found) for found in times]


def print_table(rows: Iterable[Row]) -> None:
    """Print the rows, one a line, the columns aligned."""
    lines = [("claim", "ours", "unit", "against", "peer", "ratio", "goal", ""), *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    peer = "" if row.peer is None else f"{row.peer:.4g}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    verdict = {True: "ok", False: "MISSED", None: ""}[row.holds]
    return (row.claim, f"{row.ours:.4g}", row.unit, row.against, peer, ratio, row.goal, verdict)


def write_json(name: str, rows: Sequence[Row]) -> Path:
    """Write the rows of one benchmark to benchmarks/results/{name}.json; return the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
