"""A thousand takes at once, AI off, against bare durable writes of the very same files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.fake_edges import session

from ._children import write_bare
from ._scratch import scratch
from .hint import Child
from .table import Row

TAKES: Final = 1000
SESSIONS: Final = 40
ROUNDS: Final = 5
OURS: Final = ("clip.coach.json", "manifest.json")


def _coached(base: Path) -> tuple[float, Path]:
    """Return seconds until the last manifest stood, and the day folder."""
    child = Child(base, "worker", "worker", {"AI_COACH_ENABLED": "false"}, takes=TAKES)
    texts = [session(session_id=UUID(int=number % SESSIONS + 1)).model_dump_json() for number in range(TAKES)]
    for bundle, text in zip(child.bundles, texts, strict=True):
        (bundle / ".take").write_text(text)
    begin = time.perf_counter()
    for bundle in child.bundles:
        os.rename(bundle / ".take", bundle / "session.json")
    for bundle in child.bundles:  # one look at a time: whoever asks for all of them takes a core from the worker
        while not (bundle / "manifest.json").exists():
            time.sleep(0.002)
    seconds = time.perf_counter() - begin
    child.end()
    return seconds, child.day


def _bare(base: Path, day: Path) -> float:
    contents = [
        (bundle.name, name, (bundle / name).read_bytes()) for bundle in sorted(day.glob("clip_*")) for name in OURS
    ]
    for clip in {clip for clip, _, _ in contents}:
        (base / "bare" / clip).mkdir(parents=True)
    begin = time.perf_counter()
    for clip, name, data in contents:
        write_bare(base / "bare" / clip, name, data, durable=True)
    return time.perf_counter() - begin


def _round() -> tuple[float, float]:
    """Return seconds for our way and for the bare one. In turn: a shared disk is another one a second later."""
    with scratch("burst") as base:
        ours, day = _coached(base)
        return ours, _bare(base, day)


def run() -> list[Row]:
    """The rate, as a share of the bare rate, in the round with the middle share."""
    ours, bare = sorted((_round() for _ in range(ROUNDS)), key=lambda seconds: seconds[1] / seconds[0])[ROUNDS // 2]
    share, rate, peer = bare / ours, TAKES / ours, TAKES / bare
    return [
        Row("1,000 takes at once, AI off", rate, "takes/s", "bare durable writes", peer, share, "≥ 0.6 ×", share >= 0.6)
    ]
