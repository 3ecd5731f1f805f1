"""The injector finds what is wrong: writers with known mistakes, and a worker that was sabotaged."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sg_coach import session_index
from sg_coach.files import Folder
from sg_hybrid import bundle
from sg_hybrid.models import AiAddendum, Coached, Origin

from . import tree
from .cuts import power_cuts, recorded
from .injector import engine
from .injector.engine import Fault, Point
from .injector.power import cuts
from .injector.recorder import Log, Recorder, missed
from .injector.seccomp import why_not
from .runner import points_of
from .scenarios import SCENARIOS
from .stage import Stage
from .trial import Judge, Survey, Wrong, survey, tried

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected here"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

WHOLE = b"whole" * 10


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.mkdir()
    return path


# The supervisor


def test_a_look_that_raises_ends_the_run(box: Path) -> None:
    children: list[str] = []

    def work() -> None:
        plainly(box)
        threading.Event().wait()

    def look(_point: Point) -> None:
        children.append(Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text().split()[-1])
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        engine.run(work, str(box), look=look)
    assert not Path("/proc", children[0]).exists()


def test_a_tree_is_looked_at_until_two_looks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = {"x": tree.Node(b"", 0o600)}, {"y": tree.Node(b"whole", 0o600)}
    looks: list[tree.Tree | None] = [first, None, second, second]

    def look(_root: Path) -> tree.Tree:
        found = looks.pop(0)
        if found is None:
            raise FileNotFoundError
        return found

    monkeypatch.setattr(tree, "take", look)
    assert tree.settled(Path()) == second
    assert looks == []


# Writers


def plainly(box: Path) -> None:
    fd = os.open(box / "x", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, WHOLE[:7])
    os.write(fd, WHOLE[7:])
    os.close(fd)


def by_rename(box: Path) -> None:
    fd = os.open(box / "x.tmp", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, WHOLE)
    os.close(fd)
    os.rename(box / "x.tmp", box / "x")


def without_the_folder(box: Path) -> None:
    fd = os.open(box / "x.tmp", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, WHOLE)
    os.fsync(fd)
    os.close(fd)
    os.rename(box / "x.tmp", box / "x")


def durably(box: Path) -> None:
    with Folder.open(box) as folder:
        folder.write("x", WHOLE)


def points(box: Path, writer: Callable[[Path], None]) -> list[Point]:
    return [call.point for call in engine.run(lambda: writer(box), str(box)).calls]


def is_torn(box: Path) -> bool:
    return (box / "x").exists() and (box / "x").read_bytes() != WHOLE


@pytest.mark.parametrize(("writer", "tears"), [(plainly, True), (by_rename, False), (durably, False)])
def test_a_kill_at_each_call(writer: Callable[[Path], None], tears: bool, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    torn = []
    for number, point in enumerate(points(clean, writer)):
        box = tmp_path / str(number)
        box.mkdir()
        run = engine.run(lambda box=box: writer(box), str(box), fault=Fault("KILL", point))  # type: ignore[misc]
        assert (run.exit, run.struck) == (-9, len(run.calls) - 1)
        torn.append(is_torn(box))
    assert any(torn) is tears


@pytest.mark.parametrize(
    ("writer", "loses"), [(plainly, True), (by_rename, True), (without_the_folder, True), (durably, False)]
)
@pytest.mark.parametrize("model", ["posix", "ext4"])
def test_a_power_cut_after_a_writer_ended(
    writer: Callable[[Path], None], loses: bool, model: str, box: Path, tmp_path: Path
) -> None:
    log = recording_of(writer, box, tmp_path / "log")
    states = list(cuts(log, model))
    last = [state.tree for state in states if state.said]
    assert last
    found = [state.get("x") for state in last]
    assert any(node is None or node.data != WHOLE for node in found) is loses


def recording_of(writer: Callable[[Path], None], box: Path, result: Path) -> Log:
    journal = box.parent / "journal"

    def record() -> None:
        recorder = Recorder(box, journal, tree.taken(box))
        recorder.install()
        writer(box)
        fd = os.open(journal, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"done\n")
        result.write_bytes(pickle.dumps(recorder.log))

    run = engine.run(record, str(box))
    log: Log = pickle.loads(result.read_bytes())
    assert missed(log, [call.point.call for call in run.calls]) == {}
    return log


def test_the_recorder_is_caught_if_it_misses_a_call(box: Path, tmp_path: Path) -> None:
    log = recording_of(durably, box, tmp_path / "log")
    assert missed(log, ["fsync", "fsync", "fsync", "renameat", "write"]) == {"fsync": 1}


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO", "EACCES", "EMFILE"])
def test_an_error_reaches_the_call_and_nothing_else(kind: str, box: Path) -> None:
    point = next(point for point in points(box, by_rename) if point.call == "openat")
    (box / "x").unlink()
    run = engine.run(lambda: by_rename(box), str(box), fault=Fault(kind, point))
    assert (run.exit, [call.failed for call in run.calls]) == (1, [True])
    assert not (box / "x").exists()


def test_a_lasting_error_meets_every_later_call(box: Path) -> None:
    def stubborn(box: Path) -> None:
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                by_rename(box)

    point = points(box, by_rename)[0]
    run = engine.run(lambda: stubborn(box), str(box), fault=Fault("ENOSPC", point, lasting=True))
    assert (run.exit, [call.failed for call in run.calls]) == (0, [True] * 3)


def test_calls_of_all_threads_are_points(box: Path) -> None:
    def side_by_side(box: Path) -> None:
        threads = [threading.Thread(target=(box / name).mkdir) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(map(str, points(box, side_by_side))) == ["mkdir a", "mkdir b", "mkdir c"]


def test_a_run_that_does_not_end_is_told_and_killed(box: Path) -> None:
    run = engine.run(lambda: threading.Event().wait(), str(box), timeout_s=0.2)
    assert (run.hung, run.exit) == (True, -9)


# A sabotaged worker


def sabotaged(name: str, sabotage: Callable[[], None]) -> Survey:
    """A scenario in which the worker has a mistake; the restart's worker has none."""
    scenario = SCENARIOS[name]

    async def act(stage: Stage) -> None:
        sabotage()
        await scenario.act(stage)

    return survey(replace(scenario, act=act))


