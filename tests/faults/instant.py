"""What must hold at every instant, for any reader; each function under its number in docs/reliability.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from jsonschema import Draft202012Validator

from .facts import ENTRY, Before, bundles, coachings, digest, is_temporary, json_of, lists, timeless
from .tree import Tree

CONTRACTS: Final = Path(__file__).resolve().parents[2] / "contracts"
_BUNDLE: Final = re.compile(r"(bundles/[^/]+/[^/]+)/([^/]+)")
_SCHEMAS: Final = {
    "clip.coach.json": "coaching_deterministic_v1",
    "clip.ai_coach.json": "coaching_ai_addendum_v1",
    "clip.ai_coach.queued.json": "coaching_ai_addendum_v1",
    "manifest.json": "bundle_manifest_v1",
}
_DOCUMENTS: Final = ("session.index.json", "usage.json", "control.json")
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
    yield from i6_no_tip_is_called_another(before, tree)
    yield from i7_nothing_of_others_is_lost(before, tree)
    yield from i10_only_of_this_session(before, tree)
    yield from i13_no_pattern_matches_a_temporary(tree)
    yield from i21_private(tree)


def i2_final_names_are_whole(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if node.data is None or before.setup.get(path) == node or is_temporary(path):
            continue
        bundle, entry = _BUNDLE.fullmatch(path), ENTRY.fullmatch(path)
        schema = _SCHEMAS.get(bundle[2]) if bundle else "coaching_ai_addendum_v1" if entry else None
        document = json_of(node)
        if document is None and (schema or (path.endswith(_DOCUMENTS) or "/prepared/" in path)):
            yield f"I2 {path} is not whole ({len(node.data)} bytes)"
        elif schema and (error := next(_validator(schema).iter_errors(document), None)):
            yield f"I2 {path}: {error.message}"
        elif entry and (document["clip_id"] != entry[2] or not document["queued"]):
            yield f"I2 {path} contradicts its place"


def unlisted_hints(tree: Tree) -> frozenset[str]:
    """Coach files that no manifest lists (yet)."""
    return frozenset(
        f"{bundle}/clip.coach.json" for bundle in bundles(tree) if not lists(tree, bundle, "clip.coach.json")
    )


def i3_coaching_stands(before: Before, tree: Tree, unsettled: frozenset[str] = frozenset()) -> Iterator[str]:
    """A coach file is the one of a take that was played; it is gone at no instant once a reader could see it."""
    known = coachings(before)
    for bundle in bundles(tree):
        coach = tree.get(f"{bundle}/clip.coach.json")
        there = before.setup.get(f"{bundle}/clip.coach.json")
        if coach is None and there is not None and f"{bundle}/clip.coach.json" not in unsettled:
            yield f"I3 {bundle}/clip.coach.json is gone"
        if coach is not None and timeless(coach) not in known[bundle].values():
            yield f"I3 {bundle}/clip.coach.json is of no take that was played"


def i4_only_in_time(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if not path.endswith("/clip.ai_coach.json"):
            continue
        document, clip = json_of(node), path.split("/")[-2]
        if clip not in before.scenario.in_time:
            yield f"I4 {path}: no reply of {clip} was in time"
        elif isinstance(document, dict) and (document.get("queued") or document.get("clip_id") != clip):
            yield f"I4 {path} is queued or of another clip"


def i6_manifests_are_true(tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if not path.endswith("/manifest.json"):
            continue
        manifest = json_of(node)
        artifacts = manifest.get("artifacts", []) if isinstance(manifest, dict) else []
        for entry in artifacts:
            file = tree.get(f"{path.removesuffix('manifest.json')}{entry['path']}")
            if file is None or file.data is None:
                yield f"I6 {path} lists {entry['path']}, which is not there"
            elif digest(file.data) != entry["sha256"] or len(file.data) != entry["bytes"]:
                yield f"I6 {path}: hash or size of {entry['path']} is another"
        source = "hybrid" if any(entry["kind"] == "ai_coach" for entry in artifacts) else "deterministic"
        if isinstance(manifest, dict) and manifest.get("coaching_source", source) != source:
            yield f"I6 {path} says {manifest['coaching_source']}, its artifacts say {source}"


def i6_no_tip_is_called_another(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        manifest = json_of(node) if path.endswith("/manifest.json") else None
        for entry in manifest.get("artifacts", []) if isinstance(manifest, dict) else []:
            origin = entry.get("origin", before.scenario.origin)
            if entry["artifact_id"] == "ai_coach" and origin != before.scenario.origin:
                yield f"I6 {path} calls a tip {origin} that was {before.scenario.origin}"


def i7_nothing_of_others_is_lost(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in before.setup.items():
        if path.endswith("/manifest.json") and (manifest := json_of(node)):
            now = json_of(tree.get(path))
            if not isinstance(now, dict) or now.get("generator") != manifest.get("generator"):
                yield f"I7 {path} lost a key of the generator"
            elif not any(entry["artifact_id"] == "tags" for entry in now["artifacts"]):
                yield f"I7 {path} lost an entry of the generator"


def i10_only_of_this_session(before: Before, tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        document = json_of(node) if path.endswith("/clip.ai_coach.queued.json") else None
        if isinstance(document, dict) and document["clip_id"] in before.scenario.never_shown:
            yield f"I10/I11 {path} holds a reply of another session or one that is over its time"


def i13_no_pattern_matches_a_temporary(tree: Tree) -> Iterator[str]:
    for path in tree:
        if not is_temporary(path) and not _KNOWN.fullmatch(path):
            yield f"I13/I22 {path}: nobody knows this name"


def i21_private(tree: Tree) -> Iterator[str]:
    for path, node in tree.items():
        if path.startswith("queue") and node.mode != (0o700 if node.data is None else 0o600):
            yield f"I21 {path} has mode {node.mode:o}"
