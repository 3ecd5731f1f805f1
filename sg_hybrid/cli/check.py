"""`sg-hybrid check`: bundles against the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .exits import Exit, explained, say
from .options import Bundles, Json, folder_at
from .output import print_json, print_line

if TYPE_CHECKING:
    from sg_hybrid.bundle_check import Problem


def check(bundles: Bundles, json: Json = False) -> None:
    """Check bundles against their contracts and hashes.

    Every document must fit its contract, every listed file its hash, and all must be about one clip. Prints one
    problem a line; the exit code is 1 if there is any. Nothing is written. With --json a folder that cannot be looked
    at stands in the list like the others, with a problem of `.`. A day's session.index.json is passed over, so that
    all bundles of a root are ROOT/*/*.
    """
    from sg_coach.contract import INDEX_FILE

    found: dict[Path, tuple[Problem, ...]] = {}
    worst = Exit.OK
    for bundle in dict.fromkeys(path for path in bundles if path.name != INDEX_FILE):
        try:
            found[bundle] = _problems(bundle)
        except Exception as error:
            code, line = explained(error)
            if line is None:
                raise
            say(f"ERROR: {line}")  # and on: one bundle that cannot be read does not hide the others
            worst, found[bundle] = max(worst, code), (_folder_problem(line),)
        else:
            worst = max(worst, Exit.FAILED if found[bundle] else Exit.OK)
            if not json:
                _print(bundle, found[bundle])
    if json:
        print_json([_document(bundle, problems) for bundle, problems in found.items()])
    raise typer.Exit(worst)


def _problems(bundle: Path) -> tuple[Problem, ...]:
    from sg_hybrid.bundle_check import check_bundle

    return check_bundle(folder_at(bundle))


def _folder_problem(line: str) -> Problem:
    """What keeps a folder from being looked at, as a problem of the folder itself."""
    from sg_hybrid.bundle_check import Problem

    return Problem(".", line)


def _document(bundle: Path, problems: tuple[Problem, ...]) -> dict[str, object]:
    listed = [{"file": problem.file, "problem": problem.problem} for problem in problems]
    return {"bundle": str(bundle), "ok": not problems, "problems": listed}


def _print(bundle: Path, problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        print_line(f"{bundle}: {problem}")
    if not problems:
        print_line(f"{bundle}: OK")
