"""What must hold after the next start, besides what holds at every instant (instant.py); each function under its number
in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .facts import (
    AI_FILES,
    ENTRY,
    Before,
    Said,
    bundles,
    coachings,
    comparable,
    digest,
    entries_of,
    expired_in,
    is_temporary,
    json_of,
    lists,
    replies,
    same,
    timeless,
    tip,
    was_applied,
)
from .instant import raw
from .tree import Tree


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


def i1_every_take_has_its_coaching(before: Before, tree: Tree) -> Iterator[str]:
    known = coachings(before)
    yield from _i1_every_midi_take_is_analysed(tree, known)
    for bundle in bundles(tree):
        take = digest(tree[f"{bundle}/session.json"].data or b"")
        if take not in known[bundle]:
            continue
        coach, expected = tree.get(f"{bundle}/clip.coach.json"), known[bundle][take]
        if coach is None:
            yield f"I1 {bundle} has a take and no clip.coach.json"
        elif timeless(coach) != expected:
            yield f"I1 {bundle}/clip.coach.json is another than after a clean run"


def _i1_every_midi_take_is_analysed(tree: Tree, known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for path in (path for path in tree if path.endswith("/take.mid")):
        bundle, take = path.removesuffix("/take.mid"), digest(tree[path].data or b"")
        session = tree.get(f"{bundle}/session.json")
        if session is None or json_of(session).get("take_sha256") != take:
            yield f"I1 {bundle} has a take.mid and no session.json of it"
        elif digest(session.data or b"") not in known[bundle]:
            yield f"I1 {bundle}/session.json is another than after a clean run"


def i3_coaching_did_not_change(crashed: Tree, tree: Tree) -> Iterator[str]:
    for bundle in bundles(tree):
        was, now = crashed.get(f"{bundle}/clip.coach.json"), tree.get(f"{bundle}/clip.coach.json")
        of_this_take = was is not None and now is not None and timeless(was) == timeless(now)
        if of_this_take and was is not None and now is not None and was.data != now.data:
            yield f"I3 {bundle}/clip.coach.json changed without a new take"


def i6_ai_files_are_listed(tree: Tree) -> Iterator[str]:
    for bundle in bundles(tree):
        for name in ("clip.coach.json", *AI_FILES):
            if f"{bundle}/{name}" in tree and not lists(tree, bundle, name):
                yield f"I6 {bundle}/{name} is not listed"


def i8_nothing_acknowledged_is_lost(before: Before, tree: Tree, said: Said) -> Iterator[str]:
    there, expired = replies(tree), expired_in(said)
    acknowledged = {event["clip"] for event in said if event["event"] in ("reply_queued", "reply_applied")}
    for path, node in before.setup.items():
        if (entry := ENTRY.fullmatch(path)) and tip(node).startswith("Stay"):
            acknowledged.add(entry[2])
    for clip in sorted(acknowledged):
        if clip not in expired and not any(words.startswith(f"Stay with the click, {clip}.") for words in there):
            yield f"I8 the reply of {clip} is lost without a log line"
    for event in said:
        if event["event"] == "reply_applied" and not was_applied(tree, str(event["clip"])):
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
    yield from (f"I13 {path} stays after a start" for path in tree if is_temporary(path))


def i19_as_after_a_clean_run(before: Before, tree: Tree) -> Iterator[str]:
    clean = before.clean
    takes = [bundle for bundle in bundles(clean) if same(clean, tree, f"{bundle}/session.json")]
    for bundle in takes:
        names = {path for path in {*clean, *tree} if path.startswith(bundle) and not path.endswith(AI_FILES)}
        for path in sorted(names):
            if comparable(clean.get(path)) != comparable(tree.get(path)) and not is_temporary(path):
                yield f"I19 {path} is another than after a clean run"
    if len(takes) == len(bundles(clean)):
        for path in (path for path in clean if path.endswith("session.index.json")):
            if entries_of(clean[path]) != entries_of(tree.get(path)):
                yield f"I19 {path} has other entries than after a clean run"
