"""`sgc analyze` and `sgc latency` on the made-up take of the fixtures."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from scripts.fixtures import takes
from sg_coach import InvalidInput, session_from
from sg_coach.cli import main
from sg_coach.latency_book import KEPT, LatencyBook, Removed, book_path, note_latencies, read_book
from tests.conftest import FIXTURES
from tests.contracts.test_schemas import schema_accepts

from .test_midi_file import NOTE, TEMPO, smf

CLIP = FIXTURES / "takes" / "clip_bossa"
TAKE = CLIP / "take.mid"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> str:
    assert main([*map(str, arguments)]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ERROR: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_the_fixture_made_anew_is_the_same_bytes() -> None:
    here = {str(path.relative_to(CLIP.parent)): path.read_bytes() for path in CLIP.iterdir()}
    assert takes.take_files() == here


def test_a_take_against_its_clip(capsys: pytest.CaptureFixture[str]) -> None:
    document = said(capsys, "analyze", TAKE, "--clip", CLIP)
    session, report = document["session"], document["report"]
    assert schema_accepts("session_record_v1", session)
    assert report["reference"] == "clip"
    assert report["matched"] + report["missed"] == 16 * 5 * 4
    assert report["measurable"] is True
    assert session["latency_removed_ms"] == pytest.approx(takes.LATENCY_MS, abs=4)
    first, _, third, fourth = session["error_by_beat_ms"]
    assert fourth - (first + third) / 2 == pytest.approx(takes.LATE_ON_FOUR_MS, abs=4)
    assert (session["session_id"], session["program"]["name"]) == ("00000000-0000-0000-0000-00000000f006", "bossa_Dm")


def test_the_bundle_is_the_clips_own_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "analyze", TAKE, "--bundle", CLIP) == said(capsys, "analyze", TAKE, "--clip", CLIP)


def test_for_people_the_record_and_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(TAKE), "--clip", str(CLIP)]) == 0
    record, report = capsys.readouterr().out.split("\n\n")
    session_from(json.loads(record))
    assert "latency removed   +2" in report
    assert "measured against  the clip's notes" in report
    assert "missed, 0 extra" in report
    assert "remark            clave not measured" in report


def test_without_a_clip_against_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    document = said(capsys, "analyze", TAKE)
    assert document["report"]["reference"] == "grid"
    assert document["session"]["grid"] == 8
    assert document["session"]["program"]["name"] == "take"
    assert said(capsys, "analyze", TAKE, "--grid", 16)["session"]["grid"] == 16
    swung = said(capsys, "analyze", TAKE, "--style", "swing")
    assert swung["report"]["off_beat"] == pytest.approx(1.37 / 2.37)
    assert swung["session"]["timing_p95_error_ms"] > document["session"]["timing_p95_error_ms"]


def test_what_the_player_knows_is_believed(capsys: pytest.CaptureFixture[str]) -> None:
    known = said(
        capsys, "analyze", TAKE, "--clip", CLIP, "--latency", "22", "--device", "sg-7", "--part", "montuno-2-3"
    )
    assert known["session"]["latency_removed_ms"] == 22
    assert known["session"]["device_id"] == "sg-7"
    assert known["session"]["clave_hit_ratio"] > 0.9


def test_bars_of_a_count_in_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, after = said(capsys, "analyze", TAKE), said(capsys, "analyze", TAKE, "--count-in", 4)
    assert after["session"]["bars"] == whole["session"]["bars"] - 4
    assert any("before bar 1" in remark for remark in after["report"]["remarks"])
    assert "within the count-in of 90 bars" in refused(capsys, 1, "analyze", TAKE, "--count-in", 90)
    (tmp_path / "short.mid").write_bytes(smf(TEMPO + NOTE))
    assert "within the count-in of 1 bar\n" in refused(capsys, 1, "analyze", tmp_path / "short.mid", "--count-in", 1)


def test_after_a_count_in_the_tempo_map_goes_on_where_it_stood(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counted, played = b"\x00\xff\x51\x03\x07\xa1\x20", b"\x8f\x00\xff\x51\x03\x0a\x2c\x2b"  # 120 bpm, then 90
    strokes = b"\x00\x90\x3c\x40" + b"\x81\x70\x3c\x40" * 32
    take = tmp_path / "take.mid"
    take.write_bytes(smf(counted + played + strokes))
    session = said(capsys, "analyze", take, "--count-in", 1)["session"]
    assert session["bpm"] == pytest.approx(90, abs=0.01)
    assert session["timing_p95_error_ms"] < 0.1


def test_the_record_and_the_plots_are_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, svg, png = tmp_path / "session.json", tmp_path / "plot.svg", tmp_path / "plot.png"
    document = said(capsys, "analyze", TAKE, "--clip", CLIP, "--out", out, "--plot", svg)
    said(capsys, "analyze", TAKE, "--clip", CLIP, "--plot", png)
    assert json.loads(out.read_bytes()) == document["session"]
    assert b"<svg" in svg.read_bytes()
    assert b"latency of +" in svg.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    before = svg.read_bytes()
    said(capsys, "analyze", TAKE, "--clip", CLIP, "--plot", svg)
    assert svg.read_bytes() == before
    assert main(["evaluate", str(out)]) == 0


def test_over_a_clip_too_a_missing_tempo_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A device that counts ticks at its own tempo, and does not write it, seems to play another piece."""
    clip = (CLIP / "clip.comp.mid").read_bytes()
    tempo = clip.index(b"\xff\x51\x03")
    take, slower = tmp_path / "take.mid", tmp_path / "clip.comp.mid"
    take.write_bytes(clip[:tempo] + b"\xff\x7f\x03" + clip[tempo + 3 :])  # the tempo as an event that says nothing
    remarks = said(capsys, "analyze", take, "--clip", CLIP)["report"]["remarks"]
    assert "the file names no tempo: 120 bpm, as the format has it" in remarks
    slower.write_bytes(clip[: tempo + 3] + b"\x0a\x2c\x2b" + clip[tempo + 6 :])
    line = refused(capsys, 1, "analyze", take, "--clip", tmp_path)
    assert "another piece" in line
    assert "the file names no tempo: 120 bpm" in line


