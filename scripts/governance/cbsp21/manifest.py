"""What the gate decides, as functions of values: the manifest of a change, the exemptions, the incidents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pathspec import GitIgnoreSpec

from .changes import Touched
from .percent import percent

SCHEMA_VERSION: Final = "cbsp21_patch_input_v1"
HOTFIX_WINDOW: Final = timedelta(hours=24)
GOVERNED_FOLDERS: Final = (
    "sg_hybrid/", "sg_coach/", "sg_generator/", "contracts/", "tests/", "fixtures/", "scripts/ci/",
)  # fmt: skip
CODE_ENDINGS: Final = (".py", ".json", ".yaml", ".yml", ".sh", ".ps1")

_TEXTS: Final = ("patch_id", "title", "intent", "change_type")
_INCIDENT_TEXTS: Final = ("incident_id", "type", "reason", "opened_at_utc")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Problems block; notices only inform."""

    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def governed(path: str) -> bool:
    """Return whether the policy holds for this file."""
    return path.startswith(GOVERNED_FOLDERS) and path.endswith(CODE_ENDINGS)


def names_to_declare(files: Iterable[Touched], exempt_patterns: Sequence[str]) -> list[str]:
    """Return the governed paths of a change, sorted.

    A renamed file counts under its new name; where that leads out of the governed folders, its old name left them.
    """
    exempt = GitIgnoreSpec.from_lines(exempt_patterns)
    named = {file.path if governed(file.path) or not file.before else file.before for file in files}
    return sorted(path for path in named if governed(path) and not exempt.match_file(path))


def manifest_problems(manifest: object, needed: Sequence[str], minimum: float) -> Iterator[str]:
    """Yield what is wrong with a manifest for a change to `needed`; `minimum` is in percent."""
    if not isinstance(manifest, Mapping):
        yield "not a JSON object"
        return
    if manifest.get("schema_version") != SCHEMA_VERSION:
        yield f"schema_version: must be {SCHEMA_VERSION!r}, is {manifest.get('schema_version')!r}"
    for field in _TEXTS:
        if not _is_text(manifest.get(field)):
            yield f"{field}: missing; say it in words"
    entries = manifest.get("changed_files")
    if not isinstance(entries, list):
        yield "changed_files: must be a list of objects with path and file_context_coverage_percent"
        return
    yield from _entry_problems(entries, minimum)
    declared = {entry.get("path") for entry in entries if isinstance(entry, Mapping)}
    for path in needed:
        if path not in declared:
            yield f"changed_files: does not name {path}"


def exempt_patterns_of(document: object) -> list[str]:
    """Return the gitignore-style patterns of `exemptions.json`. Raises ValueError where it has another form."""
    patterns = document.get("exempt_patterns") if isinstance(document, Mapping) else None
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError("must be an object with exempt_patterns, a list of gitignore-style texts")
    return patterns


def judge_incidents(document: object, now: datetime) -> tuple[Verdict, bool]:
    """Return what the incident log says at `now` (aware), and whether a hotfix lets the present change through.

    A hotfix does for 24 hours from `opened_at_utc`. Then the gate fails, whatever changes, until `audited_at_utc`
    says when somebody read what was changed.
    """
    entries = document.get("incidents") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        return Verdict(("must be an object with incidents, a list",)), False
    problems: list[str] = []
    notices: list[str] = []
    for number, entry in enumerate(entries, 1):
        state, line = _judge_incident(entry, now)
        if state == "open":
            notices.append(line)
        elif state == "wrong":
            problems.append(f"incident {number}: {line}")
    return Verdict(tuple(problems), tuple(notices)), bool(notices)


def refreshed(manifest: Mapping[str, Any], needed: Sequence[str], coverage: float) -> dict[str, Any]:
    """Return `manifest` with exactly the files `needed`: known ones keep their entry, new ones get `coverage`."""
    known = {entry["path"]: entry for entry in manifest.get("changed_files", ()) if isinstance(entry, Mapping)}
    fresh = [known.get(path, {"path": path, "file_context_coverage_percent": coverage}) for path in needed]
    return {**manifest, "changed_files": fresh}


def _entry_problems(entries: Sequence[object], minimum: float) -> Iterator[str]:
    for number, entry in enumerate(entries, 1):
        path = entry.get("path") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not _is_text(path):
            yield f"changed_files: entry {number} has no path"
            continue
        covered = percent(entry.get("file_context_coverage_percent"))
        if covered is None:
            yield f"changed_files: {path}: file_context_coverage_percent must be a number from 0 to 100"
        elif covered < minimum:
            yield f"changed_files: {path}: read to {covered:g} %, at least {minimum:g} % are needed; read on"


def _judge_incident(entry: object, now: datetime) -> tuple[str, str]:
    """Return `open`, `settled` or `wrong`, and what to say."""
    if not isinstance(entry, Mapping) or not all(_is_text(entry.get(field)) for field in _INCIDENT_TEXTS):
        return "wrong", f"needs the texts {', '.join(_INCIDENT_TEXTS)}"
    name = entry["incident_id"]
    opened, audited = _moment(entry["opened_at_utc"]), _moment(entry.get("audited_at_utc"))
    if opened is None or opened > now:
        return "wrong", f"{name}: opened_at_utc must be a moment in the past, as 2026-02-04T12:34:56Z"
    if entry.get("audited_at_utc") is not None and (audited is None or not opened <= audited <= now):
        return "wrong", f"{name}: audited_at_utc must be a moment between opened_at_utc and now, or null"
    if audited or entry["type"] != "hotfix":
        return "settled", ""
    if now - opened < HOTFIX_WINDOW:
        return (
            "open",
            f"{name}: a hotfix lets this change through until {_text(opened + HOTFIX_WINDOW)}; audit it by then",
        )
    return "wrong", f"{name}: not audited within 24 hours; read what it changed, then set audited_at_utc"


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
