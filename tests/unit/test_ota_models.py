"""Manifest, signature and paths of a bundle: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sg_coach import (
    HashMismatch,
    InvalidInput,
    OtaArtifact,
    OtaBundleManifest,
    SignatureRefused,
    SignatureStub,
    UnsafeArchive,
    UnsafePath,
)
from sg_coach.ota_manifest import MANIFEST_NAMESPACE, make_manifest, manifest_from
from sg_coach.ota_seal import check_seal, document_bytes
from sg_coach.ota_signing import check_signature, check_signature_seal, make_signature, signature_from
from sg_coach.untrusted import check_amount, check_distinct, check_relative_path, shown
from tests.takes import assignment_of, take

NOW = datetime(2026, 2, 4, 12, 34, 56, 789000, UTC)
HASH = "ab" * 32


def artifact(path: str = "assignment.json", **changes: Any) -> dict[str, Any]:
    own = path == "assignment.json"
    facts: dict[str, Any] = {"artifact_id": "assignment" if own else f"att:{path}", "path": path}
    return facts | {"kind": "assignment" if own else "attachment", "sha256": HASH, "bytes": 12} | changes


def manifest() -> OtaBundleManifest:
    return make_manifest(
        assignment=assignment_of(take()), artifacts=(OtaArtifact.model_validate(artifact()),), created_at=NOW
    )


def parsed(**changes: Any) -> OtaBundleManifest:
    return manifest_from(json.dumps(json.loads(document_bytes(manifest())) | changes).encode())


def test_a_manifest_says_what_it_is_about() -> None:
    made, assignment = manifest(), assignment_of(take())
    assert (made.contract, made.coach_contract, made.product) == ("v1", "v1", "smart-guitar")
    assert (made.assignment_id, made.session_id) == (assignment.assignment_id, assignment.session_id)
    assert made.metadata == {"title": "Progress Round", "mode": "practice"}
    assert made.created_at == "2026-02-04T12:34:56.789Z"
    assert made.manifest_id.version == 5
    assert manifest_from(document_bytes(made)) == made


def test_a_hash_is_lowered() -> None:
    assert OtaArtifact.model_validate(artifact(sha256="AB" * 32)).sha256 == HASH


@pytest.mark.parametrize(
    "changes",
    [
        {"bytes": -1},
        {"bytes": 1.5},
        {"bytes": "12"},
        {"bytes": True},
        {"sha256": HASH[:-1]},
        {"sha256": HASH + "\n"},
        {"sha256": "sha256:" + HASH},
        {"kind": "firmware"},
        {"artifact_id": ""},
        {"extra": 1},
    ],
)
def test_a_bad_artifact_is_named_by_its_field(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"manifest\.json: artifacts\.0\.{next(iter(changes))}"):
        parsed(artifacts=[artifact(**changes)])


@pytest.mark.parametrize(
    ("artifacts", "problem"),
    [
        ([], "at least 1 item"),
        ([artifact("attachments/a")], "kind assignment"),
        ([artifact(), artifact(artifact_id="second")], "two entries for one file"),
        ([artifact(artifact_id="other")], "id assignment"),
        ([artifact(), artifact("attachments/a", artifact_id="x"), artifact("attachments/b", artifact_id="x")], "twice"),
    ],
)
def test_a_manifest_holds_the_assignment_once(artifacts: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises((InvalidInput, UnsafeArchive), match=problem):
        parsed(artifacts=artifacts)


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest_id": "x"},
        {"created_at": "yesterday"},
        {"contract": "v2"},
        {"coach_contract": "v2"},
        {"product": ""},
        {"artifacts": None},
        {"metadata": {"title": 1}},
        {"surplus": 1},
    ],
)
def test_a_bad_manifest_is_named_by_its_field(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"manifest\.json: {next(iter(changes))}"):
        parsed(**changes)


BAD_PATHS = [
    "",
    ".",
    "..",
    "../evil",
    "a/../../evil",
    "a/./b",
    "a//b",
    "a/",
    "/etc/passwd",
    "//host/share",
    "C:evil",
    "c:/evil",
    "a\\b",
    "..\\evil",
    "a:b",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "a\u202eb",
    "a\u200bb",
    "a\ud800b",
    "a.",
    "a /b",
    "x" * 300,
    "ä" * 128,
    "/".join(["x"] * 600),
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_could_lead_outside_is_refused(path: str) -> None:
    with pytest.raises(UnsafePath) as raised:
        check_relative_path(path)
    assert str(raised.value).isprintable()
    with pytest.raises(InvalidInput if "\ud800" in path else UnsafePath):  # half a character is no JSON for us
        parsed(artifacts=[artifact(), artifact(path, artifact_id="x", kind="attachment")])
    with pytest.raises(ValidationError):
        OtaArtifact.model_validate(artifact(path))


@pytest.mark.parametrize(
    "path", ["a", "a/b.mid", ".hidden", "ä/日本.json", "a b/c", "...x", "-rf", "%2e%2e/x", "~root"]
)
def test_an_odd_but_harmless_path_is_accepted(path: str) -> None:
    assert check_relative_path(path) == path


@given(st.text(max_size=20))
def test_an_accepted_path_stays_inside(path: str) -> None:
    try:
        check_relative_path(path)
    except UnsafePath:
        return
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        assert depth > 0
    assert not path.startswith("/")


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["A.json", "a.json"],
        ["x/straße", "x/STRASSE"],
        ["\u00e4", "a\u0308"],
        ["a", "a/b"],
        ["A", "a/b/c"],
    ],
)
def test_two_paths_for_one_file_are_refused(paths: list[str]) -> None:
    for order in (paths, paths[::-1]):
        with pytest.raises(UnsafeArchive):
            check_distinct(order)
    check_distinct(["a", "b", "a.json", "ab/c", "c/a"])


@pytest.mark.parametrize("path", ["manifest.json", "signature.json", "Manifest.JSON", "manifest.json/x"])
def test_the_manifest_lists_neither_itself_nor_the_signature(path: str) -> None:
    with pytest.raises(UnsafePath):
        parsed(artifacts=[artifact(), artifact(path, kind="attachment", artifact_id="x")])


def test_amounts_have_limits() -> None:
    check_amount(4096, 256 * 1024 * 1024)
    with pytest.raises(UnsafeArchive, match="4097 entries"):
        check_amount(4097, 0)
    with pytest.raises(UnsafeArchive, match="268435457 bytes"):
        check_amount(1, 256 * 1024 * 1024 + 1)


def test_what_is_shown_moves_no_cursor() -> None:
    assert shown("a\x1b[2J\nb\u202e") == r"a\x1b[2J\nb\u202e"
    assert len(shown("x" * 200)) == 81


# Seals and signatures


def test_a_seal_shows_a_change_of_content_and_of_form() -> None:
    made = manifest()
    raw = document_bytes(made)
    check_seal(raw, made, "manifest_id", MANIFEST_NAMESPACE, HashMismatch)
    changed = made.model_copy(update={"product": "other"})
    with pytest.raises(HashMismatch, match="manifest_id does not fit"):
        check_seal(document_bytes(changed), changed, "manifest_id", MANIFEST_NAMESPACE, HashMismatch)
    with pytest.raises(HashMismatch, match="one form"):
        check_seal(raw.replace(b"\n", b"\t"), made, "manifest_id", MANIFEST_NAMESPACE, HashMismatch)


class Key:
    """A signer and verifier of the test's own."""

    key_id = "test-key"

    def sign(self, data: bytes) -> bytes:
        return b"signed:" + data[:57]

    def verifies(self, signature: bytes, data: bytes) -> bool:
        return signature == self.sign(data)


