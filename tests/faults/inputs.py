"""Plays about takes: bad ones, MIDI files, prepared tips, and a folder that is watched."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import anyio

from sg_coach.contract import TAKE_FILE
from sg_hybrid.prepared import TipClass
from tests.late_replies import OTHER_SESSION

from .setups import coach_everything, lived
from .stage import Stage, midi_take, write

_SOON: Final = {"rescan_interval_s": 0.1}
_ASKED: Final = ("tip_prepared", "tip_not_prepared", "prepared_tip_not_stored")


def bad_take(stage: Stage) -> None:
    stage.take("b")
    stage.generated("c")
    write(stage.bundle("c") / "session.json", b'{"bpm": "fast"')
    stage.coming("c")


async def refuse_then_coach(stage: Stage) -> None:
    async with stage.worker(ai_enabled=False) as worker:
        await stage.coach(worker, "c", "b")
        stage.arrive("c")
        await stage.coach(worker, "c")


def broken_index(stage: Stage) -> None:
    """Of two sessions: which of their takes comes first is nothing to either."""
    stage.take("a")
    stage.take("b", session_id=OTHER_SESSION)
    write(stage.root / "2026-02-04" / "session.index.json", b'{"entries": [')


# A prepared tip, and a take as MIDI


def tips_but_one(stage: Stage) -> None:
    """The bank is full but for one tip, which is none for the take that comes."""
    stage.generated("a")
    stage.coming("a")
    stage.unmake("a")
    lived(stage, _prepare_all)
    stage.unmake("a")
    next((stage.queue / "prepared").glob("*__panic_warn__*")).unlink()


async def _prepare_all(stage: Stage) -> None:
    async with stage.worker(watch=True, prepare=True):
        stage.appear("a")
        await _until(lambda: _count(stage, "tip_prepared") >= len(TipClass))


async def prepared(stage: Stage) -> None:
    """As in production: a clip is noticed and its tip prepared; its take shows one; the live reply is late."""
    async with stage.worker({"a": "stop"}, watch=True, prepare=True, reply_deadline_ms=20, **_SOON) as worker:
        stage.appear("a")
        await _until(lambda: _count(stage, *_ASKED) >= 1)
        stage.arrive("a")
        await _until(lambda: _count(stage, "cycle") >= 1)
        await _until(lambda: _count(stage, *_ASKED) >= 2)  # that text is used up, so another is asked for
        await worker._worker.parts.scores.flush()


def _count(stage: Stage, *events: str) -> int:
    return sum(event["event"] in events for event in stage.said())


async def _until(condition: Callable[[], bool]) -> None:
    """Wait a moment for what a fault may prevent."""
    for _ in range(80):
        if condition():
            return
        await anyio.sleep(0.005)


def midi_takes(stage: Stage) -> None:
    """One comes to a clip without any, one to a clip whose earlier take is coached."""
    for clip in ("m", "n"):
        stage.midi_clip(clip)
    write(stage.bundle("n") / TAKE_FILE, midi_take("n", 90))
    lived(stage, coach_everything)
    for clip in ("m", "n"):
        write(stage.incoming / clip, midi_take(clip, 100))


async def coach_midi(stage: Stage) -> None:
    async with stage.worker(ai_enabled=False) as worker:
        for clip in ("m", "n"):
            stage.arrive(clip, TAKE_FILE)
            await stage.coach(worker, clip)


async def watching(stage: Stage) -> None:
    """A take that arrives while the worker watches; then SIGTERM."""
    async with stage.worker(watch=True, ai_enabled=False, rescan_interval_s=0.1) as worker:
        stage.arrive("a")
        for _ in range(200):
            if os.path.exists(stage.bundle("a") / "clip.coach.json"):
                break
            await anyio.sleep(0.005)
        os.kill(os.getpid(), 15)
        await worker.serve()


def clip_a(stage: Stage) -> None:
    stage.generated("a")
    stage.coming("a")