def finds(survey_: Survey, kind: str, *invariants: str) -> bool:
    """Whether some point shows that one of these is broken."""
    judge = Judge()
    return any(
        problem[:3].strip() in invariants
        for _, point in points_of(survey_, kind)
        for problem in tried(survey_, judge, Fault(kind, point))[1]
    )


def no_rename() -> None:
    """Every file is written in place."""

    def write(self: Folder, name: str, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode, dir_fd=self.fd)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)

    Folder.write = write  # type: ignore[method-assign]


def no_fsync_of_folders() -> None:
    Folder.sync = lambda self: None  # type: ignore[method-assign]


def never_taken_back() -> None:
    bundle._take_back = lambda *_: True


def all_tips_are_live() -> None:
    attach = bundle.DiskBundles.attach

    async def live(self: bundle.DiskBundles, coached: Coached, addendum: AiAddendum, _origin: Origin) -> None:
        await attach(self, coached, addendum, "live")

    bundle.DiskBundles.attach = live  # type: ignore[method-assign, assignment]


def always_appended() -> None:
    session_index._missing = lambda found, entries: list(entries)


def test_files_written_in_place_are_found() -> None:
    assert finds(sabotaged("take", no_rename), "KILL", "I2", "I6")


def test_a_reply_in_two_places_is_found() -> None:
    assert finds(sabotaged("in-time", never_taken_back), "ENOSPC", "I9", "I6")


def test_a_prepared_tip_that_is_called_live_is_found() -> None:
    with pytest.raises(Wrong, match=r"calls a tip live that was prepared"):
        sabotaged("prepared", all_tips_are_live)


def test_an_entry_written_twice_is_found() -> None:
    """The second take gives the writer time for its second try, though not always enough."""
    assert any(finds(sabotaged("late-next", always_appended), "ENOSPC", "I19") for _ in range(4))


def test_names_that_are_not_fsynced_are_found() -> None:
    survey_ = sabotaged("late", no_fsync_of_folders)
    cut = power_cuts(survey_, recorded(survey_), Judge(), "power:posix")
    assert any(problem.startswith("I8") for _, problems in cut for problem in problems)
