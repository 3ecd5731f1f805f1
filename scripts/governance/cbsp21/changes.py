"""Which files a change touches, as git tells it. Works in a shallow clone, without `origin/main`, on a first commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAIN: Final = "origin/main"
_GIT_TIMEOUT_S: Final = 60


class GitFailed(Exception):
    """git could not tell what changed."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A file of the change. A renamed one stands under its new name, its old one in `before`."""

    path: str
    before: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """`base` is the commit that HEAD was compared with; None if this clone has nothing to compare it with."""

    base: str | None
    files: tuple[Touched, ...] = ()


def repository_of(folder: Path, default: Path) -> Path:
    """Return the root of the repository that `folder` is in; `default` where it is in none."""
    found = _asked(folder, "rev-parse", "--show-toplevel")
    return Path(found) if found else default


def change_set(root: Path, *, base: str | None = None, worktree: bool = False) -> ChangeSet:
    """Return what changed since `base`'s merge base with HEAD.

    Without `base` it is `origin/main`; where that is missing, or HEAD is a part of it, HEAD's first parent. With
    `worktree` what is not committed yet counts too.
    """
    commit = _merge_base(root, base) if base else _usual_base(root)
    if base and not commit:
        raise GitFailed(f"no common history with {base}: fetch it (in a workflow: fetch-depth: 0)")
    if not commit:
        return ChangeSet(None)
    return ChangeSet(commit, since(root, commit, worktree=worktree))


def since(root: Path, commit: str, *, worktree: bool) -> tuple[Touched, ...]:
    """Return the files that differ between `commit` and HEAD, or the working tree."""
    against = [commit] if worktree else [commit, "HEAD"]
    files = list(
        parse_name_status(_git(root, "diff", "--name-status", "-z", "--find-renames", "--relative", *against, "--"))
    )
    if worktree:
        listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard")
        files += [Touched(name) for name in listed.split("\0") if name]
    return tuple(files)


def tracked(root: Path) -> tuple[str, ...]:
    """Return every file of the repository that git knows, or would take up."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return tuple(sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file()))


def last_release(root: Path) -> str | None:
    """Return the latest release's tag that HEAD stands on; None before the first one."""
    return _asked(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "--exclude", "*-rc*")


def parse_name_status(text: str) -> Iterator[Touched]:
    """Yield what `git diff --name-status -z` says: names are exact, also with spaces, quotes and line ends in them."""
    words = iter(text.split("\0"))
    for status in words:
        if not status:
            continue
        path = next(words)
        if status[0] == "R":
            yield Touched(next(words), before=path)
        else:
            yield Touched(next(words) if status[0] == "C" else path, removed=status[0] == "D")


def _usual_base(root: Path) -> str | None:
    merged = _merge_base(root, MAIN)
    if merged and merged != _asked(root, "rev-parse", "HEAD"):
        return merged
    return _asked(root, "rev-parse", "--verify", "--quiet", "HEAD~1^{commit}")


def _merge_base(root: Path, ref: str) -> str | None:
    return _asked(root, "merge-base", ref, "HEAD")


def _asked(root: Path, *arguments: str) -> str | None:
    """Return git's answer; None where it has none."""
    try:
        return _git(root, *arguments).strip() or None
    except GitFailed:
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=_GIT_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise GitFailed(os.fsdecode(error.stderr).strip() or f"git {arguments[0]} failed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitFailed(f"git {arguments[0]}: {error}") from error
    return os.fsdecode(done.stdout)
