"""CHANGELOG.md: what people wrote under [Unreleased] and what git-cliff makes of the commits become one section.

In each group the hand-written lines come first. A candidate's section is a preview: [Unreleased] stays as it is, and
the next candidate or the release itself takes that section's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Final

from .versions import Release

GROUPS: Final = ("Added", "Fixed", "Performance", "Changed", "Documentation", "Testing", "CI")
NOTHING: Final = "Nothing that a user would notice."

_UNRELEASED: Final = "Unreleased"
_SECTION: Final = re.compile(r"^## \[(?P<name>[^\]\n]+)\].*$", re.MULTILINE)
_GROUP: Final = re.compile(r"^### (?P<name>.+)$")

Groups = Mapping[str, list[str]]


def with_release(changelog: str, release: Release, generated: str, day: date) -> str:
    """Return the changelog with the section of `release`; `generated` is what git-cliff wrote.

    Raises ValueError if there is no [Unreleased] to put it under.
    """
    head, sections = _split(changelog)
    if _UNRELEASED not in sections:
        raise ValueError("CHANGELOG.md: needs a line '## [Unreleased]'")
    unreleased = sections.pop(_UNRELEASED)
    body = _text(merged(_groups(_body(unreleased)), _groups(generated)))
    section = f"## [{release.semver}] - {day.isoformat()}\n\n{body}\n"
    kept = [text for name, text in sections.items() if not re.fullmatch(rf"{re.escape(release.core)}-rc\d+", name)]
    waiting = unreleased if release.rc else f"## [{_UNRELEASED}]\n"
    return "\n\n".join(part.strip() for part in (head, waiting, section, *kept) if part.strip()) + "\n"


def notes_of(changelog: str, release: Release) -> str:
    """Return the release notes: the section's text without its heading. Raises ValueError if there is none."""
    _, sections = _split(changelog)
    if release.semver not in sections:
        raise ValueError(f"CHANGELOG.md: no section [{release.semver}]")
    return _body(sections[release.semver]).strip() + "\n"


def merged(hand: Groups, generated: Groups) -> dict[str, list[str]]:
    """Return both, group by group in our order (others after them), without a line that stands there already."""
    order = [*(name for name in ("", *GROUPS) if name in hand or name in generated)]
    order += [name for name in (*hand, *generated) if name not in order]
    return {name: _unique([*hand.get(name, []), *generated.get(name, [])]) for name in dict.fromkeys(order)}


def _split(changelog: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first section, and the sections by name, in their order."""
    found = list(_SECTION.finditer(changelog))
    borders = [*(match.start() for match in found), len(changelog)]
    sections = (changelog[begin:end] for begin, end in pairwise(borders))
    return changelog[: borders[0]], {match["name"]: text for match, text in zip(found, sections, strict=True)}


def _body(section: str) -> str:
    return section.partition("\n")[2]


def _groups(text: str) -> dict[str, list[str]]:
    """Return the entries by group; an entry is a line and what belongs to it, lines before any group are under ''."""
    groups: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        heading = _GROUP.match(line)
        if heading:
            name = heading["name"].strip()
        elif line.strip():
            _add(groups.setdefault(name, []), line.rstrip())
    return groups


def _add(entries: list[str], line: str) -> None:
    """An indented line goes on with the entry before it."""
    if entries and line[0].isspace():
        entries[-1] += "\n" + line
    else:
        entries.append(line)


def _text(groups: Groups) -> str:
    return "\n\n".join(_group_text(name, entries) for name, entries in groups.items()) or NOTHING


def _group_text(name: str, entries: Iterable[str]) -> str:
    return "\n".join(_group_lines(name, entries))


def _group_lines(name: str, entries: Iterable[str]) -> Iterator[str]:
    if name:
        yield f"### {name}"
    yield from entries


def _unique(entries: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(entries))
