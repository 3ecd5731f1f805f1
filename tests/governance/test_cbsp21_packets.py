"""Patch packets: a header, balanced fences, no elision inside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.governance.cbsp21.packets import packet_problems

from .repository import script

GOOD = "Notes ...\n\nFILE: sg_coach/hints.py\n```python\nx = 1\n```\n"


def problems(text: str, *, disallow: bool = True) -> list[str]:
    return list(packet_problems(text, disallow_ellipsis=disallow))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("```", "~~~"),
        GOOD.replace("x = 1", "values = [..., 1]"),
        "FILE: a b.md\n````markdown\n```\ninner\n```\n````\n",
        "FILE: a.py\n```\n~~~\n```\n",
        GOOD + "...\n",
        "FILE: a.py\nsee `x` and ```y``` here\n",
    ],
)
def test_well_formed(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: no 'FILE: path' header"),
        ("```\nFILE: inside.py\n```\n", "1: no 'FILE: path' header"),
        ("FILE: \n", "1: no 'FILE: path' header"),
        ("FILE: a.py\n```python\nx = 1\n", "2: this fence is never closed"),
        ("FILE: a.py\n````\n```\n", "2: this fence is never closed"),
        ("FILE: a.py\n```\n~~~\n", "2: this fence is never closed"),
        ("FILE: a.py\n```\nx = 1\n    ...\n```\n", "4: only an ellipsis"),
        ("FILE: a.py\n```\n…\n```\n", "3: only an ellipsis"),
    ],
)
def test_malformed(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(problem)


def test_an_ellipsis_is_refused_only_if_asked() -> None:
    text = GOOD.replace("x = 1", "...")
    assert problems(text, disallow=False) == []
    assert problems(text) != []


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "deep er").mkdir()
    (tmp_path / "deep er" / "one.md").write_text(GOOD)
    name = "cbsp21/check_patch_packet_format.py"
    done = script(name, "--glob", "**/*.md", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "CBSP21 PASS: 1 patch packet(s) are well formed\n")
    (tmp_path / "two.md").write_text("FILE: a.py\n```\n...\n```\n")
    (tmp_path / "three.md").write_bytes(b"\xff")
    done = script(name, "--glob", "**/*.md", "--disallow-ellipsis-in-code", cwd=tmp_path)
    assert done.returncode == 1
    assert "CBSP21 FAIL: two.md:3: only an ellipsis" in done.stdout
    assert "CBSP21 FAIL: three.md: cannot be read as UTF-8 text" in done.stdout


def test_no_match_says_so_and_passes(tmp_path: Path) -> None:
    done = script("cbsp21/check_patch_packet_format.py", "--glob", "packets/*.md", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "CBSP21: no patch packet matches packets/*.md: nothing to check\n")
