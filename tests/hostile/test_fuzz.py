"""Any bytes, and damaged or changed documents: only the documented errors, in bounded time and memory."""

from __future__ import annotations

import contextlib
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from sg_coach.archives import safe_unzip
from sg_coach.errors import CoachError, InvalidInput
from sg_coach.jsontext import parse_json_object, to_json_bytes
from sg_coach.midi_file import read_midi
from sg_coach.models import SessionRecord, session_from
from sg_hybrid.errors import AiError, ConfigError
from sg_hybrid.manifest import artifact, check_manifest, manifest_with, parse_clip_identity
from sg_hybrid.models import AiReply
from sg_hybrid.queue_entry import StoredContext, context_bytes, entry_bytes, parse_context, parse_entry
from sg_hybrid.settings import Settings
from tests.conftest import FIXTURES
from tests.deep import examples
from tests.fakes import EPOCH
from tests.late_replies import context, queued
from tests.process.ota import build
from tests.unit.test_ai_client import REQUEST, Log, a_coach, pieces, stream

from .place import GOOD_SESSION

ONE_INPUT_S = 10.0
"""Far more than any input may take, far less than a hang."""

ALL_INPUTS_MIB = 256
"""How much more memory a process may ever have held after all the inputs of a test."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, or `whole` with some of its bytes replaced."""

    def damage(at: int, gone: int, noise: bytes) -> bytes:
        return whole[:at] + noise + whole[at + gone :]

    place = st.integers(0, len(whole))
    return st.binary(max_size=300) | st.builds(damage, place, st.integers(0, 40), st.binary(max_size=12))


def changed(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """`document` with one value replaced by any other, as JSON (and what passes for it)."""
    keys = st.sampled_from(sorted(document))
    return st.builds(lambda key, value: json.dumps(document | {key: value}).encode(), keys, json_values)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """One input."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - start < ONE_INPUT_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ALL_INPUTS_MIB * 1024


ENTRY = queued("clip_a", EPOCH).model_dump(mode="json")
COACH_ENTRY = artifact("coach", "coach", "clip.coach.json", b"{}")
MANIFEST = manifest_with({}, entry=COACH_ENTRY, clip_id="clip_a", created_at_utc="2026-02-04T12:34:56Z")
CONTEXT = context_bytes(StoredContext(context("clip_a"), "sha256:" + "0" * 64))


@examples(150)
@given(damaged(to_json_bytes(GOOD_SESSION)) | changed(GOOD_SESSION))
def test_a_take(raw: bytes) -> None:
    with bounded(), contextlib.suppress(InvalidInput):
        record = session_from(parse_json_object(raw), source="session.json")
        assert SessionRecord.model_validate(record.model_dump()) == record


@examples(150)
@given(damaged(entry_bytes(queued("clip_a", EPOCH))) | changed(ENTRY))
def test_an_entry_of_the_queue(raw: bytes) -> None:
    with bounded(), contextlib.suppress(InvalidInput):
        entry = parse_entry(raw, "clip_a")
        assert parse_entry(entry_bytes(entry.addendum), "clip_a").addendum == entry.addendum


@examples(100)
@given(damaged(CONTEXT) | changed(json.loads(CONTEXT)))
def test_a_context(raw: bytes) -> None:
    with bounded():
        found = parse_context(raw, "clip_a")
    assert found is None or found.context.clip_id == "clip_a"


@examples(150)
@given(damaged(to_json_bytes(MANIFEST)) | changed(MANIFEST))
def test_a_manifest(raw: bytes) -> None:
    with bounded(), contextlib.suppress(InvalidInput):
        document = parse_json_object(raw)
        check_manifest(document)
        parse_clip_identity({}, document, "clip_a")
        to_json_bytes(manifest_with(document, entry=COACH_ENTRY, clip_id="clip_a"))


@examples(80)
@given(damaged(b'ai_enabled = true\nreply_deadline_ms = 500\nbundle_roots = ["/b"]\n'))
def test_a_config_file(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_bytes(raw)
        with bounded(), contextlib.suppress(ConfigError):
            Settings.from_env({"HOME": folder}, config_file=path)


async def answer_to(parts: list[bytes]) -> AiReply | AiError:
    coach, _ = await a_coach(stream(*parts), stream(*parts), stream(*parts), log=Log())
    try:
        with anyio.fail_after(120):
            return await coach.ask(REQUEST)
    except AiError as error:
        return error


@pytest.fixture(scope="module")
def vendors_client() -> None:
    """Loading it takes seconds on a small machine, which no input is to blame for."""
    import anthropic  # noqa: F401


@pytest.mark.usefixtures("vendors_client")
@examples(25)
@given(damaged(b"".join(pieces())), st.integers(1, 400))
def test_an_event_stream(raw: bytes, size: int) -> None:
    """Through the vendor's client, in pieces of any size."""
    parts = [raw[at : at + size] for at in range(0, len(raw), size)]
    clock = trio.testing.MockClock(autojump_threshold=0)
    with bounded():
        answer = anyio.run(answer_to, parts, backend="trio", backend_options={"clock": clock})
    assert isinstance(answer, AiError) or answer.says_something


@examples(60)
@given(damaged((FIXTURES / "takes" / "clip_bossa" / "take.mid").read_bytes()))
def test_a_midi_file(raw: bytes) -> None:
    with bounded(), contextlib.suppress(InvalidInput):
        assert all(note.onset_ms >= 0 for note in read_midi(raw, "take.mid").notes)


def a_zip() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = build(Path(folder))
        assert made.zip_path is not None
        return made.zip_path.read_bytes()


@examples(80)
@given(damaged(a_zip()))
def test_a_zip(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive, target = Path(folder) / "x.zip", Path(folder) / "out"
        archive.write_bytes(raw)
        with bounded():
            try:
                safe_unzip(archive, target)
            except CoachError:
                assert not target.exists()
