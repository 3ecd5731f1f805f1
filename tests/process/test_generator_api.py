"""The generator's HTTP API, asked over a real socket: every call, and every error as an answer."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mido
import pytest

from sg_coach.digest import sha256_bytes
from sg_coach.session_index import read_entries
from tests.conftest import FIXTURES

from .generator import SESSION, WANTED, Server, failed

NOTE = {"time_s": 0.5, "pitch": 60}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("generator")) as running:
        yield running


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def entries_about(server: Server, clip_id: str) -> list[dict[str, Any]]:
    return [entry for entry in read_entries(server.bundle(clip_id).parent) if entry["clip_id"] == clip_id]


def manifest_is_true(bundle: Path) -> bool:
    """Whether each listed file has its hash and size."""
    listed = document(bundle / "manifest.json")["artifacts"]
    return all(
        one["sha256"] == sha256_bytes(data) and one["bytes"] == len(data)
        for one in listed
        if (data := (bundle / one["path"]).read_bytes()) is not None
    )


# Clips


def test_a_clip_is_a_whole_bundle_of_today_and_an_entry_of_the_index(server: Server) -> None:
    answer = server.post("/generate", {**WANTED, "session_id": SESSION, "seed": 7, "unknown": {"is": "ignored"}})
    assert answer["status"] == "ok"
    assert answer["request"]["seed"] == 7
    bundle = Path(answer["bundle_dir"])
    assert bundle == server.bundle(answer["clip_id"])
    assert {path.name for path in bundle.iterdir()} == {
        "clip.mid",
        "clip.comp.mid",
        "clip.bass.mid",
        "clip.tags.json",
        "clip.runlog.json",
        "manifest.json",
    }
    assert document(bundle / "clip.runlog.json")["engine_version"] == "tests.fake_engine@fake-1"
    [entry] = entries_about(server, answer["clip_id"])
    assert entry["source"] == "generate"
    assert entry["verdict"] is None
    assert entry["session_id"] == SESSION


def test_what_is_played_is_told_in_seconds(server: Server) -> None:
    notes = server.get(f"/clips/{server.clip(tempo_bpm=60, meter='3/4', bars=2)}/notes")
    assert (notes["tempo_bpm"], notes["meter"], notes["bars"], notes["beats_a_bar"]) == (60.0, "3/4", 2, 3)
    assert notes["duration_s"] == 6.0
    assert [note["time_s"] for note in notes["tracks"]["bass"]] == [0.0, 3.0]
    assert notes["tracks"]["comp"][0] == {"time_s": 0.0, "duration_s": 0.5, "pitch": 60, "velocity": 80}
    assert [(one["bar"], one["beat"], one["time_s"], one["symbol"]) for one in notes["chords"]] == [
        (1, 1.0, 0.0, "Dm7"),
        (2, 1.0, 3.0, "G7"),
    ]


@pytest.mark.parametrize("name", ["clip.mid", "clip.comp.mid", "clip.bass.mid"])
def test_a_file_comes_as_it_stands_there(server: Server, name: str) -> None:
    clip_id = server.clip()
    _, headers, body = server.ask("GET", f"/clips/{clip_id}/files/{name}")
    assert headers["content-type"] == "audio/midi"
    assert body == (server.bundle(clip_id) / name).read_bytes()


def test_no_other_file_is_given_out(server: Server) -> None:
    clip_id = server.clip()
    for name in ("clip.tags.json", "manifest.json", "..", "%2e%2e%2fsession.index.json", "x"):
        assert failed(server.get(f"/clips/{clip_id}/files/{name}"), "NOT_FOUND")


def test_the_next_clip_keeps_the_progression_and_the_session(server: Server) -> None:
    parent = server.clip()
    answer = server.post("/regenerate", {"parent_clip_id": parent, "difficulty_signal": 1})
    assert answer["adjustments"] == {"tempo": 10.0, "density": "dense", "syncopation": "heavy", "difficulty": 1.0}
    tags = document(Path(answer["bundle_dir"]) / "clip.tags.json")
    assert tags["chords"] == WANTED["chords"]
    assert tags["session_id"] == SESSION
    assert tags["tempo_bpm"] == 130.0
    assert tags["parent_clip_id"] == parent
    [entry] = entries_about(server, answer["clip_id"])
    assert (entry["source"], entry["parent_clip_id"]) == ("regenerate", parent)


def test_without_a_coaching_to_follow_the_signal_counts(server: Server) -> None:
    body = {"parent_clip_id": server.clip(), "difficulty_signal": -1, "follow_coach": True, "seed": 99}
    answer = server.post("/regenerate", body)
    assert answer["adjustments"]["tempo"] == -10.0
    assert answer["request"]["seed"] == 99


# Verdicts


@pytest.mark.parametrize(("word", "verdict", "step"), [("pass", "pass", 1), ("STRUGGLE", "struggle", -1)])
def test_a_verdict_is_kept_and_suggests_a_step(server: Server, word: str, verdict: str, step: int) -> None:
    clip_id = server.clip()
    answer = server.post("/feedback", {"clip_id": clip_id, "verdict": word})
    suggested = answer["suggested_adjustment"]
    assert (suggested["density_delta"], suggested["syncopation_delta"]) == (step, step)
    bundle = server.bundle(clip_id)
    kept, ref = document(bundle / "clip.feedback.json"), document(bundle / "clip.feedback.ref.json")
    assert kept["verdict"] == verdict
    assert kept["suggested_adjustment"] == suggested
    assert ref["feedback"]["sha256"] == sha256_bytes((bundle / "clip.feedback.json").read_bytes())
    assert manifest_is_true(bundle)
    assert [entry["verdict"] for entry in entries_about(server, clip_id)] == [None, verdict]


def test_a_second_verdict_replaces_the_first_and_both_are_in_the_index(server: Server) -> None:
    clip_id = server.clip()
    for verdict in ("struggle", "pass"):
        server.post("/feedback", {"clip_id": clip_id, "verdict": verdict})
    bundle = server.bundle(clip_id)
    assert document(bundle / "clip.feedback.json")["verdict"] == "pass"
    assert manifest_is_true(bundle)
    assert len(document(bundle / "manifest.json")["artifacts"]) == 7
    assert [entry["verdict"] for entry in entries_about(server, clip_id)] == [None, "struggle", "pass"]


def test_both_at_once_give_both_answers(server: Server) -> None:
    clip_id = server.clip()
    answer = server.post("/feedback_and_regen", {"clip_id": clip_id, "verdict": "pass", "difficulty_signal": 0.5})
    assert answer["parent_clip_id"] == answer["feedback_clip_id"] == clip_id
    assert answer["suggested_adjustment"]["density_delta"] == 1
    assert server.bundle(answer["clip_id"]).is_dir()


def test_nothing_is_kept_of_a_verdict_whose_next_clip_has_no_parent(server: Server) -> None:
    clip_id = server.clip()
    body = {"clip_id": clip_id, "verdict": "pass", "difficulty_signal": 0, "parent_clip_id": "nobody"}
    assert failed(server.post("/feedback_and_regen", body), "NOT_FOUND", "parent_clip_id")
    assert not (server.bundle(clip_id) / "clip.feedback.json").exists()


# Takes


def test_notes_become_a_take_at_the_clips_tempo(server: Server) -> None:
    clip_id = server.clip(tempo_bpm=90, meter="6/8")
    notes = [{"time_s": 0.1234, "pitch": 60, "velocity": 90, "duration_s": 0.5}, {"time_s": 2.0, "pitch": 64}]
    answer = server.post(f"/clips/{clip_id}/take", {"session_id": SESSION, "take": {"notes": notes}})
    assert answer == {"status": "ok", "clip_id": clip_id, "suggested_adjustment": None, "coaching": None}
    file = mido.MidiFile(file=io.BytesIO((server.bundle(clip_id) / "take.mid").read_bytes()))
    assert [message.tempo for message in file.tracks[0] if message.type == "set_tempo"] == [666_667]
    assert [(one.numerator, one.denominator) for one in file.tracks[0] if one.type == "time_signature"] == [(6, 8)]
    now, played = 0.0, []
    for message in file:
        now += message.time
        if message.type == "note_on":
            played.append((round(now, 4), message.note, message.velocity))
    assert played == [(0.1234, 60, 90), (2.0, 64, 64)]
    assert server.get(f"/clips/{clip_id}/coaching")["state"] == "waiting"


def test_a_midi_file_is_kept_to_the_byte(server: Server) -> None:
    clip_id = server.clip()
    file = (server.bundle(clip_id) / "clip.comp.mid").read_bytes()
    server.post("/feedback", {"clip_id": clip_id, "take": {"midi_base64": base64.b64encode(file).decode()}})
    assert (server.bundle(clip_id) / "take.mid").read_bytes() == file


def test_facts_become_the_session_record(server: Server) -> None:
    clip_id, facts = server.clip(), json.loads((FIXTURES / "sessions" / "martino_00.json").read_bytes())
    server.post("/feedback", {"clip_id": clip_id, "session": facts})
    assert document(server.bundle(clip_id) / "session.json") == facts
    assert server.get(f"/clips/{clip_id}/coaching")["take"]["bpm"] == facts["bpm"]


def test_a_new_take_puts_earlier_facts_and_their_refusal_aside(server: Server) -> None:
    clip_id, facts = server.clip(), json.loads((FIXTURES / "sessions" / "martino_00.json").read_bytes())
    bundle = server.bundle(clip_id)
    server.post("/feedback", {"clip_id": clip_id, "session": facts})
    (bundle / "clip.error.json").write_text('{"error_code": "VALIDATION_ERROR", "message": "session.json: bpm: bad"}')
    assert server.get(f"/clips/{clip_id}/coaching")["error"]["message"] == "session.json: bpm: bad"
    server.post(f"/clips/{clip_id}/take", {"take": {"notes": [NOTE]}})
    assert not (bundle / "session.json").exists()
    assert server.get(f"/clips/{clip_id}/coaching")["state"] == "waiting"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["verdict", "missing"]),
        ({"verdict": "maybe"}, ["verdict", "maybe"]),
        ({"take": {}}, ["take", "notes"]),
        ({"take": {"notes": []}}, ["take.notes", "List should"]),
        ({"take": {"notes": [NOTE] * 5001}}, ["take.notes", "5000"]),
        ({"take": {"notes": [{**NOTE, "time_s": -1}]}}, ["take.notes[0].time_s"]),
        ({"take": {"notes": [{**NOTE, "pitch": 128}]}}, ["take.notes[0].pitch"]),
        ({"take": {"notes": [{**NOTE, "pitch": "60"}]}}, ["take.notes[0].pitch"]),
        ({"take": {"notes": [{**NOTE, "velocity": 0}]}}, ["take.notes[0].velocity"]),
        ({"take": {"midi_base64": "not base 64!"}}, ["take.midi_base64"]),
        ({"take": {"midi_base64": base64.b64encode(b"no midi" * 9).decode()}}, ["take", "MIDI"]),
        ({"take": {"notes": [NOTE], "midi_base64": "TVRoZA=="}}, ["take", "one of"]),
        ({"session": {"bpm": 120}}, ["session.session_id"]),
        ({"session": []}, ["session"]),
        ({"session": {"bpm": 120}, "take": {"notes": [NOTE]}}, ["session", "exclude"]),
        ({"session_id": "another", "take": {"notes": [NOTE]}}, ["session_id", SESSION]),
    ],
)
def test_a_take_that_cannot_be_used_says_why_and_leaves_nothing(
    server: Server, body: dict[str, Any], words: list[str]
) -> None:
    clip_id = server.clip()
    before = {path.name: path.read_bytes() for path in server.bundle(clip_id).iterdir()}
    assert failed(server.post("/feedback", {"clip_id": clip_id, **body}), "VALIDATION_ERROR", *words)
    assert {path.name: path.read_bytes() for path in server.bundle(clip_id).iterdir()} == before


# Looking


def test_the_index_is_told_by_day_session_and_number(server: Server) -> None:
    mine = "11111111-2222-4333-8444-555555555555"
    clips = [server.clip(session_id=mine) for _ in range(3)]
    told = server.get(f"/session_index?session_id={mine.upper()}")
    assert [entry["clip_id"] for entry in told["entries"]] == clips
    newest = server.get(f"/session_index?session_id={mine}&limit=1")
    assert [entry["clip_id"] for entry in newest["entries"]] == clips[2:]
    assert newest["left_out"] == 2
    assert server.get("/session_index?date=2001-02-03")["entries"] == []
    assert failed(server.get("/session_index?date=2001-02-31"), "VALIDATION_ERROR", "date")
    assert failed(
        server.get("/session_index?date=../../etc"), "VALIDATION_ERROR", "date", "[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    )
    assert failed(server.get("/session_index?limit=0"), "VALIDATION_ERROR", "limit")


def test_a_session_nobody_heard_of_has_no_story(server: Server) -> None:
    assert server.get("/sessions/nobody") == {
        "status": "ok",
        "session_id": "nobody",
        "takes": [],
        "verdicts": [],
        "clips": [],
    }


@pytest.mark.parametrize("broken", ["{", '{"entries": 7}'])
def test_a_broken_index_costs_the_story_its_own_day_alone(server: Server, broken: str) -> None:
    mine = "22222222-2222-4333-8444-555555555555"
    clip_id = server.clip(session_id=mine)
    old = server.bundles / "2001-02-03"
    old.mkdir(exist_ok=True)
    (old / "session.index.json").write_text(broken)
    assert server.get(f"/sessions/{mine}")["clips"][-1]["clip_id"] == clip_id
    assert failed(server.get("/session_index?date=2001-02-03"), "GENERATION_ERROR", "session.index.json")
    assert "session_index_unreadable" in server.log.read_text()
    shutil.rmtree(old)


def test_what_several_roots_tell_of_a_day_is_one_order(tmp_path: Path) -> None:
    for root, times in (("one", (10, 12, 14)), ("other", (9, 11, 13))):
        for day in ("2026-02-04", "2026-02-05"):
            entries = [
                {
                    "clip_id": f"{root}_{hour}",
                    "timestamp": f"{day}T{hour:02}:00:00.000Z",
                    "session_id": "s",
                    "score": 50,
                }
                for hour in times
            ]
            (tmp_path / root / day).mkdir(parents=True)
            (tmp_path / root / day / "session.index.json").write_text(json.dumps({"entries": entries}))
    ordered = ["other_9", "one_10", "other_11", "one_12", "other_13", "one_14"]
    with Server(tmp_path, env={"SG_BUNDLE_ROOTS": f"{tmp_path / 'one'}:{tmp_path / 'other'}"}) as server:
        told = server.get("/session_index?date=2026-02-04&limit=4")
        assert [entry["clip_id"] for entry in told["entries"]] == ordered[2:]
        assert [take["clip_id"] for take in server.get("/sessions/s")["takes"]] == ordered * 2


def test_what_was_played_in_the_ota_layout_is_told_like_everything_else(tmp_path: Path) -> None:
    mine = "33333333-2222-4333-8444-555555555555"
    bundle = tmp_path / "bundles" / "ota_bundle__clip_far"
    bundle.mkdir(parents=True)
    (bundle / "clip.tags.json").write_text(json.dumps({"clip_id": "clip_far", "session_id": mine, "style": "bossa"}))
    with Server(tmp_path) as server:
        near = server.clip(session_id=mine)
        assert server.post("/feedback", {"clip_id": "clip_far", "verdict": "struggle"})["status"] == "ok"
        index = bundle.parent / "session.index.json"
        entries = document(index)["entries"]
        entries.append({**entries[0], "source": "coach", "score": 71, "input_sha256": "sha256:other"})
        entries.append({**entries[0], "timestamp": "2001-02-03T04:05:06.789Z"})
        index.write_text(json.dumps({"entries": entries}))
        told = server.get(f"/session_index?session_id={mine}")["entries"]
        assert [entry["clip_id"] for entry in told] == [near, "clip_far", "clip_far"]
        assert len(server.get("/session_index?date=2001-02-03")["entries"]) == 1
        story = server.get(f"/sessions/{mine}")
        assert [clip["clip_id"] for clip in story["clips"]] == [near]
        assert [verdict["clip_id"] for verdict in story["verdicts"]] == ["clip_far", "clip_far"]
        assert [(take["score"], take["style"]) for take in story["takes"]] == [(71, "bossa")]
        index.write_text("{")
        assert server.get(f"/sessions/{mine}")["clips"] == story["clips"]
        assert [entry["clip_id"] for entry in server.get("/session_index")["entries"]] == [near]
        broken = server.bundle(near).parent / "session.index.json"
        broken.write_text("{")
        assert failed(server.get("/session_index"), "GENERATION_ERROR", str(broken))


def test_a_verdict_on_a_clip_without_a_session_stands_in_that_of_its_take(server: Server) -> None:
    source = FIXTURES / "bundles" / "deterministic" / "2026-02-04" / "clip_deterministic"
    bundle = server.bundles / "ota_bundle__clip_deterministic"
    shutil.copytree(source, bundle)
    played_in = document(bundle / "session.json")["session_id"]
    server.post("/feedback", {"clip_id": "clip_deterministic", "verdict": "pass"})
    [verdict] = server.get(f"/sessions/{played_in}")["verdicts"]
    assert (verdict["clip_id"], verdict["verdict"]) == ("clip_deterministic", "pass")
    assert document(bundle / "clip.feedback.json")["session_id"] == played_in


def test_the_built_in_styles_and_forms_are_told(server: Server) -> None:
    assert {style["name"] for style in server.get("/styles")["styles"]} >= {"swing", "bossa", "waltz", "flamenco"}
    assert len(server.get("/progressions")["progressions"]) >= 10


def test_without_a_worker_the_status_says_so(server: Server) -> None:
    status = server.get("/status")
    assert status["status"] == "ok"
    assert status["worker"] == {"alive": False, "pid": None, "since_utc": None}
    assert status["ai"]["enabled"] is False
    assert status["engine"] == {"name": "tests.fake_engine", "available": True}


def test_the_page_and_its_files_are_served(server: Server) -> None:
    _, headers, body = server.ask("GET", "/", headers={})
    assert headers["content-type"].startswith("text/html")
    assert b"<html" in body
    _, headers, body = server.ask("GET", "/static/main.js", headers={})
    assert headers["content-type"].startswith("text/javascript")
    assert failed(server.get("/static/../settings.py"), "NOT_FOUND")
    assert failed(server.get("/static/%2e%2e/settings.py"), "NOT_FOUND")


# Errors are answers


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chords": []}, ["chords", "List should have at least 1"]),
        ({"chords": None}, ["chords", "valid list"]),
        ({"chords": "Dm7"}, ["chords", "valid list"]),
        ({"chords": [7]}, ["chords[0]"]),
        ({"chords": ["C"] * 10_000}, ["chords", "10000"]),
        ({"chords": ["C", "unreadable"]}, ["chords[1]", "write it as"]),
        ({"tempo_bpm": 0}, ["tempo_bpm", "0"]),
        ({"tempo_bpm": 1e9}, ["tempo_bpm"]),
        ({"tempo_bpm": "fast"}, ["tempo_bpm", "fast"]),
        ({"tempo_bpm": True}, ["tempo_bpm"]),
        ({"style": "polka"}, ["style", "polka"]),
        ({"meter": "7/4"}, ["meter", "7/4"]),
        ({"bars": 0}, ["bars"]),
        ({"bars": 1.5}, ["bars"]),
        ({"seed": -1}, ["seed"]),
    ],
)
def test_a_request_that_cannot_be_used_names_its_field(
    server: Server, change: dict[str, Any], words: list[str]
) -> None:
    before = server.tree()
    assert failed(server.post("/generate", {**WANTED, **change}), "VALIDATION_ERROR", *words)
    assert server.tree() == before


@pytest.mark.parametrize("missing", ["chords", "tempo_bpm", "bars"])
def test_a_missing_field_is_named(server: Server, missing: str) -> None:
    wanted = {name: value for name, value in WANTED.items() if name != missing}
    assert failed(server.post("/generate", wanted), "VALIDATION_ERROR", missing)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"chords"',
        b'{"tempo_bpm": NaN}',
        b'{"tempo_bpm": 1e400}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe{}",
        b'{"a": "\xed\xa0\x80"}',
        b"{'chords': []}",
        b"{} {}",
        b"[" * 100_000,
        b'{"bars": ' + b"9" * 4000 + b"}",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_body_that_is_no_json_object_is_an_answer(server: Server, raw: bytes) -> None:
    assert failed(server.post("/generate", raw), "VALIDATION_ERROR", "body")


@pytest.mark.parametrize(
    "call", ["/clips/{}/notes", "/clips/{}/coaching", "/clips/{}/events", "/clips/{}/files/clip.mid"]
)
@pytest.mark.parametrize("clip_id", ["%2e%2e", "-rf", ".hidden", "a%00b", "%E2%80%AE", "x" * 129, "a%20b"])
def test_what_is_no_clip_id_touches_no_path(server: Server, call: str, clip_id: str) -> None:
    assert failed(server.get(call.format(clip_id)), "VALIDATION_ERROR", "clip_id")


@pytest.mark.parametrize("clip_id", ["a/b", "a%2Fb", "..%2F..%2Fetc%2Fpasswd"])
def test_a_slash_in_an_id_leads_nowhere(server: Server, clip_id: str) -> None:
    assert failed(server.get(f"/clips/{clip_id}/notes"), "NOT_FOUND")
    assert failed(server.post("/feedback", {"clip_id": "a/b", "verdict": "pass"}), "VALIDATION_ERROR", "clip_id")


def test_an_unknown_clip_is_not_found(server: Server) -> None:
    for answer in (
        server.get("/clips/nobody/notes"),
        server.post("/feedback", {"clip_id": "nobody", "verdict": "pass"}),
        server.post("/regenerate", {"parent_clip_id": "nobody", "difficulty_signal": 0}),
    ):
        assert failed(answer, "NOT_FOUND", "nobody")


@pytest.mark.parametrize("signal", [None, 1.5, -2, "up", True])
def test_a_signal_outside_its_range_is_refused(server: Server, signal: object) -> None:
    body = {"parent_clip_id": server.clip(), "difficulty_signal": signal}
    assert failed(server.post("/regenerate", body), "VALIDATION_ERROR", "difficulty_signal")


def test_a_parent_without_its_tags_cannot_be_followed(server: Server) -> None:
    parent = server.clip()
    (server.bundle(parent) / "clip.tags.json").write_bytes(b"{")
    answer = server.post("/regenerate", {"parent_clip_id": parent, "difficulty_signal": 0})
    assert failed(answer, "REGENERATION_ERROR", "clip.tags.json")


def test_a_parent_whose_chords_cannot_be_played_is_no_fault_of_the_request(tmp_path: Path) -> None:
    with Server(tmp_path, env={"SG_ENGINE": "sg_generator.engine"}) as server:
        clip_id = server.clip()
        tags = server.bundle(clip_id) / "clip.tags.json"
        tags.write_text(json.dumps({**json.loads(tags.read_text()), "chords": ["H7"]}))
        wanted = {"parent_clip_id": clip_id, "difficulty_signal": 0.1}
        assert failed(server.post("/regenerate", wanted), "REGENERATION_ERROR", "clip.tags.json", "'H7'")


def test_a_slash_too_many_or_too_few_is_an_answer_and_no_redirect(server: Server) -> None:
    assert failed(server.get("/status/"), "NOT_FOUND", "/status/")
    assert failed(server.get("/static"), "NOT_FOUND", "/static")
    assert failed(server.post("/generate/", WANTED), "NOT_FOUND", "/generate/")


def test_an_unknown_call_is_an_answer(server: Server) -> None:
    assert failed(server.get("/nothing"), "NOT_FOUND", "/nothing")
    assert failed(server.get("/generate"), "VALIDATION_ERROR", "method")


def test_what_an_engine_stumbles_on_is_an_answer_and_the_server_stays_up(server: Server) -> None:
    assert failed(server.post("/generate", {**WANTED, "chords": ["stumble"]}), "GENERATION_ERROR", "fake_engine")
    assert failed(server.post("/generate", {**WANTED, "chords": ["impossible"]}), "GENERATION_ERROR", "nobody")
    assert failed(server.post("/generate", {**WANTED, "chords": ["leave"]}), "GENERATION_ERROR", "SystemExit")
    assert server.get("/status")["status"] == "ok"


@pytest.mark.parametrize("module", ["no_such_engine", "tests.conftest"])
def test_an_engine_that_is_none_is_unavailable_and_the_server_stays_up(tmp_path: Path, module: str) -> None:
    with Server(tmp_path / "g", env={"SG_ENGINE": module}) as server:
        assert failed(server.post("/generate", WANTED), "ENGINE_UNAVAILABLE", module, "SG_ENGINE")
        assert server.get("/status")["engine"] == {"name": module, "available": False}
        assert not server.bundles.exists()


def test_error_bundles_are_left_only_if_asked_for(tmp_path: Path) -> None:
    with Server(tmp_path / "g", env={"SG_EMIT_ERROR_BUNDLES": "true"}) as server:
        server.post("/generate", {**WANTED, "chords": ["impossible"]})
        [error] = server.bundles.glob("*/*/clip.error.json")
        assert document(error)["error_code"] == "GENERATION_ERROR"
        assert server.get(f"/clips/{error.parent.name}/coaching")["state"] == "refused"
