"""How many takes have a usable tip in time, by technique and by how fast the AI service is. About 80 s a profile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from sg_hybrid.models import Usage
from sg_hybrid.prices import cost_usd

from ._scratch import scratch
from .table import Row

PROFILES: Final = ("published", "good-hour", "optimistic", "lan", "broken")
MODEL: Final = "anthropic:claude-haiku-5-5@latest"
"""Whose price the tokens are counted by."""


def measure(profile: str, seed: int = 1) -> dict[str, Any]:
    """Play fifty sessions against the simulator with one profile."""
    with scratch("on-time") as base:
        return _measure_in(base, profile, seed)


def _measure_in(base: Path, profile: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks._service", profile, str(seed)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        band = [sys.executable, "-m", "benchmarks._band", url, str(base)]
        done = subprocess.run(band, capture_output=True, text=True, check=True, timeout=600)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    finally:
        service.terminate()
        service.wait(10)


def rows_of(profile: str, found: dict[str, Any]) -> list[Row]:
    """The rows of one profile."""
    live, prepare = (cost_usd(MODEL, Usage(*tokens)) or 0.0 for tokens in found["tokens"])
    ratio = (live + prepare) / live if live else float("inf")
    thousand = 1000 / found["takes"]
    rows = [
        _share(f"{profile}: plain race", found["plain"]),
        _share(f"{profile}: early tip", found["early"]),
        _share(f"{profile}: + prepared", found["in_time"], 0.99 if profile == "published" else None),
        _share(f"{profile}: + prepared, first takes", found["first_in_time"], 0.95 if profile == "published" else None),
    ]
    if profile == "broken":
        rows.append(_share("broken: + prepared, from the fourth take of a session", found["later_in_time"], 0.90))
    if profile in ("published", "broken"):
        rows += [
            Row(
                f"{profile}: cost of 1,000 takes",
                (live + prepare) * thousand,
                "USD",
                "the live calls alone",
                live * thousand,
                ratio,
                "≤ 2 ×" if profile == "published" else "",
                ratio <= 2 if profile == "published" else None,
            ),
            Row(f"{profile}: hint after its score, p50", found["hint_ms_p50"], "ms", "–", None, None, "", None),
            Row(f"{profile}: hint after its score, p99", found["hint_ms_p99"], "ms", "–", None, None, "", None),
        ]
    for word in ("lost", "doubled"):
        rows.append(Row(f"{profile}: replies {word}", found[word], "", "–", None, None, "0", found[word] == 0))
    return rows


def _share(claim: str, share: float, goal: float | None = None) -> Row:
    text = "" if goal is None else f"≥ {goal * 100:g} %"
    return Row(claim, share * 100, "% in time", "–", None, None, text, None if goal is None else share >= goal)


def run() -> list[Row]:
    """All profiles."""
    return [row for profile in PROFILES for row in rows_of(profile, measure(profile))]
