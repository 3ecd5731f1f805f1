"""The manifest as a value: our entries change and nothing else does; and who a bundle is."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sg_coach import InvalidInput
from sg_hybrid.manifest import (
    OURS,
    artifact,
    check_manifest,
    coach_entry,
    manifest_with,
    manifest_without_ours,
    parse_clip_identity,
)

NOW = "2026-02-04T12:34:56.789Z"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "artifact_id": st.sampled_from([*OURS, "mid", "tags", ""]) | json_values,
        "kind": st.sampled_from(["coach", "ai_coach", "midi"]) | json_values,
        "path": st.sampled_from(["clip.mid", "clip.coach.json", "clip.ai_coach.json", "../x"]) | json_values,
        "sha256": json_values,
    },
)
manifests = st.fixed_dictionaries(
    {},
    optional={
        "artifacts": st.none() | st.lists(entries | json_values, max_size=5),
        "clip_id": st.just("clip_abc123"),
        "created_at_utc": st.just("2020-01-01T00:00:00Z"),
        "coaching_source": json_values,
        "bundle_version": json_values,
        "generator": json_values,
        "coach": json_values,
    },
)
our_entries = st.sampled_from(
    [artifact(artifact_id, kind, path, b"data") for artifact_id, (kind, path) in OURS.items()]
)
WORKERS_KEYS = {"artifacts", "coaching_source", "bundle_version"}


def foreign(manifest: dict[str, Any]) -> list[Any]:
    """Entries that are nobody's business but their writer's: neither one of our ids nor one of our paths."""
    paths = {path for _, path in OURS.values()}
    return [
        entry
        for entry in manifest.get("artifacts") or []
        if not (
            isinstance(entry, dict) and (_is_in(entry.get("artifact_id"), OURS) or _is_in(entry.get("path"), paths))
        )
    ]


def _is_in(value: object, names: Any) -> bool:
    return isinstance(value, str) and value in names


def coach(data: bytes = b"{}", **extra: object) -> dict[str, Any]:
    return artifact("coach", "coach", "clip.coach.json", data, **extra)


def ai(data: bytes = b"{}", **extra: object) -> dict[str, Any]:
    return artifact("ai_coach", "ai_coach", "clip.ai_coach.json", data, **extra)


MIDI = artifact("mid", "midi", "clip.mid", b"MThd")


@given(manifests, our_entries)
def test_everything_that_is_not_ours_stays_as_found(manifest: dict[str, Any], entry: dict[str, Any]) -> None:
    before = copy.deepcopy(manifest)
    for after in (
        manifest_with(manifest, entry=entry, clip_id="clip_new", created_at_utc=NOW),
        manifest_without_ours(manifest),
    ):
        assert foreign(after) == foreign(before)
        for key in before.keys() - WORKERS_KEYS:
            assert after[key] == before[key]
    assert manifest == before, "the argument was changed"


@given(manifests, our_entries)
def test_an_entry_is_listed_once_and_putting_it_again_changes_nothing(
    manifest: dict[str, Any], entry: dict[str, Any]
) -> None:
    once = manifest_with(manifest, entry=entry)
    assert once["artifacts"].count(entry) == 1
    assert [e for e in once["artifacts"] if isinstance(e, dict) and e.get("path") == entry["path"]] == [entry]
    assert manifest_with(once, entry=entry) == once


@given(manifests, our_entries)
def test_the_source_is_hybrid_exactly_if_an_ai_artifact_is_listed(
    manifest: dict[str, Any], entry: dict[str, Any]
) -> None:
    for after in (manifest_with(manifest, entry=entry), manifest_without_ours(manifest)):
        kinds = [e.get("kind") for e in after.get("artifacts") or [] if isinstance(e, dict)]
        assert after["coaching_source"] == ("hybrid" if "ai_coach" in kinds else "deterministic")
        assert after["bundle_version"] == "v1.1"


@given(manifests)
def test_without_ours_no_entry_of_ours_is_left(manifest: dict[str, Any]) -> None:
    after = manifest_without_ours(manifest)
    assert (after.get("artifacts") or []) == foreign(manifest)
    assert coach_entry(after) is None


def test_a_bundle_without_a_manifest_gets_a_valid_one() -> None:
    made = manifest_with({}, entry=coach(), clip_id="clip_abc123", created_at_utc=NOW)
    assert check_manifest(made) == []
    assert (made["clip_id"], made["created_at_utc"], made["coaching_source"]) == ("clip_abc123", NOW, "deterministic")


def test_what_the_generator_wrote_stays() -> None:
    found = {"clip_id": "clip_abc123", "created_at_utc": "2020-01-01T00:00:00Z", "artifacts": [MIDI], "seed": 7}
    made = manifest_with(found, entry=coach(), clip_id="other", created_at_utc=NOW)
    assert made == {
        **found,
        "artifacts": [MIDI, coach()],
        "coaching_source": "deterministic",
        "bundle_version": "v1.1",
    }


def test_a_new_entry_takes_the_place_of_the_old_one() -> None:
    found = {"artifacts": [coach(b"old"), MIDI, ai(), coach(b"older"), {"artifact_id": "x", "path": "clip.coach.json"}]}
    assert manifest_with(found, entry=coach(b"new"))["artifacts"] == [coach(b"new"), MIDI, ai()]


def test_a_foreign_entry_is_not_ours_to_put() -> None:
    with pytest.raises(ValueError, match="only the worker's own entries"):
        manifest_with({}, entry=MIDI)


@pytest.mark.parametrize("found", [{}, "x", 5, True, {"coach": 1}])
def test_artifacts_that_are_no_list_are_refused_and_kept(found: object) -> None:
    with pytest.raises(InvalidInput, match=r"manifest\.json: artifacts: not a list; make it a list"):
        manifest_with({"artifacts": found}, entry=coach())
    assert manifest_without_ours({"artifacts": found})["artifacts"] == found
    assert coach_entry({"artifacts": found}) is None


def test_the_entry_of_a_file() -> None:
    assert coach(b"abc", input_sha256="sha256:0") == {
        "artifact_id": "coach",
        "kind": "coach",
        "path": "clip.coach.json",
        "sha256": "sha256:" + hashlib.sha256(b"abc").hexdigest(),
        "bytes": 3,
        "input_sha256": "sha256:0",
    }


@pytest.mark.parametrize(
    "found",
    [
        [None, 3, "coach", [], {"artifact_id": ["coach"]}, {"path": {}}, coach(b"x")],
        [{"artifact_id": "coaching", "path": "clip.coach.json"}],
    ],
)
def test_the_coach_entry_is_found_among_anything(found: list[Any]) -> None:
    assert coach_entry({"artifacts": found}) == found[-1]


def test_no_coach_entry() -> None:
    assert coach_entry({}) is None
    assert coach_entry({"artifacts": None}) is None
    assert coach_entry({"artifacts": [MIDI, ai()]}) is None


def valid(**changes: Any) -> dict[str, Any]:
    entry = {"bundle_version": "v1.1", "clip_id": "clip_abc123", "created_at_utc": NOW, "artifacts": [MIDI, coach()]}
    return entry | changes


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "Input should be"),
        (valid(bundle_version="v1.0"), "bundle_version: "),
        (valid(clip_id="../etc"), "clip_id: a clip id is 1 to 128"),
        (valid(created_at_utc="2026-02-04"), "created_at_utc: not an RFC 3339"),
        (valid(artifacts={}), "artifacts: "),
        (valid(artifacts=[None]), "artifacts.0: "),
        (valid(coaching_source="hybrid"), "coaching_source is hybrid, the artifacts say deterministic"),
        (valid(coaching_source="deterministic", artifacts=[ai()]), "the artifacts say hybrid"),
        (valid(artifacts=[MIDI | {"path": "/etc/passwd"}]), "artifacts.0.path: not a path inside the bundle"),
        (valid(artifacts=[MIDI | {"path": "a/../../b"}]), "artifacts.0.path: "),
        (valid(artifacts=[MIDI | {"path": "C:clip.mid"}]), "artifacts.0.path: "),
        (valid(artifacts=[MIDI | {"path": "a\\b"}]), "artifacts.0.path: "),
        (valid(artifacts=[MIDI | {"path": "manifest.json"}]), "artifacts.0.path: "),
        (valid(artifacts=[MIDI | {"sha256": "A" * 64}]), "artifacts.0.sha256: "),
        (valid(artifacts=[MIDI | {"sha256": "0" * 63}]), "artifacts.0.sha256: "),
        (valid(artifacts=[MIDI | {"bytes": -1}]), "artifacts.0.bytes: "),
        (valid(artifacts=[MIDI | {"bytes": 1.5}]), "artifacts.0.bytes: "),
        (valid(artifacts=[coach() | {"path": "clip.mid"}]), "artifacts.0: coach is of kind coach and stands at"),
        (valid(artifacts=[coach(input_sha256="0")]), "artifacts.0: input_sha256 is not 64"),
        (valid(artifacts=[ai(origin="dreamt")]), "artifacts.0: origin is neither live nor prepared"),
    ],
)
def test_problems_name_the_field(document: object, problem: str) -> None:
    (found,) = check_manifest(document)
    assert problem in found


def test_every_problem_is_named() -> None:
    assert len(check_manifest(valid(clip_id="", artifacts=[MIDI | {"bytes": -1, "path": ""}]))) == 3


@pytest.mark.parametrize("path", ["clip.mid", "a/b.mid", "..a", "a..", "a/..b/c", "./clip.mid", ".hidden", "ü.mid"])
def test_paths_inside(path: str) -> None:
    assert check_manifest(valid(artifacts=[MIDI | {"path": path}])) == []


@given(json_values | manifests)
def test_any_document_is_valid_or_has_problems(document: Any) -> None:
    for problem in check_manifest(document):
        assert problem


HOSTILE: list[object] = [
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "a\x00b", "clip\n", "\x1b[31m", "x" * 129,
    "ü" * 64, ".hidden", "-rf", "_x", " clip", "clip ", "．．", "a\u202eb", "a\u200bb", "%2e%2e", "~root", "cl\u0131p",
    "\ud800", 5, 5.0, True, None, [], ["clip"], {},
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_hostile_ids_are_refused_wherever_they_stand(value: object) -> None:
    for source, tags, manifest in (
        (r"clip\.tags\.json", {"clip_id": value}, None),
        (r"manifest\.json", None, {"clip_id": value}),
        (r"clip\.tags\.json", {"clip_id": value}, {"clip_id": value}),
        (r"manifest\.json", {"clip_id": "clip"}, {"clip_id": value}),
    ):
        with pytest.raises(InvalidInput, match=rf"\A{source}: clip_id: .* is no clip id; use 1 to 128") as caught:
            parse_clip_identity(tags, manifest, "clip")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [value for value in HOSTILE if isinstance(value, str)], ids=ascii)
def test_hostile_folder_names_are_refused(value: str) -> None:
    for name in (value, "ota_bundle__" + value):
        with pytest.raises(InvalidInput, match="the folder's name: clip_id: "):
            parse_clip_identity(None, {}, name)


@pytest.mark.parametrize(
    ("tags", "manifest", "folder", "expected"),
    [
        (None, None, "clip_abc123", "clip_abc123"),
        ({}, {}, "ota_bundle__clip_abc123", "clip_abc123"),
        ({"chords": []}, {"artifacts": []}, "ota_bundle__ota_bundle__x", "ota_bundle__x"),
        ({"clip_id": "a"}, None, "clip_abc123", "a"),
        (None, {"clip_id": "b"}, "..", "b"),
        ({"clip_id": "a"}, {"clip_id": "a"}, "other", "a"),
        (None, None, "x" * 128, "x" * 128),
        (None, None, "x.tmp", "x.tmp"),
        (None, None, "x_ai_addendum.json", "x_ai_addendum.json"),
    ],
)
def test_who_a_bundle_is(tags: Any, manifest: Any, folder: str, expected: str) -> None:
    assert parse_clip_identity(tags, manifest, folder) == expected


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True), st.text(max_size=5))
def test_two_ids_that_differ_at_all_disagree(clip_id: str, more: str) -> None:
    other = clip_id.swapcase() + more
    assume(other != clip_id)
    with pytest.raises(InvalidInput):
        parse_clip_identity({"clip_id": clip_id}, {"clip_id": other}, "clip")


def test_a_disagreement_names_both() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_clip_identity({"clip_id": "one"}, {"clip_id": "two"}, "clip")
    assert str(caught.value) == (
        "clip.tags.json: clip_id: one disagrees with manifest.json, which says two; make both the same"
    )
