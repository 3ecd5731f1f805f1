"""What must hold, each under its number in docs/reliability.md.

Looks at files as any reader would (json, hashes, names, the published schemas): none of the worker's own reading code
is trusted here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from .scenarios import Scenario
from .tree import Node, Tree

CONTRACTS: Final = Path(__file__).resolve().parents[2] / "contracts"
_TEMPORARY: Final = re.compile(r"\..+\.\d+-\d+\.tmp")
_ENTRY: Final = re.compile(r"queue/(pending|claimed|applied)/([A-Za-z0-9][A-Za-z0-9._-]*)_ai_addendum(\.\d+)?\.json")
_BUNDLE: Final = re.compile(r"(bundles/[^/]+/[^/]+)/([^/]+)")
_SCHEMAS: Final = {
    "clip.coach.json": "coaching_deterministic_v1",
    "clip.ai_coach.json": "coaching_ai_addendum_v1",
    "clip.ai_coach.queued.json": "coaching_ai_addendum_v1",
    "manifest.json": "bundle_manifest_v1",
}
_DOCUMENTS: Final = ("session.index.json", "usage.json", "control.json")
_AI_FILES: Final = ("clip.ai_coach.json", "clip.ai_coach.queued.json")
_KNOWN: Final = re.compile(
    r"bundles|queue|bundles/[\d-]{10}|bundles/[\d-]{10}/\w+"
    r"|bundles/[\d-]{10}/session\.index\.json(\.broken-\d+)?"
    r"|bundles/[\d-]{10}/\w+/(session|manifest|clip\.(tags|coach|ai_coach|ai_coach\.queued|error))\.json"
    r"|bundles/[\d-]{10}/\w+/(take|clip\.comp)\.mid"
    r"|queue/(pending|claimed|applied|context|rejected|prepared)"
    r"|queue/(worker\.lock|usage\.json|control\.json)"
    r"|queue/(pending|claimed|applied)/\w+_ai_addendum(\.\d+)?\.json"
    r"|queue/rejected/\w+_ai_addendum(\.\d+)?\.json(\.why)?"
    r"|queue/context/\w+\.json|queue/prepared/[\w.-]+\.json"
)

Said = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Before:
    """What the clean run and the setup tell about a scenario."""

    scenario: Scenario
    setup: Tree
    clean: Tree = field(default_factory=dict)


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((CONTRACTS / f"{schema}.schema.json").read_bytes()))


def raw(before: Before, tree: Tree, unsettled: frozenset[str] = frozenset()) -> Iterator[str]:
    """What must hold at every instant, for any reader; of the files `unsettled` it is not known what they hold."""
    settled = {path: node for path, node in tree.items() if path not in unsettled}
    yield from i2_final_names_are_whole(before, settled)
    yield from i3_coaching_stands(before, settled, unsettled)
    yield from i4_only_in_time(before, tree)
    yield from i6_manifests_are_true(tree)
    yield from i7_nothing_of_others_is_lost(before, tree)
    yield from i10_only_of_this_session(before, tree)
    yield from i13_no_pattern_matches_a_temporary(tree)
    yield from i21_private(tree)


def recovered(before: Before, crashed: Tree, tree: Tree, said: Said) -> Iterator[str]:
    """What must hold after the next start, besides; `crashed` is what that start found."""
    yield from raw(before, tree)
    yield from i1_every_take_has_its_coaching(before, tree)
    yield from i3_coaching_did_not_change(crashed, tree)
    yield from i6_ai_files_are_listed(tree)
    yield from i9_each_reply_in_one_place(before, tree)
    yield from i8_nothing_acknowledged_is_lost(before, tree, said)
    yield from i13_no_temporary_stays(tree)
    yield from i19_as_after_a_clean_run(before, tree)


# Reading


def parsed(journal: bytes) -> list[dict[str, Any]]:
    """The events of a journal; a last line without its end is none."""
    return [json.loads(line) for line in journal.split(b"\n")[:-1]]


def _json(node: Node | None) -> Any:
    try:
        return None if node is None or node.data is None else json.loads(node.data)
    except ValueError:
        return None


def bundles(tree: Tree) -> list[str]:
    """Paths of the bundles that hold a take."""
    return [path.removesuffix("/session.json") for path in sorted(tree) if path.endswith("/session.json")]


def tip(node: Node) -> str:
    document = _json(node)
    return str(document.get("coaching_tip")) if isinstance(document, dict) else ""


def replies(tree: Tree) -> dict[str, list[str]]:
    """Where each live reply stands: paths by its words."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, node in tree.items():
        is_ai = path.endswith(_AI_FILES) or _ENTRY.fullmatch(path) or "queue/rejected/" in path
        if node.data is not None and is_ai and not _is_temporary(path) and (words := tip(node)).startswith("Stay"):
            found[words].append(path)
    return found


