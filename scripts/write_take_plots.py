"""Draw the two plots of docs/take-analysis.md.

python scripts/write_take_plots.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from uuid import UUID

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sg_coach.models import ProgramRef, ProgramType  # noqa: E402 - the repository's root has to be importable first
from sg_coach.take import Context, Note, TakeReport, analyse_take  # noqa: E402
from sg_coach.take.notes import steady_pulse  # noqa: E402
from sg_coach.take_files import analyse_files  # noqa: E402
from sg_coach.take_plot import plot_bytes  # noqa: E402

CLIP = ROOT / "fixtures" / "takes" / "clip_bossa"
FAST_BPM = 250
BEATS_A_BAR = 4


def of_the_fixture() -> TakeReport:
    """The made-up take of the fixtures, against its clip."""
    return analyse_files(
        (CLIP / "take.mid").read_bytes(), name="bossa", clip=(CLIP / "clip.comp.mid").read_bytes(), tags=None
    )


def of_random_notes() -> TakeReport:
    """Notes at random times at 250 bpm, against sixteenths: what cannot be measured."""
    chance = Random(1)
    pulse = steady_pulse(FAST_BPM, "4/4", 15_000)
    notes = [Note(chance.uniform(0, 15_000), 60 + chance.randrange(12)) for _ in range(130)]
    session_id = UUID("00000000-0000-0000-0000-00000000f007")
    context = Context(session_id=session_id, program=ProgramRef(kind=ProgramType.LIVE, name="random"), grid=16)
    return analyse_take(notes, pulse, context)


def main() -> int:
    """Write both plots."""
    for name, report in (("take-clip.svg", of_the_fixture()), ("take-random.svg", of_random_notes())):
        (ROOT / "docs" / name).write_bytes(plot_bytes(report, BEATS_A_BAR, "svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
