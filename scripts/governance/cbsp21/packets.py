"""Patch packets: Markdown texts that hand over whole files. Each file under a `FILE: path` header, its code in a fence.

A packet with an elision (`...`) inside a fence was written from partial knowledge, or would be applied so.
"""

from __future__ import annotations

import argparse
import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_FENCE: Final = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)")
_HEADER: Final = re.compile(r"FILE: \s*\S")
_ELLIPSIS: Final = ("...", "…")


def packet_problems(text: str, *, disallow_ellipsis: bool) -> Iterator[str]:
    """Yield what is wrong with a packet, each with its line number."""
    headers, fence, opened = 0, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        found = _FENCE.fullmatch(line)
        if not fence:
            headers += bool(_HEADER.match(line))
            if found and _opens(found):
                fence, opened = found["mark"], number
        elif found and _closes(found, fence):
            fence = ""
        elif disallow_ellipsis and line.strip() in _ELLIPSIS:
            yield f"{number}: only an ellipsis inside a fence; write the code in full"
    if fence:
        yield f"{opened}: this fence is never closed"
    if not headers:
        yield "1: no 'FILE: path' header outside the fences; say which file the code is for"


def main(arguments: Sequence[str]) -> int:
    """The command `check_patch_packet_format.py`; return the exit code."""
    parser = argparse.ArgumentParser("check_patch_packet_format.py", description=__doc__)
    parser.add_argument("--glob", required=True, help="which files are packets; ** crosses folders")
    parser.add_argument("--disallow-ellipsis-in-code", action="store_true", help="refuse a line that is only ...")
    options = parser.parse_args(arguments)
    paths = [Path(name) for name in sorted(glob.glob(options.glob, recursive=True)) if Path(name).is_file()]
    if not paths:
        print(f"CBSP21: no patch packet matches {options.glob}: nothing to check")
        return 0
    problems = [problem for path in paths for problem in _read(path, disallow=options.disallow_ellipsis_in_code)]
    for problem in problems:
        print(f"CBSP21 FAIL: {problem}")
    if not problems:
        print(f"CBSP21 PASS: {len(paths)} patch packet(s) are well formed")
    return 1 if problems else 0


def _read(path: Path, *, disallow: bool) -> Iterator[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield f"{path}: cannot be read as UTF-8 text ({error})"
        return
    for problem in packet_problems(text, disallow_ellipsis=disallow):
        yield f"{path}:{problem}"


def _opens(found: re.Match[str]) -> bool:
    """A fence of backticks has none in what follows it (else it is code inside a line), as CommonMark says."""
    return not (found["mark"][0] == "`" and "`" in found["rest"])


def _closes(found: re.Match[str], fence: str) -> bool:
    return found["mark"].startswith(fence) and not found["rest"].strip()