def test_a_stub_says_that_it_proves_nothing() -> None:
    stub = make_signature(b"manifest", created_at=NOW)
    assert (stub.algorithm, stub.key_id, stub.signature_b64, stub.notes) == ("none", None, None, "unsigned-stub")
    assert (stub.subject, stub.version) == ("manifest.json", "v1")
    check_signature(stub, b"manifest", None)
    with pytest.raises(SignatureRefused, match="not signed, and a trusted key was given"):
        check_signature(stub, b"manifest", Key())
    with pytest.raises(SignatureRefused, match="not signed"):
        check_signature(None, b"manifest", Key())


def test_a_signature_is_about_these_bytes_and_by_this_key() -> None:
    signed = make_signature(b"manifest", created_at=NOW, key=Key())
    assert signed.algorithm == "ed25519"
    check_signature(signed, b"manifest", Key())
    with pytest.raises(SignatureRefused, match="subject_sha256"):
        check_signature(signed, b"manifesT", Key())
    other = signed.model_copy(update={"key_id": "other"})
    with pytest.raises(SignatureRefused, match="another key than the trusted test-key"):
        check_signature(other, b"manifest", Key())
    forged = signed.model_copy(update={"signature_b64": base64.b64encode(b"forged").decode()})
    with pytest.raises(SignatureRefused, match="not made by test-key"):
        check_signature(forged, b"manifest", Key())
    garbled = signed.model_copy(update={"signature_b64": "****"})
    with pytest.raises(SignatureRefused, match="not base64"):
        check_signature(garbled, b"manifest", Key())


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "rsa"},
        {"algorithm": "ed25519"},
        {"key_id": "x"},
        {"subject": "assignment.json"},
        {"version": "v2"},
        {"subject_sha256": "x"},
        {"surplus": 1},
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    raw = json.loads(document_bytes(make_signature(b"manifest", created_at=NOW))) | changes
    with pytest.raises(SignatureRefused, match=r"signature\.json"):
        signature_from(json.dumps(raw).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 1}', b"\xff", b" " * 20000])
def test_a_signature_that_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(SignatureRefused, match=r"signature\.json"):
        signature_from(raw)


def test_any_change_of_a_signature_shows() -> None:
    signed = make_signature(b"manifest", created_at=NOW)
    check_signature_seal(document_bytes(signed), signed)
    for change in ({"notes": "signed by the factory"}, {"created_at": "2020-01-01T00:00:00.000Z"}):
        changed = signed.model_copy(update=change)
        with pytest.raises(SignatureRefused, match="signature_id does not fit"):
            check_signature_seal(document_bytes(changed), changed)
    assert SignatureStub.model_validate_json(document_bytes(signed)) == signed
