"""Building and verifying bundles on a real disk: the folder, the zip, whole or absent, the same bytes twice."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sg_coach import (
    ArtifactMissing,
    HashMismatch,
    InvalidInput,
    ManifestMissing,
    PracticeAssignment,
    SignatureRefused,
    UnsafePath,
    build_assignment_ota_bundle,
    generate_key_pair,
    load_signing_key,
    load_trusted_key,
    safe_unzip,
    sha256_file,
    verify_assignment_ota_bundle,
    verify_assignment_ota_zip,
)
from sg_coach.ota_bundle import Attachment
from sg_coach.ota_keys import key_id_of
from sg_coach.ota_verify import MAX_ASSIGNMENT_BYTES
from tests.process.ota import ATTACHMENTS, build, contents, pack
from tests.takes import GOLDEN_SESSION, assignment_of, take


def test_a_bundle_is_a_folder_that_firmware_can_read(tmp_path: Path) -> None:
    built = build(tmp_path)
    assignment_id = json.loads(built.assignment_path.read_bytes())["assignment_id"]
    assert built.bundle_dir == tmp_path / f"ota_assignment_{assignment_id}"
    assert built.zip_path == tmp_path / f"ota_assignment_{assignment_id}.zip"
    files = contents(built.bundle_dir)
    assert set(files) == {
        "assignment.json",
        "manifest.json",
        "signature.json",
        "attachments/b.mid",
        "attachments/notes/a.txt",
    }
    manifest = json.loads(files["manifest.json"])
    for artifact in manifest["artifacts"]:
        data = files[artifact["path"]]
        assert (artifact["bytes"], artifact["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert [artifact["artifact_id"] for artifact in manifest["artifacts"]] == [
        "assignment",
        "att:attachments/b.mid",
        "att:attachments/notes/a.txt",
    ]
    signature = json.loads(files["signature.json"])
    assert signature["subject_sha256"] == hashlib.sha256(files["manifest.json"]).hexdigest()
    assert (signature["algorithm"], signature["notes"]) == ("none", "unsigned-stub")
    for name in ("manifest.json", "assignment.json", "signature.json"):
        text = json.dumps(json.loads(files[name]), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        assert files[name].decode() == text


def test_what_was_built_is_what_is_verified(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert built.zip_path
    for verified in (verify_assignment_ota_bundle(built.bundle_dir), verify_assignment_ota_zip(built.zip_path)):
        assert isinstance(verified.assignment, PracticeAssignment)
        assert verified.manifest.assignment_id == verified.assignment.assignment_id
        assert verified.signature is not None
        assert not verified.trusted


def test_options_are_written_down(tmp_path: Path) -> None:
    built = build(
        tmp_path,
        bundle_name="my-bundle",
        product="smart-bass",
        target_device_model="SG-2",
        target_min_firmware="1.4.0",
        make_zip=False,
        write_signature=False,
        attachments=None,
    )
    assert (built.signature_path, built.zip_path) == (None, None)
    assert os.listdir(tmp_path) == ["my-bundle"]
    manifest = verify_assignment_ota_bundle(tmp_path / "my-bundle").manifest
    assert (manifest.product, manifest.target_device_model, manifest.target_min_firmware) == (
        "smart-bass",
        "SG-2",
        "1.4.0",
    )


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    one = build(tmp_path / "one", created_at=None)
    old_umask = os.umask(0o077)
    try:
        two = build(tmp_path / "two", created_at=None, attachments=ATTACHMENTS[::-1])
    finally:
        os.umask(old_umask)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert json.loads(one.manifest_path.read_bytes())["created_at"] == "2023-11-14T22:13:20.000Z"
    for built in (one, two):
        assert built.bundle_dir.stat().st_mode & 0o777 == 0o755
        assert built.manifest_path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9" * 30, "١"])
def test_an_epoch_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(InvalidInput, match="SOURCE_DATE_EPOCH"):
        build(tmp_path, created_at=None)


def test_another_time_is_another_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    one = build(tmp_path / "one", created_at=None)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    two = build(tmp_path / "two", created_at=None)
    assert one.assignment_path.read_bytes() == two.assignment_path.read_bytes()
    assert one.manifest_path.read_bytes() != two.manifest_path.read_bytes()


# Whole or absent


def test_an_existing_bundle_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    build(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InvalidInput, match="is there already; remove it or use --force"):
        build(tmp_path, attachments=[("other", b"x")])
    assert contents(tmp_path) == before


def test_an_existing_zip_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"precious")
    with pytest.raises(InvalidInput, match="is there already"):
        build(tmp_path, bundle_name="mine")
    assert contents(tmp_path) == {"mine.zip": b"precious"}


def test_force_replaces_the_whole_bundle(tmp_path: Path) -> None:
    build(tmp_path)
    built = build(tmp_path, attachments=None, make_zip=False, force=True)
    assert os.listdir(tmp_path) == [built.bundle_dir.name], "the zip of the old bundle goes, too"
    assert set(contents(built.bundle_dir)) == {"assignment.json", "manifest.json", "signature.json"}


def test_a_full_disk_is_named_by_the_place_of_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        build(tmp_path, bundle_name="mine")
    assert caught.value.filename == str(tmp_path / "mine")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("renames", range(4))
@pytest.mark.parametrize("moved", [False, True])
def test_a_replacement_that_fails_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: bool, renames: int, error: BaseException
) -> None:
    """Folder and zip go, folder and zip come: whichever of the four does not happen, or is the last that does."""
    build(tmp_path)
    before, rename, done = contents(tmp_path), os.rename, iter(range(renames))

    def refused(*arguments: Any, **options: Any) -> None:
        if next(done, None) is None:
            monkeypatch.setattr(os, "rename", rename)
            if moved:
                rename(*arguments, **options)
            raise error
        rename(*arguments, **options)

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(type(error)):
        build(tmp_path, attachments=None, force=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("attachments", "error"),
    [
        ([("a", b"x"), ("gone", Path("no-such-file"))], FileNotFoundError),
        ([("../evil", b"x")], UnsafePath),
        ([("A", b"x"), ("a", b"y")], UnsafePath),
        ([("/etc/passwd", b"x")], UnsafePath),
        ([(f"{number}", b"") for number in range(4094)], InvalidInput),
    ],
)
def test_nothing_is_left_of_a_build_that_failed(
    tmp_path: Path, attachments: list[Attachment], error: type[Exception]
) -> None:
    with pytest.raises(error):
        build(tmp_path / "out", attachments=attachments)
    assert contents(tmp_path) == {}


def test_too_much_content_is_refused_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_coach.ota_bundle.MAX_EXPANDED_BYTES", 8 * 1024 * 1024)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(5 * 1024**3)
    with pytest.raises(InvalidInput, match="8388608 bytes in one bundle"):
        build(tmp_path / "out", attachments=[("a", b"x"), ("huge", huge)])
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(("name", "most"), [("{}", 8), ("{}/x", 4), ("{}/y/x", 2), ("a/b/c/{}", 5)])
def test_no_more_files_and_folders_are_built_than_a_check_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    for module in ("ota_bundle", "untrusted"):
        monkeypatch.setattr(f"sg_coach.{module}.MAX_ENTRIES", 12)
    attachments = [(name.format(number), b"") for number in range(most + 1)]
    with pytest.raises(InvalidInput, match=r"attachments: 1[34] files and folders in all, a bundle holds 12"):
        build(tmp_path, attachments=attachments, make_zip=False)
    assert list(tmp_path.iterdir()) == []
    verify_assignment_ota_bundle(build(tmp_path, attachments=attachments[:-1]).bundle_dir)


def test_no_larger_document_is_built_than_a_check_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wordy = assignment_of(take()).model_copy(update={"title": "x" * MAX_ASSIGNMENT_BYTES})
    with pytest.raises(InvalidInput, match=r"assignment.json: \d+ bytes, the limit is 1048576"):
        build_assignment_ota_bundle(assignment=wordy, out_dir=tmp_path)
    monkeypatch.setattr("sg_coach.ota_bundle.MAX_MANIFEST_BYTES", 1000)
    with pytest.raises(InvalidInput, match=r"manifest.json: \d+ bytes, the limit is 1000"):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_attachment_is_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(UnsafePath):
            build(tmp_path / "out", attachments=[("a", tmp_path / name)])


BUILD_FOREVER = """
import sys, time
from pathlib import Path
from sg_coach import *
from sg_coach import ota_bundle, trees
session = session_from(__import__("json").load(open(sys.argv[1])))
def wait(root, *rest):
    print("half-way", flush=True)
    time.sleep(60)
