"""How much of a text was read: bytes of the scanned copy against bytes of the full one, as a whole and for each file.

The whole alone can be gamed (one large file hides a missing one), so every file has to reach the threshold too. A file
of the full side that the scanned side lacks counts as 0, and bytes beyond a file's own size do not count.
"""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .percent import DEFAULT_SHARE, share_option

NAMED: Final = 20
"""Files below the threshold that a message names."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was found. `problem` is why nothing could be measured (then the sizes are 0), or empty."""

    full_bytes: int
    scanned_bytes: int
    threshold: float
    """A share, above 0 up to 1."""
    below: tuple[tuple[str, float], ...] = ()
    """Files under the threshold, with their share."""
    problem: str = ""

    @property
    def ratio(self) -> float:
        """The share that was read, 0 to 1."""
        if self.problem:
            return 0.0
        return self.scanned_bytes / self.full_bytes if self.full_bytes else 1.0

    @property
    def passed(self) -> bool:
        return not self.problem and not self.below and self.ratio >= self.threshold


def measure(full: Path, scanned: Path, threshold: float) -> Coverage:
    """Compare two files or two folders."""
    problem = _mismatch(full, scanned)
    if problem:
        return Coverage(0, 0, threshold, problem=problem)
    whole, read = _sizes(full), _sizes(scanned)
    if not whole:
        return Coverage(0, 0, threshold, problem=f"{full} holds no file: name what the change touches")
    return compare(whole, read, threshold)


def compare(whole: Mapping[str, int], read: Mapping[str, int], threshold: float) -> Coverage:
    """Compare sizes in bytes, by file name."""
    counted = {name: min(read.get(name, 0), size) for name, size in whole.items()}
    shares = {name: _share(counted[name], size, found=name in read) for name, size in whole.items()}
    below = tuple((name, share) for name, share in sorted(shares.items()) if share < threshold)
    return Coverage(sum(whole.values()), sum(counted.values()), threshold, below)


def report(coverage: Coverage) -> Iterator[str]:
    """Yield the lines that the commands print."""
    yield f"CBSP21 Coverage: {coverage.ratio * 100:.2f}%"
    yield f"full_bytes: {coverage.full_bytes}"
    yield f"scanned_bytes: {coverage.scanned_bytes}"
    yield f"threshold: {coverage.threshold}"
    if coverage.passed:
        yield f"CBSP21 PASS: every file was read to {_in_percent(coverage.threshold)} or more"
        return
    yield f"CBSP21 FAIL: {coverage.problem or _shortfall(coverage)}"
    for name, share in coverage.below[:NAMED]:
        yield f"  {_in_percent(share)} {name}"
    if len(coverage.below) > NAMED:
        yield f"  and {len(coverage.below) - NAMED} more"


def main(arguments: Sequence[str]) -> int:
    """The command `cbsp21_coverage_check.py`; return the exit code."""
    parser = argparse.ArgumentParser("cbsp21_coverage_check.py", description=__doc__)
    parser.add_argument("--full-path", type=Path, required=True, help="the text in full: a file or a folder")
    parser.add_argument("--scanned-path", type=Path, required=True, help="what was read of it: the same kind")
    parser.add_argument("--threshold", type=share_option, default=DEFAULT_SHARE, help="default: %(default)s")
    options = parser.parse_args(arguments)
    coverage = measure(options.full_path, options.scanned_path, options.threshold)
    print(*report(coverage), sep="\n")
    return 0 if coverage.passed else 1


def _mismatch(full: Path, scanned: Path) -> str:
    for path in (full, scanned):
        if not path.exists():
            return f"{path} does not exist"
    if full.is_dir() != scanned.is_dir():
        return f"{full} and {scanned}: compare two files or two folders"
    return ""


def _sizes(path: Path) -> dict[str, int]:
    """Return the sizes of the regular files: links and git's own folder are not text that somebody read."""
    if not path.is_dir():
        return {"": path.stat().st_size}
    found: dict[str, int] = {}
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if name != ".git")
        for name in names:
            info = (file := Path(folder, name)).lstat()
            if stat.S_ISREG(info.st_mode):
                found[file.relative_to(path).as_posix()] = info.st_size
    return found


def _share(read: int, size: int, *, found: bool) -> float:
    if not size:
        return 1.0 if found else 0.0
    return read / size


def _shortfall(coverage: Coverage) -> str:
    wanted = _in_percent(coverage.threshold)
    if coverage.below:
        return f"{len(coverage.below)} file(s) read to less than {wanted}; read on before changing them"
    return f"less than {wanted} was read; read on before changing it"


def _in_percent(share: float) -> str:
    return f"{share * 100:.2f}%"