def test_of_a_few_exact_notes_nobody_says_that_random_ones_are_as_good(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    take, out, plot = tmp_path / "take.mid", tmp_path / "session.json", tmp_path / "plot.svg"
    take.write_bytes(smf(TEMPO + NOTE + b"\x83\x60\x3c\x40" * 4))
    said(capsys, "analyze", take, "--out", out, "--plot", plot)
    assert b"not measurable: fewer than 12 events" in plot.read_bytes()
    [finding] = said(capsys, "evaluate", out)["findings"]
    assert "too few notes" in finding["message"]


@pytest.mark.parametrize(
    ("code", "arguments", "words"),
    [
        (2, ("nowhere.mid",), "nowhere.mid: No such file"),
        (2, (TAKE, "--clip", FIXTURES / "golden"), "clip.comp.mid"),
        (2, (TAKE, "--clip", CLIP, "--bundle", CLIP), "contradict"),
        (2, (TAKE, "--part", "cascara"), "there are: clave-son-3-2"),
        (2, (TAKE, "--grid", "12"), "invalid choice"),
        (2, (TAKE, "--latency", "200"), "from -80 to 80"),
        (2, (TAKE, "--latency", "nan"), "from -80 to 80"),
        (2, (TAKE, "--count-in", "-1"), "number of bars"),
        (2, (TAKE, "--device", ""), "printable"),
        (1, (CLIP / "clip.tags.json",), "no Standard MIDI File"),
        (1, (TAKE, "--plot", "plot.gif"), "a plot is .svg or .png"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], code: int, arguments: tuple[object, ...], words: str
) -> None:
    assert words in refused(capsys, code, "analyze", *arguments)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (smf(TEMPO), "take.mid: no notes"),
        (smf(TEMPO + NOTE)[:-3], "truncated"),
        (smf(NOTE, kind=2), "type 2"),
        (smf(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE), "tempo of 0 bpm"),
        (smf(TEMPO, b"\x00\xff\x51\x03\x06\xa1\x20" + NOTE), "two tracks hold tempo maps that differ"),
        (smf(TEMPO + NOTE + b"\x00\x3c\x40" * 10_000_000), "the limit is 1048576 bytes"),
    ],
    ids=["no notes", "truncated", "type 2", "zero tempo", "two tempo maps", "10 million events"],
)
def test_a_take_that_cannot_be_measured_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes, words: str
) -> None:
    (tmp_path / "take.mid").write_bytes(data)
    tracemalloc.start()
    error = refused(capsys, 1, "analyze", tmp_path / "take.mid")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in error
    assert most < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"meter": "7/8"}, "meter: 7/8 is not measured"),
        ({"tempo_bpm": 5}, "bpm: 5 bpm is no tempo"),
        ({"program": {"kind": "tape", "name": "x"}}, "program.kind: Input should be"),
    ],
)
def test_a_fault_of_the_tags_is_not_the_takes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tags: dict[str, Any], words: str
) -> None:
    (tmp_path / "take.mid").write_bytes(smf(NOTE))
    (tmp_path / "clip.tags.json").write_text(json.dumps(tags))
    error = refused(capsys, 1, "analyze", tmp_path / "take.mid", "--bundle", tmp_path)
    assert error.startswith(f"ERROR: {tmp_path}/clip.tags.json: {words}")


