"""Look for secrets in the files that git knows; offline, a second long.

    python scripts/ci/secret_scan.py [FILE…]

It knows the forms of keys that have one (a prefix, a block of PEM), and values of 32 characters or more that are given
to a name such as `api_key`, `token` or `password` and look random. Exit code 1 names file, line and kind, never the
value; 2 says that git cannot tell the files. What is no secret after all and has to stay gets the comment
`no secret: REASON` in its line.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
MAX_BYTES: Final = 2_000_000
"""Larger files (recordings, plots) are not looked into."""

KINDS: Final = {
    "private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}",
    "Anthropic or OpenAI key": r"\bsk-[A-Za-z0-9_-]{32,}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    "package index token": r"\bpypi-[A-Za-z0-9_-]{40,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}",
    "Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "password in an address": r"\bhttps?://[^\s/:@\"'<>{}]+:[^\s/:@\"'<>{}]{8,}@",
}
_KNOWN: Final = re.compile("|".join(f"(?P<k{number}>{form})" for number, form in enumerate(KINDS.values())))
_NAMED: Final = re.compile(
    r"(?i)(?:api_?key|secret|token|passw(?:or)?d|private_?key)[\"']?\s*[:=]\s*[\"']?(?P<value>[A-Za-z0-9+/_=-]{32,})"
)
_RANDOM_BITS: Final = 3.8
"""Entropy a character from which a value looks random; words in a row have about 3.5."""

_ALLOWED: Final = re.compile(r"no secret: \S+")


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, kind) of what looks like a secret. Pure."""
    lines = text.splitlines()
    for match in _KNOWN.finditer(text):
        line = text.count("\n", 0, match.start())
        if not _ALLOWED.search(lines[line]):
            yield line + 1, list(KINDS)[int(str(match.lastgroup)[1:])]
    for number, line_text in enumerate(lines, start=1):
        for match in _NAMED.finditer(line_text):
            if _bits(match["value"]) >= _RANDOM_BITS and not _ALLOWED.search(line_text):
                yield number, "random value with the name of a secret"


def _bits(text: str) -> float:
    """Return the entropy of a text, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def tracked(root: Path) -> list[Path]:
    """Return the files that git knows, new ones included. Raises OSError where git cannot tell."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False)
    if listed.returncode:
        raise OSError(os.fsdecode(listed.stderr).strip() or "git ls-files failed")
    names = os.fsdecode(listed.stdout).split("\0")
    return [root / name for name in names if name]


def scan(files: Iterable[Path]) -> list[str]:
    """Return a line a finding: file, line, kind."""
    found: list[str] = []
    for path in files:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            continue
        text = path.read_text("utf-8", "replace")
        found += [f"{path}:{line}: {kind}" for line, kind in findings(text)]
    return found


def main(arguments: list[str]) -> int:
    """Scan the files that are named, or all that git knows."""
    try:
        files = [Path(name) for name in arguments] or tracked(ROOT)
    except OSError as error:
        print(f"ERROR: {error}; run it in a git clone, or name the files to look into", file=sys.stderr)
        return 2
    found = scan(files)
    for line in found:
        print(f"ERROR: {line}; take it out (and revoke it), or say in its line: no secret: REASON", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
