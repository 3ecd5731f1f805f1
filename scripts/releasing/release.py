"""The release command: one commit with the version and the changelog, one tag. Pushing the tag is left to a person."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from packaging.version import Version

from .changelog import notes_of, with_release
from .versions import Release

ABOUT: Final = "sg_coach/__about__.py"
CHANGELOG: Final = "CHANGELOG.md"
_TIMEOUT_S: Final = 120
_VERSION_LINE: Final = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)


class Refused(Exception):
    """The release cannot be made. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a release does: what to say of it, and how to do it."""

    title: str
    detail: str
    act: Callable[[], object]


def main(arguments: Sequence[str], root: Path) -> int:
    """The command `release.py`; return the exit code."""
    options = _options(arguments)
    try:
        if options.notes:
            print(notes_of((root / CHANGELOG).read_text("utf-8"), Release.of_tag(options.notes)), end="")
        elif options.check_tag:
            check_tag(root, Release.of_tag(options.check_tag))
        else:
            _release(root, Release.of(options.version, options.rc), dry_run=options.dry_run)
    except BrokenPipeError:  # the plan is told before anything is done: whoever stopped reading stopped the release
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Refused, ValueError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def refusals(root: Path, release: Release) -> list[str]:
    """Return why this release cannot be made now; empty if it can."""
    found: list[str] = []
    dirty = _git(root, "status", "--porcelain").splitlines()
    if dirty:
        found.append(f"the tree is dirty ({len(dirty)} path(s), first {dirty[0][3:]}): commit or remove that first")
    if _git(root, "tag", "--list", release.tag).strip():
        found.append(f"the tag {release.tag} is there already: choose the next version")
    current = current_version(root)
    if Version(release.pep440) < Version(current):
        found.append(f"{release.semver} is older than the present version {current}")
    return found


def check_tag(root: Path, release: Release) -> None:
    """Raise Refused, or ValueError, unless the version and the changelog here are those of the tag."""
    found = current_version(root)
    if found != release.pep440:
        raise Refused(f"{ABOUT} says {found}, the tag {release.tag}: make the tag with make release")
    notes_of((root / CHANGELOG).read_text("utf-8"), release)
    print(f"{release.tag}: version and changelog agree")


def current_version(root: Path) -> str:
    """Return the version, from its one place."""
    found = _VERSION_LINE.search((root / ABOUT).read_text("utf-8"))
    if not found:
        raise Refused(f'{ABOUT}: no line __version__ = "…"')
    return found["version"]


def steps(root: Path, release: Release, day: date) -> list[Step]:
    """Return what a release does, in order."""
    changelog = with_release((root / CHANGELOG).read_text("utf-8"), release, _commit_lines(root), day)
    bump = [sys.executable, "-m", "hatchling", "version", release.pep440]
    commit = ["git", "commit", "--quiet", "-m", f"chore(release): {release.tag}", "--", ABOUT, CHANGELOG]
    tag = ["git", "tag", "--annotate", release.tag, "-m", release.tag]
    before = current_version(root)
    return [
        Step(
            f"version: {ABOUT}: {before} → {release.pep440}",
            _shown(["hatchling", *bump[3:]]),
            lambda: before != release.pep440 and _run(root, bump),
        ),
        Step(
            f"changelog: {CHANGELOG}",
            notes_of(changelog, release),
            lambda: (root / CHANGELOG).write_text(changelog, "utf-8"),
        ),
        Step("commit", _shown(commit), lambda: _run(root, commit)),
        Step("tag", _shown(tag), lambda: _run(root, tag)),
    ]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("release.py", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--version", metavar="X.Y.Z", help="make this release")
    task.add_argument("--check-tag", metavar="TAG", help="are version and changelog here those of this tag?")
    task.add_argument("--notes", metavar="TAG", help="print the notes of a release that was made")
    parser.add_argument("--rc", metavar="N", help="make it a release candidate")
    parser.add_argument("--dry-run", action="store_true", help="print each step, touch nothing")
    return parser.parse_args(arguments)


def _release(root: Path, release: Release, *, dry_run: bool) -> None:
    reasons = refusals(root, release)
    if reasons and not dry_run:
        raise Refused("; ".join(reasons))
    plan = steps(root, release, datetime.now(UTC).date())
    print("\n".join(_told(release, reasons, plan, dry_run=dry_run)), flush=True)
    if not dry_run:
        _act(root, plan)


def _told(release: Release, reasons: Sequence[str], plan: Sequence[Step], *, dry_run: bool) -> Iterator[str]:
    yield f"release {release.tag}" + (" (dry run: nothing is touched)" if dry_run else "")
    yield from (f"would be refused: {reason}" for reason in reasons)
    for number, step in enumerate(plan, 1):
        yield f"{number}. {step.title}"
        yield from (f"     {line}".rstrip() for line in step.detail.splitlines())
    yield f"{len(plan) + 1}. left to you: push, which starts the release workflow"
    yield f"     git push origin HEAD {release.tag}"


def _act(root: Path, plan: Sequence[Step]) -> None:
    """Do all of it, or leave the files as they were."""
    try:
        for step in plan:
            step.act()
    except BaseException:
        _git(root, "restore", "--staged", "--worktree", "--", ABOUT, CHANGELOG)
        raise


def _commit_lines(root: Path) -> str:
    beside = Path(sys.executable).with_name("git-cliff")
    found = str(beside) if beside.is_file() else shutil.which("git-cliff")
    if not found:
        raise Refused("git-cliff is not installed: run make setup")
    return _run(root, [found, "--config", "cliff.toml", "--unreleased", "--offline"])


def _git(root: Path, *arguments: str) -> str:
    return _run(root, ["git", *arguments])


def _run(root: Path, command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip()
        raise Refused(f"{_shown(command)} failed ({error.returncode}): {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{_shown(command)}: {error}") from error
    return done.stdout


def _shown(command: Sequence[str]) -> str:
    return shlex.join(command)