def test_a_record_never_overwrites_its_take(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    take = Path(shutil.copy(TAKE, tmp_path / "take.mid"))
    assert "--out is the take" in refused(capsys, 2, "analyze", take, "--out", tmp_path / "." / "take.mid")
    assert take.read_bytes() == TAKE.read_bytes()


def test_a_record_and_a_plot_never_overwrite_each_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = tmp_path / "take.svg"
    words = refused(capsys, 2, "analyze", TAKE, "--plot", one, "--out", tmp_path / "." / "take.svg")
    assert "--out and --plot name one file" in words
    assert not one.exists()


def test_a_name_that_is_no_text_is_written_as_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file from a disk with other names than UTF-8, as Python sees it."""
    take = Path(shutil.copy(TAKE, tmp_path / "\udcdcbung.mid"))
    assert said(capsys, "analyze", take)["session"]["program"]["name"] == r"\xdcbung"
    assert said(capsys, "analyze", TAKE, "--style", "\udcff")["session"]["program"]["name"] == r"\xff"


def test_one_note_is_a_take_that_says_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "take.mid").write_bytes(smf(TEMPO + NOTE))
    document = said(capsys, "analyze", tmp_path / "take.mid")
    assert (document["session"]["total_events"], document["report"]["measurable"]) == (1, False)


def test_a_clip_that_is_another_piece(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = Path(shutil.copytree(CLIP, tmp_path / "other"))
    moved = bytearray((CLIP / "clip.comp.mid").read_bytes())
    for place in range(len(moved) - 2):
        if moved[place] in (0x90, 0x80) and moved[place + 2] in (80, 0):
            moved[place + 1] += 5
    (other / "clip.comp.mid").write_bytes(moved)
    assert "another piece" in refused(capsys, 1, "analyze", TAKE, "--clip", other)
    document = said(capsys, "analyze", TAKE, "--bundle", other)
    assert document["report"]["reference"] == "grid"
    assert any("another piece" in remark for remark in document["report"]["remarks"])


def test_that_several_tracks_count_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "take.mid").write_bytes(smf(TEMPO, NOTE, NOTE))
    remark = "2 tracks hold notes; all of them count as played"
    assert remark in said(capsys, "analyze", tmp_path / "take.mid")["report"]["remarks"]
    assert remark not in said(capsys, "analyze", TAKE)["report"]["remarks"]


def test_latencies_are_remembered_by_device(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, "latency") == {"devices": []}
    for device in ("sg-1", "sg-1", "sg-2"):
        said(capsys, "analyze", TAKE, "--device", device)
    said(capsys, "analyze", TAKE, "--device", "sg-3", "--no-book")
    first, second = said(capsys, "latency")["devices"]
    assert (first["device_id"], len(first["takes"])) == ("sg-1", 2)
    assert first["usual_ms"] == pytest.approx(takes.LATENCY_MS, abs=4)
    assert said(capsys, "latency", "--device", "sg-2")["devices"] == [second]
    assert "no take of this device" in refused(capsys, 1, "latency", "--device", "sg-3")
    assert main(["latency"]) == 0
    assert capsys.readouterr().out.startswith("sg-1: +")
    assert (tmp_path / "data" / "sgc" / "latency.json").stat().st_mode & 0o777 == 0o600
    said(capsys, "analyze", TAKE, "--device", "sg-9", "--book", tmp_path / "own.json")
    assert [row["device_id"] for row in said(capsys, "latency", "--book", tmp_path / "own.json")["devices"]] == ["sg-9"]


def test_only_a_latency_that_was_found_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "analyze", TAKE, "--device", "sg-1", "--latency", 20)
    said(capsys, "analyze", TAKE, "--device", "sg-1", "--count-in", 15)
    assert said(capsys, "latency") == {"devices": []}


def test_a_broken_book_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text('{"devices": {"sg-1": [{"latency_ms": 900, "at_utc": "2026-02-04T12:34:56.789Z"}]}}')
    error = refused(capsys, 1, "latency", "--book", book)
    assert str(book) in error
    assert "devices.sg-1.0.latency_ms" in error
    book.write_text("nonsense")
    assert str(book) in refused(capsys, 1, "latency", "--book", book)


def removed(ms: float) -> Removed:
    return Removed(latency_ms=ms, at_utc="2026-02-04T12:34:56.789Z")


def test_the_last_takes_of_a_device_count(tmp_path: Path) -> None:
    for ms in range(20):
        note_latencies(tmp_path / "book.json", [("sg-1", removed(ms))])
    book = read_book(tmp_path / "book.json")
    assert [one.latency_ms for one in book.devices["sg-1"]] == list(range(20 - KEPT, 20))
    assert book.usual_ms("sg-1") == pytest.approx(15.5)
    assert book.usual_ms("sg-2") is None


def test_of_too_many_devices_the_oldest_goes() -> None:
    book = LatencyBook()
    for number in range(101):
        book = book.with_take(f"sg-{number}", removed(1))
    assert len(book.devices) == 100
    assert "sg-0" not in book.devices


def test_where_the_book_lies() -> None:
    assert book_path({"XDG_DATA_HOME": "/data"}) == Path("/data/sgc/latency.json")
    assert book_path({"HOME": "/home/a", "XDG_DATA_HOME": "relative"}) == Path("/home/a/.local/share/sgc/latency.json")
    with pytest.raises(InvalidInput, match="--book"):
        book_path({})
