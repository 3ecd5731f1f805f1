"""The gate: every governed file of a change is named in the manifest, with how much of it was read.

Where this clone has nothing to compare HEAD with (the first commit, a clone of depth 1), what changed is unknown: then
the manifest itself is checked, and the gate says so.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .changes import ChangeSet, GitFailed, Touched, change_set, last_release, repository_of, since, tracked
from .manifest import (
    Verdict,
    exempt_patterns_of,
    judge_incidents,
    manifest_problems,
    names_to_declare,
    refreshed,
)
from .percent import DEFAULT_SHARE, share_option

MANIFEST: Final = ".cbsp21/patch_input.json"
EXEMPTIONS: Final = ".cbsp21/exemptions.json"
INCIDENTS: Final = ".cbsp21/incident_log.json"
REMEDY: Final = "read the named files, then say so: make cbsp21"


class Unusable(Exception):
    """A file of the policy is missing or has another form. The message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run is asked: where the files are, how much is enough, when it is."""

    root: Path
    manifest: Path
    minimum: float
    """In percent."""
    now: datetime


def judge(policy: Policy, changes: ChangeSet) -> Verdict:
    """Return the gate's verdict on `changes`."""
    try:
        exempt = _exempt_patterns(policy.root)
        incidents, let_through = _incidents(policy)
        needed = names_to_declare(changes.files, exempt)
        if changes.base and not needed:
            return Verdict(incidents.problems, (*incidents.notices, "no governed file changed"))
        problems = list(_manifest_problems(policy, needed))
    except Unusable as error:
        return Verdict((str(error),))
    notices = (*incidents.notices, *_told(changes, needed))
    if let_through:
        return Verdict(incidents.problems, (*notices, *(f"let through: {problem}" for problem in problems)))
    return Verdict((*incidents.problems, *problems), notices)


def main(arguments: Sequence[str], default: Path) -> int:
    """Check the repository that the command is run in, else `default`; return the exit code."""
    root = repository_of(Path.cwd(), default)
    parser = argparse.ArgumentParser("check_cbsp21_gate.py", description=__doc__)
    parser.add_argument("--base", help="compare with this; default: origin/main, else HEAD~1")
    parser.add_argument("--worktree", action="store_true", help="what is not committed yet counts too")
    options = parser.parse_args(arguments)
    try:
        policy = _policy(root, os.environ, datetime.now(UTC))
        changes = change_set(root, base=options.base, worktree=options.worktree)
    except (argparse.ArgumentTypeError, GitFailed) as error:
        print(f"CBSP21 GATE FAIL: {error}")
        return 2
    return _say(judge(policy, changes), changes)


def declare(arguments: Sequence[str], default: Path) -> int:
    """Name every governed file that changed since the last release in the manifest; return the exit code."""
    root = repository_of(Path.cwd(), default)
    parser = argparse.ArgumentParser(
        "write_patch_input.py",
        description="Name every governed file that changed since the last release in the manifest.",
    )
    parser.add_argument("--coverage", type=share_option, default=1.0, help="what was read of the files not named yet")
    options = parser.parse_args(arguments)
    policy = _policy(root, os.environ, datetime.now(UTC))
    try:
        needed = names_to_declare(_since_last_release(root), _exempt_patterns(root))
        manifest = _read(policy.manifest)
    except (Unusable, GitFailed) as error:
        print(f"CBSP21: {error}")
        return 2
    fresh = refreshed(manifest if isinstance(manifest, dict) else {}, needed, options.coverage * 100)
    policy.manifest.write_text(_manifest_text(fresh), "utf-8")
    print(f"CBSP21: {policy.manifest.name} names {len(needed)} file(s); are its title and intent still true?")
    return 0


def _since_last_release(root: Path) -> tuple[Touched, ...]:
    release = last_release(root)
    return since(root, release, worktree=True) if release else tuple(Touched(path) for path in tracked(root))


def _policy(root: Path, environment: Mapping[str, str], now: datetime) -> Policy:
    minimum = share_option(environment.get("CBSP21_MIN_COVERAGE") or str(DEFAULT_SHARE))
    return Policy(root, root / (environment.get("CBSP21_MANIFEST_PATH") or MANIFEST), round(minimum * 100, 6), now)


def _manifest_problems(policy: Policy, needed: Sequence[str]) -> Iterator[str]:
    manifest = _read(policy.manifest)
    if manifest is None:
        raise Unusable(f"{policy.manifest}: missing; begin with a copy of {MANIFEST}.example")
    for problem in manifest_problems(manifest, needed, policy.minimum):
        yield f"{policy.manifest.name}: {problem}"


def _exempt_patterns(root: Path) -> list[str]:
    document = _read(root / EXEMPTIONS)
    try:
        return exempt_patterns_of(document) if document is not None else []
    except ValueError as error:
        raise Unusable(f"{EXEMPTIONS}: {error}") from error


def _incidents(policy: Policy) -> tuple[Verdict, bool]:
    document = _read(policy.root / INCIDENTS)
    if document is None:
        return Verdict(), False
    verdict, let_through = judge_incidents(document, policy.now)
    return Verdict(tuple(f"{INCIDENTS}: {problem}" for problem in verdict.problems), verdict.notices), let_through


def _read(path: Path) -> Any:
    """Return the JSON document; None if there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: cannot be read as JSON ({error})") from error


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return JSON with one line a file, so that the history shows which were added."""
    entries = [json.dumps(entry, ensure_ascii=False) for entry in manifest["changed_files"]]
    others = {field: value for field, value in manifest.items() if field != "changed_files"}
    head = json.dumps(others, indent=2, ensure_ascii=False).removesuffix("\n}").removesuffix("{}")
    begin = f"{head}," if others else "{"
    return begin + '\n  "changed_files": [\n    ' + ",\n    ".join(entries) + "\n  ]\n}\n"


def _told(changes: ChangeSet, needed: Sequence[str]) -> Iterator[str]:
    if changes.base:
        yield f"{len(needed)} governed file(s) changed since {changes.base[:12]}"
    else:
        yield "this clone has no commit to compare with: only the manifest itself was checked"


def _say(verdict: Verdict, changes: ChangeSet) -> int:
    for notice in verdict.notices:
        print(f"CBSP21 GATE: {notice}")
    for problem in verdict.problems:
        print(f"CBSP21 GATE FAIL: {problem}")
    if verdict.problems:
        print(f"CBSP21 GATE FAIL: {REMEDY}")
        return 1
    print("CBSP21 GATE PASS" + ("" if changes.base else " (form only)"))
    return 0
