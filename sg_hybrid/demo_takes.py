"""What the demo plays: its scenes and the recorded takes; in the repository or in an installed package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from sg_coach.contract import AI_FILE, QUEUED_FILE

from .simulator import Fault, Outcome

REPOSITORY: Final = Path(__file__).resolve().parent.parent
"""The repository, unless this is an installed package."""

LOOP_TAKE: Final = "guitarset_00"


@dataclass(frozen=True, slots=True)
class Scene:
    """One take of the demo: which recorded take, how the AI answers, what to tell about it."""

    clip_id: str
    take: str
    outcome: Outcome
    title: str
    expect: str
    """What to wait for: the name of a file in the bundle, `pending`, or nothing but the hint."""
    ai: bool = True


_LOGIN_PAGE: Final = Outcome(0.1, fault=Fault.HTML)
_NONSENSE: Final = Outcome(0.1, fault=Fault.GARBAGE)
SCENES: Final = (
    Scene("waltz_1", "abercrombie_02", Outcome(0.3), "the AI answers in 0.3 s: in time", AI_FILE),
    Scene("waltz_2", "abercrombie_03", Outcome(1.4), "the AI answers in 1.4 s: a prepared tip stands in", "pending"),
    Scene("waltz_3", "abercrombie_04", _LOGIN_PAGE, "no AI behind this network; the last take's tip fits", QUEUED_FILE),
    Scene("waltz_4", "abercrombie_05", _NONSENSE, "the AI answers nonsense: a prepared tip stands in", AI_FILE),
    Scene(
        "blues_1",
        "guitarset_00",
        Outcome(2.0),
        "late, nothing prepared, and no further take of this session",
        "pending",
    ),
    Scene("waltz_5", "abercrombie_06", Outcome(0.1), "the AI is switched off (sg-hybrid ai off)", "", ai=False),
)


def take(name: str) -> bytes:
    """Return a recorded take: from the repository's fixtures, or from the copy inside an installed package."""
    return (_takes() / f"{name}.json").read_bytes()


def _takes() -> Path:
    packaged = Path(str(resources.files("sg_hybrid"))) / "_takes"
    return packaged if packaged.is_dir() else REPOSITORY / "fixtures" / "sessions"
