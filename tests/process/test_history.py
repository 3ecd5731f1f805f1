"""The sessions' scores on a real disk: the trend after a restart, and an index that is never torn."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sg_coach.coach_policy import evaluate_session
from sg_coach.models import CoachingDeterministic
from sg_coach.progression import Standing, apply_progression_policy, next_ema
from sg_coach.session_index import append_entries, read_entries
from sg_coach.uncertainty import score_se
from sg_hybrid import day_index
from sg_hybrid.history import ScoreHistory
from sg_hybrid.models import Take
from tests.fake_edges import session

NOW = "2026-02-04T12:34:56.789Z"


def take(day: Path, name: str, p95: float = 10.0, **changes: Any) -> Take:
    day.mkdir(parents=True, exist_ok=True)
    return Take(day / name, name, f"sha256:{name}{p95}", session(timing_p95_error_ms=p95, **changes))


def place(history: ScoreHistory, which: Take) -> CoachingDeterministic:
    evaluation = evaluate_session(which.session)

    def coach(before: Standing | None) -> CoachingDeterministic:
        average, trend_se = (before.average, before.trend_se(score_se(which.session))) if before else (None, 0.0)
        return apply_progression_policy(
            evaluation, clip_id=which.clip_id, created_at_utc=NOW, ema_before=average, trend_se=trend_se
        )

    return history.place(which, coach)


async def restarted(history: ScoreHistory) -> ScoreHistory:
    assert await history.flush()
    return ScoreHistory()


async def test_the_trend_is_the_same_with_and_without_restarts(tmp_path: Path) -> None:
    p95s = [60.0, 40.0, 10.0, 40.0, 10.0]
    steady, often = ScoreHistory(), ScoreHistory()
    trends: list[list[float | None]] = [[], []]
    for number, p95 in enumerate(p95s):
        trends[0].append(place(steady, take(tmp_path / "a", f"c{number}", p95)).score_trend)
        trends[1].append(place(often, take(tmp_path / "b", f"c{number}", p95)).score_trend)
        often = await restarted(often)
    assert trends[0] == trends[1]
    assert trends[0][0] is None
    assert trends[0][1] == 15.0


async def test_the_uncertainty_of_earlier_takes_is_known_after_a_restart(tmp_path: Path) -> None:
    """36 ms and then 34 ms, each give or take 4 ms: 15 points apart, and the same playing."""
    steady, often = ScoreHistory(), ScoreHistory()
    trends: list[list[float | None]] = [[], []]
    for number, p95 in enumerate([36.0, 34.0, 36.0, 34.0, 10.0, 70.0]):
        facts = {"timing_p95_se_ms": 4.0}
        trends[0].append(place(steady, take(tmp_path / "a", f"c{number}", p95, **facts)).score_trend)
        trends[1].append(place(often, take(tmp_path / "b", f"c{number}", p95, **facts)).score_trend)
        often = await restarted(often)
    assert trends[0] == trends[1]
    assert trends[0][:4] == [None, 0.0, 0.0, 0.0]
    assert trends[0][5] is not None
    assert trends[0][5] < -20
    assert read_entries(tmp_path / "b")[0]["score_ema_se"] > 5


async def test_a_take_that_could_not_be_measured_moves_no_average(tmp_path: Path) -> None:
    """Its score says nothing: neither praise nor blame, now or later, also after a restart."""
    history = ScoreHistory()
    unmeasured = {"timing_measurable": False}
    assert place(history, take(tmp_path, "a", 10.0, **unmeasured)).score_trend is None
    history = await restarted(history)
    again = place(history, take(tmp_path, "a", 10.0, **unmeasured))
    assert (again.score_trend, again.decision.tempo_delta_bpm) == (None, 0)
    assert place(history, take(tmp_path, "b", 10.0)).score_trend is None
    history = await restarted(history)
    low = place(history, take(tmp_path, "c", 10.0, **unmeasured))
    assert (low.score, low.score_trend, low.decision.tempo_delta_bpm) == (69, 0.0, 0)
    assert place(history, take(tmp_path, "d", 10.0)).score_trend == 0.0
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b", "c", "d"]


async def test_a_take_is_counted_once_also_after_a_restart(tmp_path: Path) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path, "a", 60.0))
    first = place(history, take(tmp_path, "b", 10.0))
    assert place(history, take(tmp_path, "b", 10.0)) == first
    history = await restarted(history)
    assert place(history, take(tmp_path, "b", 10.0)) == first
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b"]


async def test_a_new_take_on_the_same_clip_counts_the_earlier_one(tmp_path: Path) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path, "a", 60.0))
    assert place(history, take(tmp_path, "a", 10.0)).score_trend == 30.0


async def test_sessions_and_programs_do_not_mix(tmp_path: Path) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path, "a", 60.0))
    other = {"session_id": "00000000-0000-0000-0000-00000000f001"}
    assert place(history, take(tmp_path, "b", 10.0, **other)).score_trend is None
    assert place(history, take(tmp_path, "c", 10.0, program={"kind": "live", "name": "x"})).score_trend is None


async def test_a_session_may_pass_midnight(tmp_path: Path) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path / "2026-02-04", "a", 60.0))
    history = await restarted(history)
    assert place(history, take(tmp_path / "2026-02-05", "b", 10.0)).score_trend == 30.0
    assert place(history, take(tmp_path / "2026-02-04", "late", 10.0)).score_trend is not None


@pytest.mark.parametrize("seen", [(), ("2026-02-04",), ("2026-02-04", "2026-02-05"), ("2026-02-05", "2026-02-04")])
async def test_after_a_restart_it_goes_on_from_its_last_take(tmp_path: Path, seen: tuple[str, ...]) -> None:
    """Whatever days the start looked at, in whatever order."""
    history = ScoreHistory()
    place(history, take(tmp_path / "2026-02-04", "a", 60.0))
    place(history, take(tmp_path / "2026-02-05", "b", 10.0))
    history = await restarted(history)
    for day in seen:
        assert not history.has(tmp_path / day, "another", "sha256:another")
    assert place(history, take(tmp_path / "2026-02-05", "c", 10.0)).score_trend == 21.0


async def test_what_is_not_written_yet_counts_after_midnight(tmp_path: Path) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path / "2026-02-04", "a", 60.0))
    assert await history.flush()
    place(history, take(tmp_path / "2026-02-04", "b", 10.0))
    assert place(history, take(tmp_path / "2026-02-05", "c", 10.0)).score_trend == 21.0


@pytest.mark.parametrize("count", [4, 40])
async def test_a_start_lists_a_root_once_and_reads_each_index_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    days = [tmp_path / f"20{number:02}-02-04" for number in range(count)]
    for day in days:
        day.mkdir()
        append_entries(day, [{"clip_id": "a"}])
    read, listed, seen = (counted(monkeypatch, os, name) for name in ("open", "listdir", "stat"))
    scanned = counted(monkeypatch, os, "scandir")
    looked, parsed = counted(monkeypatch, os, "lstat"), counted(monkeypatch, day_index, "read_entries")
    history = ScoreHistory()
    for day in days:
        assert not history.has(day, "b", "sha256:b")
    assert (listed, scanned) == ([tmp_path], [])
    assert parsed == days
    assert len(read) == 2 * count  # the folder and the file
    assert len(seen) + len(looked) <= 6 * count


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[object]:
    """What a function is asked for, call by call."""
    asked: list[object] = []
    real = getattr(owner, name)

    def function(path: object, *more: object, **options: object) -> object:
        asked.append(path)
        return real(path, *more, **options)

    monkeypatch.setattr(owner, name, function)
    return asked


async def test_a_day_that_comes_later_is_seen(tmp_path: Path) -> None:
    history = ScoreHistory()
    for number in (1, 3):
        day = tmp_path / f"2026-02-{number:02}"
        place(history, take(day, "a", 60.0, session_id=session_of(day)))
    other = ScoreHistory()
    place(other, take(tmp_path / "2026-02-05", "b", 60.0))
    assert await other.flush()
    assert place(history, take(tmp_path / "2026-02-06", "c", 10.0)).score_trend == 30.0


@pytest.mark.parametrize("stands_there", ["a file", "a link"])
async def test_what_is_no_day_folder_is_not_the_day_before(tmp_path: Path, stands_there: str) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path / "2026-02-03", "a", 60.0))
    history = await restarted(history)
    if stands_there == "a file":
        (tmp_path / "2026-02-04").write_text("not ours")
    else:
        (tmp_path / "2026-02-04").symlink_to(tmp_path)
    (tmp_path / "2026-02-0x").mkdir()
    assert place(history, take(tmp_path / "2026-02-05", "b", 10.0)).score_trend == 30.0


async def test_the_day_before_is_read_again_when_somebody_wrote_into_it(tmp_path: Path) -> None:
    yesterday, today = tmp_path / "2026-02-04", tmp_path / "2026-02-05"
    history, other = ScoreHistory(), ScoreHistory()
    yesterday.mkdir()
    assert not history.has(yesterday, "a", "sha256:a")
    place(other, take(yesterday, "a", 60.0))
    assert await other.flush()
    assert place(history, take(today, "b", 10.0)).score_trend == 30.0


async def test_verdicts_of_the_generator_are_passed_over(tmp_path: Path) -> None:
    append_entries(tmp_path, [{"clip_id": "a", "timestamp": NOW, "verdict": "pass"}])
    history = ScoreHistory()
    assert place(history, take(tmp_path, "b")).score_trend is None
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b"]


async def test_a_broken_index_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "session.index.json").write_text('{"entries": [')
    history = ScoreHistory()
    place(history, take(tmp_path, "a"))
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a"]
    assert (tmp_path / "session.index.json.broken-1").read_text() == '{"entries": ['


@pytest.mark.parametrize("played_again", ["a", "c"], ids=["the same take", "another take"])
async def test_a_day_folder_that_is_removed_and_played_in_again_begins_anew(tmp_path: Path, played_again: str) -> None:
    day = tmp_path / "2026-02-04"
    history = ScoreHistory()
    place(history, take(day, "a", 60.0))
    place(history, take(day, "b", 10.0))
    assert await history.flush()
    shutil.rmtree(day)
    (tmp_path / "takes the old folder's number").mkdir()

    again = take(day, played_again, 60.0)
    assert not history.has(day, again.clip_id, again.take_id)
    assert place(history, again).score_trend is None
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(day)] == [played_again]


async def test_a_new_day_folder_may_have_the_number_of_the_old_one(tmp_path: Path) -> None:
    """As after `rmtree` and `mkdir` on most file systems."""
    day = tmp_path / "2026-02-04"
    history = ScoreHistory()
    place(history, take(day, "a"))
    assert await history.flush()
    (day / "session.index.json").unlink()

    place(history, take(day, "a"))
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(day)] == ["a"]


async def test_a_day_folder_that_is_removed_before_its_entries_are_written_begins_anew(tmp_path: Path) -> None:
    day = tmp_path / "2026-02-04"
    history = ScoreHistory()
    place(history, take(day, "a", 60.0))
    shutil.rmtree(day)
    assert await history.flush()
    assert place(history, take(day, "a", 60.0)).score_trend is None
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(day)] == ["a"]


async def test_a_day_folder_that_is_swapped_while_its_entries_wait_gets_them_once(tmp_path: Path) -> None:
    day = tmp_path / "2026-02-04"
    history = ScoreHistory()
    place(history, take(day, "a"))
    day.rename(tmp_path / "away")
    place(history, take(day, "a"))
    place(history, take(day, "b"))
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(day)] == ["a", "b"]


async def test_only_the_last_days_are_remembered_and_the_others_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_hybrid.history.MAX_DAYS", 3)
    days = [tmp_path / f"2026-02-{number:02}" for number in range(1, 9)]
    history = ScoreHistory()
    for day in days:
        place(history, take(day, "a", 60.0, session_id=session_of(day)))
    assert len(history._days) == 8, "what waits to be written is not forgotten"
    assert await history.flush()

    assert [history.has(day, "a", take(day, "a", 60.0).take_id) for day in days] == [True] * 8
    assert (len(history._days), len(history._standings)) == (3, 4)  # and of the day before those three
    assert place(history, take(days[0], "b", 10.0, session_id=session_of(days[0]))).score_trend == 30.0
    assert place(history, take(days[0], "a", 60.0, session_id=session_of(days[0]))).score_trend is None
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(days[0])] == ["a", "b"]


def session_of(day: Path) -> str:
    return f"00000000-0000-0000-0000-0000000000{day.name[-2:]}"


def a_link(index: Path, elsewhere: Path) -> None:
    index.replace(elsewhere)
    index.symlink_to(elsewhere)


def a_second_name(index: Path, elsewhere: Path) -> None:
    elsewhere.hardlink_to(index)


def a_folder(index: Path, elsewhere: Path) -> None:
    index.replace(elsewhere)
    index.mkdir()
    (index / "kept").write_text("kept")


def a_pipe(index: Path, elsewhere: Path) -> None:
    index.replace(elsewhere)
    os.mkfifo(index)


NO_PLAIN_FILE = pytest.mark.parametrize("turn_into", [a_link, a_second_name, a_folder, a_pipe])


@NO_PLAIN_FILE
async def test_an_index_that_is_no_plain_file_is_kept_aside(tmp_path: Path, turn_into: Callable[..., None]) -> None:
    day, elsewhere = tmp_path / "2026-02-04", tmp_path / "elsewhere"
    day.mkdir()
    append_entries(day, [{"clip_id": "earlier"}])
    turn_into(day / "session.index.json", elsewhere)
    before, status = elsewhere.read_bytes(), (day / "session.index.json").lstat()
    history = ScoreHistory()

    with capture_logs() as logs:
        assert place(history, take(day, "a", 60.0)).score_trend is None
        assert place(history, take(day, "b", 10.0)).score_trend == 30.0
        assert await history.flush()

    assert [line["event"] for line in logs] == ["session_index_unreadable", "session_index_set_aside"]
    assert [entry["clip_id"] for entry in read_entries(day)] == ["a", "b"]
    assert elsewhere.read_bytes() == before
    assert os.path.samestat((day / "session.index.json.broken-1").lstat(), status)
    assert sorted(path.name for path in day.iterdir()) == ["session.index.json", "session.index.json.broken-1"]


@NO_PLAIN_FILE
async def test_the_next_day_does_without_it_too(tmp_path: Path, turn_into: Callable[..., None]) -> None:
    yesterday, today = tmp_path / "2026-02-04", tmp_path / "2026-02-05"
    yesterday.mkdir()
    append_entries(yesterday, [{"clip_id": "earlier"}])
    turn_into(yesterday / "session.index.json", tmp_path / "elsewhere")
    history = ScoreHistory()
    place(history, take(today, "a", 60.0))
    history = await restarted(history)
    assert place(history, take(today, "b", 10.0)).score_trend == 30.0


async def test_an_index_that_is_put_right_before_it_is_written_gets_no_entry_twice(tmp_path: Path) -> None:
    day = tmp_path / "2026-02-04"
    history = ScoreHistory()
    place(history, take(day, "a", 60.0))
    history = await restarted(history)
    (tmp_path / "backup").hardlink_to(day / "session.index.json")
    place(history, take(day, "a", 60.0))
    place(history, take(day, "b", 10.0))
    (tmp_path / "backup").unlink()
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(day)] == ["a", "b"]


async def test_entries_wait_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = ScoreHistory()
    place(history, take(tmp_path, "a"))
    place(history, take(tmp_path, "b"))
    with monkeypatch.context() as patch:
        patch.setattr("sg_hybrid.history.append_entries", _refuse)
        assert not await history.flush()
    assert await history.flush()
    assert [entry["clip_id"] for entry in read_entries(tmp_path)] == ["a", "b"]


def _refuse(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("style", ["ours", "compact", "with other keys"])
def test_an_append_keeps_what_is_there_whoever_wrote_it(tmp_path: Path, style: str) -> None:
    first = {"clip_id": "é", "note": {"nested": [1, 2]}}
    document: dict[str, object] = {"entries": [first]}
    if style == "ours":
        append_entries(tmp_path, [first])
    else:
        document |= {"made_by": "x"} if style == "with other keys" else {}
        (tmp_path / "session.index.json").write_text(json.dumps(document))
    append_entries(tmp_path, [{"clip_id": "b"}, {"clip_id": "c"}])
    append_entries(tmp_path, [{"clip_id": "d"}])
    written = json.loads((tmp_path / "session.index.json").read_bytes())
    assert written == document | {"entries": [first, {"clip_id": "b"}, {"clip_id": "c"}, {"clip_id": "d"}]}


def _append_many(folder: Path, writer: int, count: int) -> None:
    for number in range(count):
        append_entries(folder, [{"clip_id": f"{writer}-{number}"}])


def test_appends_of_several_processes_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, writer, 50)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = [entry["clip_id"] for entry in read_entries(tmp_path)]
    assert len(found) == 200
    assert len(set(found)) == 200


def test_the_average_follows_the_rule() -> None:
    assert next_ema(None, 70) == 70
    assert next_ema(70, 100) == 79
