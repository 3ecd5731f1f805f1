"""What a tree and a journal say, read as a stranger would (json, hashes, names): none of the worker's own reading code
is trusted here."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .scenarios import Scenario
from .tree import Node, Tree

_TEMPORARY: Final = re.compile(r"\..+\.\d+-\d+\.tmp")
ENTRY: Final = re.compile(r"queue/(pending|claimed|applied)/([A-Za-z0-9][A-Za-z0-9._-]*)_ai_addendum(\.\d+)?\.json")
AI_FILES: Final = ("clip.ai_coach.json", "clip.ai_coach.queued.json")
Said = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Before:
    """What the clean run and the setup tell about a scenario."""

    scenario: Scenario
    setup: Tree
    clean: Tree = field(default_factory=dict)


def parsed(journal: bytes) -> list[dict[str, Any]]:
    """The events of a journal; a last line without its end is none."""
    return [json.loads(line) for line in journal.split(b"\n")[:-1]]


def json_of(node: Node | None) -> Any:
    try:
        return None if node is None or node.data is None else json.loads(node.data)
    except ValueError:
        return None


def bundles(tree: Tree) -> list[str]:
    """Paths of the bundles that hold a take."""
    return [path.removesuffix("/session.json") for path in sorted(tree) if path.endswith("/session.json")]


def tip(node: Node) -> str:
    document = json_of(node)
    return str(document.get("coaching_tip")) if isinstance(document, dict) else ""


def replies(tree: Tree) -> dict[str, list[str]]:
    """Where each live reply stands: paths by its words."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, node in tree.items():
        is_ai = path.endswith(AI_FILES) or ENTRY.fullmatch(path) or "queue/rejected/" in path
        if node.data is not None and is_ai and not is_temporary(path) and (words := tip(node)).startswith("Stay"):
            found[words].append(path)
    return found


def is_temporary(path: str) -> bool:
    return bool(_TEMPORARY.fullmatch(path.rpartition("/")[2]))


def without(document: Any, *keys: str) -> Any:
    return (
        {key: value for key, value in document.items() if key not in keys} if isinstance(document, dict) else document
    )


def lists(tree: Tree, bundle: str, name: str) -> bool:
    manifest = json_of(tree.get(f"{bundle}/manifest.json")) or {}
    return any(entry["path"] == name for entry in manifest.get("artifacts", ()))


def coachings(before: Before) -> dict[str, dict[str, Any]]:
    """By bundle and digest of the take: the coaching that it gets."""
    known: dict[str, dict[str, Any]] = defaultdict(dict)
    for tree in (before.setup, before.clean):
        for bundle in bundles(tree):
            if coach := tree.get(f"{bundle}/clip.coach.json"):
                known[bundle][digest(tree[f"{bundle}/session.json"].data or b"")] = timeless(coach)
    return known


def timeless(node: Node) -> Any:
    return without(json_of(node), "created_at_utc")


def comparable(node: Node | None) -> Any:
    """A document without times and without what the AI adds."""
    if node is None or node.data is None:
        return node
    document = without(json_of(node), "created_at_utc", "coaching_source")
    if isinstance(document, dict) and "artifacts" in document:
        own = [entry for entry in document["artifacts"] if entry["kind"] != "ai_coach"]
        document["artifacts"] = [without(entry, "sha256") if entry["kind"] == "coach" else entry for entry in own]
    return document if document is not None else node.data


def entries_of(node: Node | None) -> list[Any]:
    document = json_of(node) or {}
    entries = [without(entry, "timestamp") for entry in document.get("entries", ())]
    return sorted(entries, key=lambda entry: str(entry.get("clip_id")))


def same(one: Tree, other: Tree, path: str) -> bool:
    there = other.get(path)
    return there is not None and there.data == one[path].data


def expired_in(said: Said) -> set[str]:
    events = [event for event in said if event["event"] == "reply_expired"]
    return {str(clip) for event in events for clip in (event.get("clips") or [event.get("clip")])}


def was_applied(tree: Tree, clip: str) -> bool:
    return any(
        path.startswith("queue/applied/") and tip(node).startswith(f"Stay with the click, {clip}.")
        for path, node in tree.items()
    )


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