ota_bundle.sync_tree = wait
build_assignment_ota_bundle(
    assignment=plan_assignment(session=session, eval=evaluate_session(session)), out_dir=Path(sys.argv[2])
)
"""


def test_a_killed_build_leaves_nothing_that_looks_like_a_bundle_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD_FOREVER, str(GOLDEN_SESSION), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        [left] = os.listdir(tmp_path)
        built = build(tmp_path)  # while the other one is at work: neither disturbs the other
        assert left in os.listdir(tmp_path)
        process.send_signal(signal.SIGKILL)
    assert left.startswith(".ota_assignment_")
    build(tmp_path, force=True)
    assert built.zip_path
    assert sorted(os.listdir(tmp_path)) == [built.bundle_dir.name, built.zip_path.name]


@pytest.mark.parametrize("force", [False, True])
def test_what_a_killed_replacement_put_aside_comes_back(tmp_path: Path, force: bool) -> None:
    built = build(tmp_path)
    assert built.zip_path
    names = sorted([built.bundle_dir.name, built.zip_path.name])
    waiting = BUILD_FOREVER.replace("ota_bundle.sync_tree = wait", "trees.refuse_taken = wait").replace(
        "out_dir=Path(sys.argv[2])", "out_dir=Path(sys.argv[2]), make_zip=True, force=True"
    )
    command = [sys.executable, "-c", waiting, str(GOLDEN_SESSION), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert not set(names) & set(os.listdir(tmp_path)), "it was killed between the old and the new"
    if force:
        build(tmp_path, force=True)
    else:
        with pytest.raises(InvalidInput, match="is there already"):
            build(tmp_path)
    assert sorted(os.listdir(tmp_path)) == names
    verify_assignment_ota_bundle(built.bundle_dir)
    verify_assignment_ota_zip(built.zip_path)


def test_of_many_builders_one_wins_and_the_others_say_so(tmp_path: Path) -> None:
    program = "import sys; from sg_coach import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "ota-bundle", "--session", str(GOLDEN_SESSION), "--out", str(tmp_path)]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(run.wait() for run in runs) == [0, 1, 1, 1]
    [name] = os.listdir(tmp_path)
    verify_assignment_ota_bundle(tmp_path / name)


def test_a_large_attachment_is_streamed(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(48 * 1024 * 1024)
    tracemalloc.start()
    try:
        built = build(tmp_path / "out", attachments=[("large", large)])
        assert built.zip_path
        verify_assignment_ota_bundle(built.bundle_dir)
        verify_assignment_ota_zip(built.zip_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert sha256_file(large) == sha256_file(built.bundle_dir / "attachments" / "large")


# Verifying


def test_each_damage_has_its_error(tmp_path: Path) -> None:
    def damaged(name: str) -> Path:
        return build(tmp_path / name).bundle_dir

    bundle = damaged("no manifest")
    (bundle / "manifest.json").unlink()
    with pytest.raises(ManifestMissing):
        verify_assignment_ota_bundle(bundle)
    bundle = damaged("no attachment")
    (bundle / "attachments" / "b.mid").unlink()
    with pytest.raises(ArtifactMissing, match=r"attachments/b\.mid"):
        verify_assignment_ota_bundle(bundle)
    bundle = damaged("shorter")
    (bundle / "attachments" / "b.mid").write_bytes(b"MTh")
    with pytest.raises(HashMismatch, match=r"attachments/b\.mid: 3 bytes, manifest\.json says 4"):
        verify_assignment_ota_bundle(bundle)
    bundle = damaged("changed")
    (bundle / "attachments" / "b.mid").write_bytes(b"MThx")
    with pytest.raises(HashMismatch, match=r"attachments/b\.mid: not the SHA-256"):
        verify_assignment_ota_bundle(bundle)
    bundle = damaged("newer manifest")
    (bundle / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes() + b"\n")
    with pytest.raises(SignatureRefused, match="subject_sha256"):
        verify_assignment_ota_bundle(bundle)


def test_the_signature_is_checked_before_the_manifest_is_parsed(tmp_path: Path) -> None:
    bundle = build(tmp_path).bundle_dir
    (bundle / "manifest.json").write_bytes(b"{not JSON")
    with pytest.raises(SignatureRefused):
        verify_assignment_ota_bundle(bundle)


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify_assignment_ota_bundle(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        verify_assignment_ota_zip(tmp_path / "none.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("folder", ["", "ota_assignment_x/"])
def test_a_bundle_that_another_tool_packed_is_accepted(tmp_path: Path, folder: str, method: int) -> None:
    files = {folder + name: data for name, data in contents(build(tmp_path).bundle_dir).items()}
    archive = pack(tmp_path / "other.zip", {folder + "attachments/": b"", **files}, method=method)
    assert verify_assignment_ota_zip(archive).manifest.metadata["mode"] == "practice"


def test_unpacking_gives_the_bundle(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert built.zip_path
    paths = safe_unzip(built.zip_path, tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == contents(built.bundle_dir)
    assert paths == sorted(contents(built.bundle_dir))
    verify_assignment_ota_bundle(tmp_path / "unpacked")
    with pytest.raises(InvalidInput, match="is there already"):
        safe_unzip(built.zip_path, tmp_path / "unpacked")


# Keys


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return generate_key_pair(tmp_path / "keys")


def test_a_signed_bundle_is_trusted_by_its_key_alone(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    signing, trusted = load_signing_key(keys[0]), load_trusted_key(keys[1])
    other = load_trusted_key(generate_key_pair(tmp_path / "other keys")[1])
    signed = build(tmp_path / "signed", signing_key=signing)
    stub = build(tmp_path / "stub")
    assert signed.zip_path
    verified = verify_assignment_ota_zip(signed.zip_path, trusted_key=trusted)
    assert verified.trusted
    assert verified.signature
    assert (verified.signature.algorithm, verified.signature.key_id) == ("ed25519", signing.key_id)
    verify_assignment_ota_bundle(signed.bundle_dir, trusted_key=trusted)
    with pytest.raises(SignatureRefused, match="another key"):
        verify_assignment_ota_bundle(signed.bundle_dir, trusted_key=other)
    with pytest.raises(SignatureRefused, match="not signed"):
        verify_assignment_ota_bundle(stub.bundle_dir, trusted_key=trusted)


def test_the_same_key_and_input_give_the_same_signature(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    key = load_signing_key(keys[0])
    built = [build(tmp_path / name, signing_key=key) for name in ("one", "two")]
    assert contents(built[0].bundle_dir) == contents(built[1].bundle_dir)


def test_a_key_is_named_by_the_digest_of_its_raw_bytes() -> None:
    raw = bytes(range(32))
    assert key_id_of(raw) == f"ed25519-{hashlib.sha256(raw).hexdigest()[:32]}"
    assert len(key_id_of(raw)) == len("ed25519-") + 32


def test_a_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        private, public = generate_key_pair(tmp_path / "keys")
    finally:
        os.umask(old_umask)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    before = private.read_bytes()
    with pytest.raises(InvalidInput, match="a key is there already"):
        generate_key_pair(tmp_path / "keys")
    assert private.read_bytes() == before
    assert "PRIVATE" not in repr(load_signing_key(private))


def test_what_is_no_key_is_refused(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    (tmp_path / "text").write_text("hello")
    for path in (tmp_path / "text", keys[1]):
        with pytest.raises(InvalidInput, match=r"not a private key.*sgc-signing-key\.pem"):
            load_signing_key(path)
    for path in (tmp_path / "text", keys[0]):
        with pytest.raises(InvalidInput, match=r"not a public key.*sgc-signing-key\.pub\.pem"):
            load_trusted_key(path)


def test_a_key_of_another_kind_or_with_a_password_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    pem, private_form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "curve").write_bytes(curve.private_bytes(pem, private_form, serialization.NoEncryption()))
    (tmp_path / "curve.pub").write_bytes(
        curve.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    locked = ed25519.Ed25519PrivateKey.generate()
    locked_pem = locked.private_bytes(pem, private_form, serialization.BestAvailableEncryption(b"secret"))
    (tmp_path / "locked").write_bytes(locked_pem)
    with pytest.raises(InvalidInput, match="not an Ed25519 key"):
        load_signing_key(tmp_path / "curve")
    with pytest.raises(InvalidInput, match="not an Ed25519 key"):
        load_trusted_key(tmp_path / "curve.pub")
    with pytest.raises(InvalidInput, match="without a password"):
        load_signing_key(tmp_path / "locked")


def test_a_key_for_a_bundle_without_a_signature_is_a_mistake(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(InvalidInput, match="without a signature"):
        build(tmp_path / "out", signing_key=load_signing_key(keys[0]), write_signature=False)


def test_a_bundle_name_is_one_safe_name(tmp_path: Path) -> None:
    for name in ("../x", "a/b", ".x", "", "x" * 129, "a\n"):
        with pytest.raises(InvalidInput, match="bundle_name"):
            build_assignment_ota_bundle(assignment=assignment_of(take()), out_dir=tmp_path, bundle_name=name)
    assert os.listdir(tmp_path) == []
