"""A short soak in the suite, and that its checks can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sg_coach.jsontext import to_json_bytes

from .accounts import WORDS
from .flatness import FEWEST, flat, not_at_rest
from .lives import Life, Sample
from .marks import mark_of, marks_in
from .plan import plan
from .raw import problems_of_bundle, problems_of_queue
from .soak import Options, soak
from .troubles import is_calm, timetable

BUNDLES = Path(__file__).parents[2] / "fixtures" / "bundles"


@pytest.mark.timeout(300)
def test_a_short_soak_finds_nothing() -> None:
    report = soak(Options(minutes=0.2, takes=140, sessions=7, seed=7))
    assert list(report.violations) == []
    assert len(report.soak.notes.played) == 140
    assert {"kill", "term"} <= {life.how for life in report.soak.lives}
    assert sum(report.accounts.ended.values()) > 0
    assert report.accounts.ended.keys() <= WORDS.keys()
    assert report.looks > 100
    assert "**0 violations**" in report.markdown()
    assert b"</svg>" in report.plot()


def test_a_plan_and_its_troubles_are_the_same_for_the_same_seed() -> None:
    assert plan(200, 10, 3) == plan(200, 10, 3) != plan(200, 10, 4)
    takes = [take for session in plan(20_000, 500, 1) for take in session]
    assert len({take.number for take in takes}) == 20_000
    assert {take.folder.partition("/")[0] for take in takes} == {"days", "ota"}
    assert 0.01 < sum(take.retake for take in takes) / len(takes) < 0.05
    events = timetable(1200, 1)
    assert events == timetable(1200, 1)
    ends = [event.at for event in events if event.what in ("kill", "term", "term_twice")]
    assert len(ends) > 60
    assert not any(is_calm(at, 1200) for at in ends)
    assert sum(event.what == "disk_full" for event in events) == 2


def test_marks_are_all_different_and_found_again() -> None:
    marks = {mark_of(number) for number in range(50_000)}
    assert len(marks) == 50_000
    assert marks_in(f'{{"coaching_tip": "Think of {mark_of(4711)}."}}'.encode()) == [mark_of(4711)]


def test_a_reader_notices_what_is_wrong_at_an_instant(tmp_path: Path) -> None:
    data = b'{"half a document"'
    (tmp_path / "clip.coach.json").write_bytes(data)
    entry = {"artifact_id": "x", "kind": "ai_coach", "path": "gone.json", "sha256": "sha256:0", "bytes": 1}
    wrong = entry | {"path": "clip.coach.json"}
    manifest = {"artifacts": [entry, wrong], "coaching_source": "deterministic"}
    (tmp_path / "manifest.json").write_bytes(to_json_bytes(manifest))
    found = " ".join(problems_of_bundle(tmp_path))
    assert "clip.coach.json: " in found
    assert "gone.json is listed and not there" in found
    assert "clip.coach.json is not what its entry says" in found
    assert "coaching_source deterministic with AI files True" in found
    (tmp_path / "pending").mkdir()
    (tmp_path / "pending" / "a_ai_addendum.json").write_text(json.dumps({"clip_id": "a"}))
    assert len(list(problems_of_queue(tmp_path))) == 1


def life_with(samples: list[Sample]) -> Life:
    return Life(0, Path("log"), None, 0.0, calm=True, samples=samples)  # type: ignore[arg-type]


def test_growth_is_noticed_and_too_few_samples_say_nothing() -> None:
    steady = [Sample(float(at), 100.0, 20, 10) for at in range(FEWEST)]
    leaking = [Sample(float(at), 100.0 + at, 20 + 4 * at, 10 + 3 * at) for at in range(FEWEST)]
    assert flat(life_with(steady[:-2]), -1.0) is None
    assert flat(life_with(steady), None) is None
    found = flat(life_with(steady), -1.0)
    assert found is not None
    assert found.problems == []
    grown = flat(life_with(leaking), -1.0)
    assert grown is not None
    assert len(grown.problems) == 3
    assert not_at_rest(life_with(steady)) == []
    assert len(not_at_rest(life_with(leaking))) == 2