def _is_temporary(path: str) -> bool:
    return bool(_TEMPORARY.fullmatch(path.rpartition("/")[2]))


def _without(document: Any, *keys: str) -> Any:
    return (
        {key: value for key, value in document.items() if key not in keys} if isinstance(document, dict) else document
    )


# At every instant


def i2_final_names_are_whole(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if node.data is None or before.setup.get(path) == node or _is_temporary(path):
            continue
        bundle, entry = _BUNDLE.fullmatch(path), _ENTRY.fullmatch(path)
        schema = _SCHEMAS.get(bundle[2]) if bundle else "coaching_ai_addendum_v1" if entry else None
        document = _json(node)
        if document is None and (schema or (path.endswith(_DOCUMENTS) or "/prepared/" in path)):
            yield f"I2 {path} is not whole ({len(node.data)} bytes)"
        elif schema and (error := next(_validator(schema).iter_errors(document), None)):
            yield f"I2 {path}: {error.message}"
        elif entry and (document["clip_id"] != entry[2] or not document["queued"]):
            yield f"I2 {path} contradicts its place"


def unlisted_hints(tree: Tree) -> frozenset[str]:
    """Coach files that no manifest lists (yet)."""
    return frozenset(
        f"{bundle}/clip.coach.json" for bundle in bundles(tree) if not _lists(tree, bundle, "clip.coach.json")
    )


def _lists(tree: Tree, bundle: str, name: str) -> bool:
    manifest = _json(tree.get(f"{bundle}/manifest.json")) or {}
    return any(entry["path"] == name for entry in manifest.get("artifacts", ()))


def i3_coaching_stands(before: Before, tree: Tree, unsettled: frozenset[str] = frozenset()) -> Iterator[str]:
    """A coach file is the one of a take that was played; it is gone at no instant once a reader could see it."""
    known = _coachings(before)
    for bundle in bundles(tree):
        coach = tree.get(f"{bundle}/clip.coach.json")
        there = before.setup.get(f"{bundle}/clip.coach.json")
        if coach is None and there is not None and f"{bundle}/clip.coach.json" not in unsettled:
            yield f"I3 {bundle}/clip.coach.json is gone"
        if coach is not None and _timeless(coach) not in known[bundle].values():
            yield f"I3 {bundle}/clip.coach.json is of no take that was played"


def i4_only_in_time(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if not path.endswith("/clip.ai_coach.json"):
            continue
        document, clip = _json(node), path.split("/")[-2]
        if clip not in before.scenario.in_time:
            yield f"I4 {path}: no reply of {clip} was in time"
        elif isinstance(document, dict) and (document.get("queued") or document.get("clip_id") != clip):
            yield f"I4 {path} is queued or of another clip"


def i6_manifests_are_true(tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if not path.endswith("/manifest.json"):
            continue
        manifest = _json(node)
        artifacts = manifest.get("artifacts", []) if isinstance(manifest, dict) else []
        for entry in artifacts:
            file = tree.get(f"{path.removesuffix('manifest.json')}{entry['path']}")
            if file is None or file.data is None:
                yield f"I6 {path} lists {entry['path']}, which is not there"
            elif _digest(file.data) != entry["sha256"] or len(file.data) != entry["bytes"]:
                yield f"I6 {path}: hash or size of {entry['path']} is another"
        source = "hybrid" if any(entry["kind"] == "ai_coach" for entry in artifacts) else "deterministic"
        if isinstance(manifest, dict) and manifest.get("coaching_source", source) != source:
            yield f"I6 {path} says {manifest['coaching_source']}, its artifacts say {source}"


def i7_nothing_of_others_is_lost(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in before.setup.items():
        if path.endswith("/manifest.json") and (manifest := _json(node)):
            now = _json(tree.get(path))
            if not isinstance(now, dict) or now.get("generator") != manifest.get("generator"):
                yield f"I7 {path} lost a key of the generator"
            elif not any(entry["artifact_id"] == "tags" for entry in now["artifacts"]):
                yield f"I7 {path} lost an entry of the generator"


def i10_only_of_this_session(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        document = _json(node) if path.endswith("/clip.ai_coach.queued.json") else None
        if isinstance(document, dict) and document["clip_id"] in before.scenario.never_shown:
            yield f"I10/I11 {path} holds a reply of another session or one that is over its time"


def i13_no_pattern_matches_a_temporary(tree: Tree) -> Iterator[str]:
    for path in tree:
        if not _is_temporary(path) and not _KNOWN.fullmatch(path):
            yield f"I13/I22 {path}: nobody knows this name"


def i21_private(tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if path.startswith("queue") and node.mode != (0o700 if node.data is None else 0o600):
            yield f"I21 {path} has mode {node.mode:o}"


# After the next start


def i1_every_take_has_its_coaching(before: Before, tree: Tree) -> Iterator[str]:
    known = _coachings(before)
    yield from _i1_every_midi_take_is_analysed(tree, known)
    for bundle in bundles(tree):
        take = _digest(tree[f"{bundle}/session.json"].data or b"")
        if take not in known[bundle]:
            continue
        coach, expected = tree.get(f"{bundle}/clip.coach.json"), known[bundle][take]
        if coach is None:
            yield f"I1 {bundle} has a take and no clip.coach.json"
        elif _timeless(coach) != expected:
            yield f"I1 {bundle}/clip.coach.json is another than after a clean run"


def _i1_every_midi_take_is_analysed(tree: Tree, known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for path in (path for path in tree if path.endswith("/take.mid")):
        bundle, take = path.removesuffix("/take.mid"), _digest(tree[path].data or b"")
        session = tree.get(f"{bundle}/session.json")
        if session is None or _json(session).get("take_sha256") != take:
            yield f"I1 {bundle} has a take.mid and no session.json of it"
        elif _digest(session.data or b"") not in known[bundle]:
            yield f"I1 {bundle}/session.json is another than after a clean run"


def i3_coaching_did_not_change(crashed: Tree, tree: Tree) -> Iterator[str]:
    for bundle in bundles(tree):
        was, now = crashed.get(f"{bundle}/clip.coach.json"), tree.get(f"{bundle}/clip.coach.json")
        of_this_take = was is not None and now is not None and _timeless(was) == _timeless(now)
        if of_this_take and was is not None and now is not None and was.data != now.data:
            yield f"I3 {bundle}/clip.coach.json changed without a new take"


def i6_ai_files_are_listed(tree: Tree) -> Iterator[str]:
    for bundle in bundles(tree):
        for name in ("clip.coach.json", *_AI_FILES):
            if f"{bundle}/{name}" in tree and not _lists(tree, bundle, name):
                yield f"I6 {bundle}/{name} is not listed"


def i8_nothing_acknowledged_is_lost(before: Before, tree: Tree, said: Said) -> Iterator[str]:
    there, expired = replies(tree), _expired(said)
    acknowledged = {event["clip"] for event in said if event["event"] in ("reply_queued", "reply_applied")}
    for path, node in before.setup.items():
        if (entry := _ENTRY.fullmatch(path)) and tip(node).startswith("Stay"):
            acknowledged.add(entry[2])
    for clip in sorted(acknowledged):
        if clip not in expired and not any(words.startswith(f"Stay with the click, {clip}.") for words in there):
            yield f"I8 the reply of {clip} is lost without a log line"
    for event in said:
        if event["event"] == "reply_applied" and not _was_applied(tree, str(event["clip"])):
            yield f"I8 the reply of {event['clip']} was applied, says the log, and is not in applied/"


def i9_each_reply_in_one_place(before: Before, tree: Tree) -> Iterator[str]:
    for words, paths in replies(tree).items():
        shown = [path for path in paths if path.endswith("/clip.ai_coach.queued.json")]
        homes = [path for path in paths if path not in shown]
        if len(homes) > 1:
            yield f"I9 {words!r} is in {' and '.join(sorted(homes))}"
        if len(shown) > 1:
            yield f"I10 {words!r} was applied twice: {' and '.join(sorted(shown))}"
        if shown and not any("/applied/" in path for path in homes) and shown[0] not in before.setup:
            yield f"I5 {words!r} is shown in {shown[0]} and not in applied/, but in {homes}"
        if any("/claimed/" in path for path in homes):
            yield f"I5 {words!r} stays in claimed/"


def i13_no_temporary_stays(tree: Tree) -> Iterator[str]:
    yield from (f"I13 {path} stays after a start" for path in tree if _is_temporary(path))


def i19_as_after_a_clean_run(before: Before, tree: Tree) -> Iterator[str]:
    clean = before.clean
    takes = [bundle for bundle in bundles(clean) if _same(clean, tree, f"{bundle}/session.json")]
    for bundle in takes:
        names = {path for path in {*clean, *tree} if path.startswith(bundle) and not path.endswith(_AI_FILES)}
        for path in sorted(names):
            if _comparable(clean.get(path)) != _comparable(tree.get(path)) and not _is_temporary(path):
                yield f"I19 {path} is another than after a clean run"
    if len(takes) == len(bundles(clean)):
        for path in (path for path in clean if path.endswith("session.index.json")):
            if _entries(clean[path]) != _entries(tree.get(path)):
                yield f"I19 {path} has other entries than after a clean run"


def _coachings(before: Before) -> dict[str, dict[str, Any]]:
    """By bundle and digest of the take: the coaching that it gets."""
    known: dict[str, dict[str, Any]] = defaultdict(dict)
    for tree in (before.setup, before.clean):
        for bundle in bundles(tree):
            if coach := tree.get(f"{bundle}/clip.coach.json"):
                known[bundle][_digest(tree[f"{bundle}/session.json"].data or b"")] = _timeless(coach)
    return known


def _timeless(node: Node) -> Any:
    return _without(_json(node), "created_at_utc")


def _comparable(node: Node | None) -> Any:
    """A document without times and without what the AI adds."""
    if node is None or node.data is None:
        return node
    document = _without(_json(node), "created_at_utc", "coaching_source")
    if isinstance(document, dict) and "artifacts" in document:
        own = [entry for entry in document["artifacts"] if entry["kind"] != "ai_coach"]
        document["artifacts"] = [_without(entry, "sha256") if entry["kind"] == "coach" else entry for entry in own]
    return document if document is not None else node.data


def _entries(node: Node | None) -> list[Any]:
    document = _json(node) or {}
    entries = [_without(entry, "timestamp") for entry in document.get("entries", ())]
    return sorted(entries, key=lambda entry: str(entry.get("clip_id")))


def _same(one: Tree, other: Tree, path: str) -> bool:
    there = other.get(path)
    return there is not None and there.data == one[path].data


def _expired(said: Said) -> set[str]:
    events = [event for event in said if event["event"] == "reply_expired"]
    return {str(clip) for event in events for clip in (event.get("clips") or [event.get("clip")])}


def _was_applied(tree: Tree, clip: str) -> bool:
    return any(
        path.startswith("queue/applied/") and tip(node).startswith(f"Stay with the click, {clip}.")
        for path, node in tree.items()
    )


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
