"""Write the figures of docs/grades.md: what the rules say about takes that professionals and others really played.

python scripts/grade_table.py FOLDER     FOLDER holds sessions.jsonl: telemetry rows, one take a line
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sg_coach import CoachEvaluation, SessionRecord, evaluate_session, session_from  # noqa: E402 - the root comes first

PAGE: Final = ROOT / "docs" / "grades.md"
BEGIN: Final = "<!-- figures: written by scripts/grade_table.py -->"
END: Final = "<!-- end of figures -->"
P95_WARN_MS: Final = 35.0
P95_FAIL_MS: Final = 55.0

SOURCES: Final = {
    "groove": "Groove MIDI Dataset (Gillick et al. 2019), as in zharry29/drums-with-llm",
    "guitarset": "GuitarSet (Xi et al. 2018), annotations as in hozefazs/autotab",
    "jtd": "Jazz Trio Database, HuwCheston/Jazz-Trio-Database",
    "wjd": "Weimar Jazz Database, as packaged in klausfrieler/jazzodata",
}
INSTRUMENTS: Final = {"as": "saxophone", "bs": "saxophone", "ss": "saxophone", "ts": "saxophone"} | {
    "tp": "trumpet",
    "p": "piano",
    "g": "guitar",
}


@dataclass(frozen=True, slots=True)
class Take:
    """A row of telemetry and what the rules say about it."""

    source: str
    instrument: str
    licence: str
    feel: str
    chance_p95_ms: float
    """The p95 of events thrown at random on the same grid."""
    session: SessionRecord
    evaluation: CoachEvaluation


def read_takes(folder: Path) -> list[Take]:
    """Return the takes of `folder`/sessions.jsonl, evaluated."""
    lines = (folder / "sessions.jsonl").read_text(encoding="utf-8").splitlines()
    return [_take(json.loads(line)) for line in lines]


def _take(row: dict[str, Any]) -> Take:
    source, derived = row["source"], row["derived"]
    session = session_from(row["session"], source=row["source_id"])
    return Take(
        source=source["dataset"],
        instrument=INSTRUMENTS.get(source["instrument"], source["instrument"]),
        licence=source["licence"],
        feel=derived["feel"],
        chance_p95_ms=derived["uniform_p95_ms"],
        session=session,
        evaluation=evaluate_session(session),
    )


def figures(takes: Sequence[Take]) -> str:
    """Return the generated part of the page."""
    return "\n".join(
        [
            "## Grades by source",
            "",
            *_grades(takes, "source and instrument", lambda take: f"{take.source}: {take.instrument}"),
            "",
            "## Grades by feel and by grid",
            "",
            *_grades(takes, "feel", lambda take: f"{take.feel} eighths"),
            "",
            *_grades(takes, "a step of the grid lasts", _step),
            "",
            "## What costs the points",
            "",
            *_findings(takes),
            "",
            "## Sources",
            "",
            "| source | takes | licence |",
            "|---|---|---|",
            *(_source(name, takes) for name in sorted(SOURCES)),
        ]
    )


def _grades(takes: Iterable[Take], title: str, key: Callable[[Take], str]) -> list[str]:
    groups: dict[str, list[Take]] = {}
    for take in takes:
        groups.setdefault(key(take), []).append(take)
    groups = {name: groups[name] for name in sorted(groups)} | {"**all**": [t for g in groups.values() for t in g]}
    return [
        f"| {title} | takes | A | B | C | D | F | F in % | score | p95, ms | on grid | random p95, ms |",
        "|---|" + "---:|" * 11,
        *(_grade_line(name, group) for name, group in groups.items()),
    ]


def _grade_line(name: str, takes: Sequence[Take]) -> str:
    counts = Counter(take.evaluation.grade for take in takes)
    cells = [
        str(len(takes)),
        *(str(counts[grade]) for grade in ("A", "B", "C", "D", "F")),
        f"{100 * counts['F'] / len(takes):.0f}",
        f"{statistics.median(take.evaluation.score_0_100 for take in takes):.0f}",
        f"{statistics.median(take.session.timing_p95_error_ms for take in takes):.0f}",
        f"{statistics.median(take.session.notes_on_grid_ratio for take in takes):.2f}",
        f"{statistics.median(take.chance_p95_ms for take in takes):.0f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def _step(take: Take) -> str:
    """The time from one grid line to the next; random playing has its p95 at 0.475 of it."""
    step = take.chance_p95_ms / 0.475
    if step < P95_WARN_MS / 0.475:
        return "under 74 ms (random playing gets no timing finding)"
    if step < P95_FAIL_MS / 0.475:
        return "74 to 116 ms (random playing gets a WARN)"
    return "over 116 ms (random playing gets a FAIL)"


def _findings(takes: Sequence[Take]) -> list[str]:
    found = Counter((finding.code, finding.severity) for take in takes for finding in take.evaluation.findings)
    lines = [
        f"| {code} | {severity} | {count} | {100 * count / len(takes):.0f} |"
        for (code, severity), count in sorted(found.items())
    ]
    none = sum(not take.evaluation.findings for take in takes)
    return [
        "| finding | severity | takes | % |",
        "|---|---|---:|---:|",
        *lines,
        f"| none | | {none} | {100 * none / len(takes):.0f} |",
    ]


def _source(name: str, takes: Iterable[Take]) -> str:
    own = [take for take in takes if take.source == name]
    return f"| {name}: {SOURCES[name]} | {len(own)} | {', '.join(sorted({take.licence for take in own}))} |"


def with_figures(page: str, text: str) -> str:
    """Return the page with its generated part replaced."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the figures of docs/grades.md.")
    parser.add_argument("folder", type=Path, help="folder with sessions.jsonl")
    takes = read_takes(parser.parse_args(arguments).folder)
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), figures(takes)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
