"""ENV: the surroundings that a program is started in."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sg_hybrid.errors import ConfigError
from sg_hybrid.settings import Settings

from .place import Place, is_coached


@pytest.mark.parametrize(
    ("text", "enabled"),
    [("", False), ("True ", True), ("0", False)],
    ids=["ENV-01-switch-empty", "ENV-02-switch-True-blank", "ENV-03-switch-0"],
)
def test_the_switch(text: str, enabled: bool) -> None:
    assert Settings.from_env({"HOME": "/home/player", "AI_COACH_ENABLED": text}).ai_enabled is enabled


def test_env_04_switch_maybe() -> None:
    with pytest.raises(ConfigError, match="AI_COACH_ENABLED is 'maybe': neither on nor off"):
        Settings.from_env({"HOME": "/home/player", "AI_COACH_ENABLED": "maybe"})


def run_once(place: Place, *, files: int | None = None, umask: int = 0o022, **environ: str | None) -> tuple[int, str]:
    """`sg-hybrid run --once` as a program; exit code and what it said to a person."""
    ours: dict[str, str | None] = {
        "HOME": str(place.folder),
        "PATH": os.environ["PATH"],
        "SG_COACH_QUEUE_DIR": str(place.queue),
        "SG_BUNDLE_ROOTS": str(place.root),
    }

    def narrow() -> None:
        os.umask(umask)
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    done = subprocess.run(
        [sys.executable, "-m", "sg_hybrid", "run", "--once"],
        env={name: value for name, value in (ours | environ).items() if value is not None},
        cwd=Path(__file__).parents[2],
        preexec_fn=narrow,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, "".join(line for line in done.stderr.splitlines(True) if line.startswith("ERROR"))


@pytest.mark.parametrize("home", [None, "/proc"], ids=["ENV-05-home-unset", "ENV-06-home-read-only"])
def test_a_home_that_holds_no_queue(home: str | None, tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle()

    code, said = run_once(place, HOME=home, SG_COACH_QUEUE_DIR=None)

    assert code != 0
    assert said.count("\n") == 1
    assert ("HOME" if home is None else "/proc/.sg-coach-queue") in said
    assert run_once(place, HOME=home) == (0, "")
    assert is_coached(bundle)


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=["ENV-07-umask-000", "ENV-08-umask-777"])
def test_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle()

    assert run_once(place, umask=umask) == (0, "")

    assert is_coached(bundle)
    inside = [place.queue, *place.queue.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in inside if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in inside if path.is_file()} == {0o600}


def test_env_09_lang_c(tmp_path: Path) -> None:
    place = Place(tmp_path)
    bundle = place.bundle()

    assert run_once(place, LANG="C", LC_ALL="C", PYTHONUTF8="0") == (0, "")

    assert is_coached(bundle)


def test_env_10_16_open_files(tmp_path: Path) -> None:
    """Too few to work with: one clear line, nothing lost, and all is done when there are more."""
    place = Place(tmp_path)
    bundle = place.bundle()

    code, said = run_once(place, files=16)

    assert (code == 0 and is_coached(bundle)) or (code == 1 and said.count("\n") == 1 and "open files" in said)
    assert run_once(place) == (0, "")
    assert is_coached(bundle)
